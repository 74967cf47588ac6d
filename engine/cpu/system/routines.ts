/** The slow routines of the system part by their names in `SLOW`; values as `engine/isa/fields.ts` says. */
import type { SlowName } from '../../isa/fields.ts';
import type { SlowContext, SlowRoutineBody } from '../context.ts';
import type { VmxSlowName } from '../vmx/routines.ts';
import { syscall, sysenter, sysexit, sysret } from './calls.ts';
import { clts, lmsw, readControl, writeControl, xgetbv, xsetbv } from './control.ts';
import { readDebug, writeDebug } from './debug.ts';
import { callFar, jumpFar } from './far.ts';
import { raiseUd, requireRing0 } from './faults.ts';
import { cpuid, readPmc, readTsc } from './identity.ts';
import { hlt, monitor, mwait, pause } from './idle.ts';
import { cliSti, popFlags, softwareInterrupt } from './interrupts.ts';
import { rdmsr, wrmsr } from './msr.ts';
import { checkPort, portIn, portOut } from './ports.ts';
import { iret, returnFar } from './returns.ts';
import { accessRights, loadSegment, segmentLimit, verify } from './segments.ts';
import type { ItemWidth } from './stack.ts';
import { invlpg, invpcid, loadGdt, loadIdt, loadLdt, loadTr } from './tables.ts';

/** Names that belong to floating point (engine/cpu/fpu). */
export type FloatSlowName = 'sse' | 'x87' | 'fxsave' | 'fxrstor' | 'xsave' | 'xrstor';
export type SystemSlowName = Exclude<SlowName, FloatSlowName | VmxSlowName>;

/** A routine without results. */
const act =
  (body: (c: SlowContext, a0: bigint, a1: bigint, a2: bigint) => void): SlowRoutineBody =>
  (c, a0, a1, a2) => {
    body(c, a0, a1, a2);
    return undefined;
  };

const n = Number;
const width = (value: bigint): ItemWidth => Number(value) as ItemWidth;
/** A value and whether there is one. */
const found = (value: number | undefined): readonly bigint[] => (value === undefined ? [0n, 0n] : [BigInt(value), 1n]);

export const systemRoutines: Readonly<Record<SystemSlowName, SlowRoutineBody>> = {
  jumpFar: act(jumpFar),
  callFar: act(callFar),
  returnFar: act((c, w, release) => returnFar(c, width(w), n(release))),
  interrupt: act((c, vector, kind) => softwareInterrupt(c, n(vector), n(kind))),
  iret: act((c, w) => iret(c, width(w))),
  syscall: act(syscall),
  sysret: act((c, w) => sysret(c, n(w))),
  sysenter: act(sysenter),
  sysexit: act((c, w) => sysexit(c, n(w))),
  loadSegment: act((c, segment, selector) => loadSegment(c, n(segment), n(selector) & 0xffff)),
  loadLdt: act((c, selector) => loadLdt(c, n(selector) & 0xffff)),
  loadTr: act((c, selector) => loadTr(c, n(selector) & 0xffff)),
  loadGdt: act((c, limit, base) => loadGdt(c, n(limit) & 0xffff, base)),
  loadIdt: act((c, limit, base) => loadIdt(c, n(limit) & 0xffff, base)),
  verify: (c, selector, write) => [verify(c, n(selector) & 0xffff, write !== 0n) ? 1n : 0n],
  accessRights: (c, selector) => found(accessRights(c, n(selector) & 0xffff)),
  segmentLimit: (c, selector) => found(segmentLimit(c, n(selector) & 0xffff)),
  readControl: (c, number) => [readControl(c, n(number))],
  writeControl: act((c, number, value) => writeControl(c, n(number), value)),
  lmsw: act((c, value) => lmsw(c, n(value & 0xffffn))),
  clts: act(clts),
  readDebug: (c, number) => [readDebug(c, n(number))],
  writeDebug: act((c, number, value) => writeDebug(c, n(number), value)),
  rdmsr: act(rdmsr),
  wrmsr: act(wrmsr),
  rdtsc: (c) => [readTsc(c)],
  rdtscp: (c) => [readTsc(c)],
  rdpmc: () => [readPmc()],
  cpuid: act(cpuid),
  xgetbv: (c) => [xgetbv(c)],
  xsetbv: act(xsetbv),
  invlpg: act(invlpg),
  invpcid: act((c, type, low, address) => invpcid(c, type, [low, address])),
  flushAll: act(requireRing0),
  portIn: (c, port, w) => [BigInt(portIn(c, n(port) & 0xffff, (n(w) & 0xff) >>> 3))],
  portOut: act((c, port, w, value) => {
    portOut(c, { port: n(port) & 0xffff, size: (n(w) & 0xff) >>> 3 }, n(value & 0xffffffffn));
  }),
  checkPort: act((c, port, w) => checkPort(c, n(port) & 0xffff, n(w) >>> 3)),
  hlt: act(hlt),
  monitor: act(monitor),
  mwait: act(mwait),
  pause: act(pause),
  popf: act((c, value, w) => popFlags(c, n(value & 0xffffffffn), width(w))),
  cliSti: act((c, set) => cliSti(c, set !== 0n)),
  rsm: act(raiseUd),
  smsw: (c) => [c.s.cr0],
  storeTable: () => undefined,
  storeSelector: () => undefined,
};
