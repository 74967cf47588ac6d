/**
 * What exits before a slow routine runs in VMX non-root operation, by the routine's name (SDM vol. 3, 25.1.2 and 25.1.3). An intercept
 * returns the exit (or throws it), returns results that stand for the routine's (it does not run then), or nothing.
 */
import type { SlowName } from '../../isa/fields.ts';
import { type SlowContext, VmExit } from '../context.ts';
import { clts, setControl } from '../system/control.ts';
import { raiseGp, raiseUd } from '../system/faults.ts';
import { checkPort } from '../system/ports.ts';
import { CR0, cr0, cr4, gpr, gpr32, is64, isProtected, RAX, RBX, RCX, RDX, setGpr32 } from '../system/registers.ts';
import { exitsByTime } from './between.ts';
import { isTrapped } from './event-exits.ts';
import { preemptionLeft, recordExit } from './exit.ts';
import { PROC, PROC2 } from './fields.ts';
import { instructionInformation, stringInformation, type TakenApart, takeApart } from './information.ts';
import { vmxInstructionExit } from './instructions.ts';
import { get, get32 } from './region.ts';

type Intercept = (c: SlowContext, a0: bigint, a1: bigint, a2: bigint) => readonly bigint[] | VmExit | undefined;

const REASON = {
  exception: 0,
  cpuid: 10,
  hlt: 12,
  invd: 13,
  invlpg: 14,
  rdpmc: 15,
  rdtsc: 16,
  control: 28,
  debug: 29,
  io: 30,
  rdmsr: 31,
  wrmsr: 32,
  mwait: 36,
  monitor: 39,
  pause: 40,
  tprThreshold: 43,
  gdtrIdtr: 46,
  ldtrTr: 47,
  rdtscp: 51,
  preemptionTimer: 52,
  wbinvd: 54,
  xsetbv: 55,
  invpcid: 58,
} as const;
const DONE: readonly bigint[] = [];
const CR4_TSD = 4;
const CR4_PCE = 0x100;
const CR4_DE = 8;
const CR4_OSXSAVE = 0x40000;
const VTPR = 0x80;

const exit = (reason: number, qualification = 0n): VmExit => new VmExit(reason, { qualification });
const proc = (c: SlowContext, bit: number): boolean => (c.s.procControls & bit) !== 0;
const proc2 = (c: SlowContext, bit: number): boolean => (c.s.proc2Controls & bit) !== 0;

/** Exits where the control is set. */
const whenProc =
  (bit: number, reason: number): Intercept =>
  (c) =>
    proc(c, bit) ? exit(reason) : undefined;

function exitWithInformation(c: SlowContext, reason: number): never {
  const { info, displacement } = instructionInformation(c);
  throw new VmExit(reason, { info, qualification: displacement });
}

const descriptorTable =
  (reason: number): Intercept =>
  (c) =>
    proc2(c, PROC2.descriptorTable) ? exitWithInformation(c, reason) : undefined;

// ---- control registers (table 27-3) ----

const ACCESS = { to: 0, from: 1, clts: 2, lmsw: 3 } as const;

const controlExit = (c: SlowContext, number: number, access: 0 | 1): VmExit =>
  exit(REASON.control, BigInt(number | (access << 4) | (takeApart(c).rm << 8)));

const shown = (real: bigint, mask: bigint, shadow: bigint): bigint => (real & ~mask) | (shadow & mask);

const virtualTpr = (c: SlowContext): number => Number(get(c, 'virtualApicAddress')) + VTPR;

const readControl: Intercept = (c, n) => {
  const { s } = c;
  switch (Number(n)) {
    case 0:
      return [shown(s.cr0, get(c, 'cr0Mask'), get(c, 'cr0Shadow'))];
    case 3:
      return proc(c, PROC.cr3Store) ? controlExit(c, 3, ACCESS.from) : undefined;
    case 4:
      return [shown(s.cr4, get(c, 'cr4Mask'), get(c, 'cr4Shadow'))];
    case 8:
      if (proc(c, PROC.cr8Store)) return controlExit(c, 8, ACCESS.from);
      return proc(c, PROC.tprShadow) ? [(c.memory.readPhysical(32, virtualTpr(c)) >> 4n) & 15n] : undefined;
    default:
      return undefined;
  }
};

function writeMasked(c: SlowContext, number: 0 | 4, value: bigint): readonly bigint[] | VmExit {
  const [mask, shadow] = number === 0 ? [get(c, 'cr0Mask'), get(c, 'cr0Shadow')] : [get(c, 'cr4Mask'), get(c, 'cr4Shadow')];
  if (((value ^ shadow) & mask) !== 0n) return controlExit(c, number, ACCESS.to);
  const real = number === 0 ? c.s.cr0 : c.s.cr4;
  setControl(c, number, (value & ~mask) | (real & mask));
  c.notice?.({ kind: 'cr', cr: number, value });
  return DONE;
}

function writeTpr(c: SlowContext, value: bigint): readonly bigint[] {
  if (value > 15n) raiseGp();
  c.memory.writePhysical(32, virtualTpr(c), value << 4n);
  c.notice?.({ kind: 'cr', cr: 8, value });
  if (Number(value) < (get32(c, 'tprThreshold') & 15)) throw new VmExit(REASON.tprThreshold, { rip: c.nextIp() });
  return DONE;
}

const CR3_TARGETS = ['cr3Target0', 'cr3Target1', 'cr3Target2', 'cr3Target3'] as const;

const writeControlIntercept: Intercept = (c, n, value) => {
  switch (Number(n)) {
    case 0:
      return writeMasked(c, 0, value);
    case 3: {
      if (!proc(c, PROC.cr3Load)) return undefined;
      const count = get32(c, 'cr3TargetCount');
      return CR3_TARGETS.slice(0, count).some((name) => get(c, name) === value) ? undefined : controlExit(c, 3, ACCESS.to);
    }
    case 4:
      return writeMasked(c, 4, value);
    case 8:
      if (proc(c, PROC.cr8Load)) return controlExit(c, 8, ACCESS.to);
      return proc(c, PROC.tprShadow) ? writeTpr(c, value) : undefined;
    default:
      return undefined;
  }
};

const cltsIntercept: Intercept = (c) => {
  const ts = BigInt(CR0.TS);
  if ((get(c, 'cr0Mask') & ts) === 0n) {
    clts(c);
    return DONE;
  }
  return (get(c, 'cr0Shadow') & ts) === 0n ? DONE : exit(REASON.control, BigInt(ACCESS.clts << 4));
};

/** LMSW: PE counts only when it would be set. */
const lmswIntercept: Intercept = (c, source) => {
  const mask = get(c, 'cr0Mask');
  const shadow = get(c, 'cr0Shadow');
  const differs = ((source ^ shadow) & mask & 0xen) !== 0n || (mask & source & ~shadow & 1n) !== 0n;
  if (differs) {
    const { mod, displacement } = takeApart(c);
    const memory = mod !== 3;
    throw new VmExit(REASON.control, {
      qualification: BigInt(ACCESS.lmsw << 4) | (memory ? 0x40n : 0n) | ((source & 0xffffn) << 16n),
      linear: memory ? displacement : 0n,
    });
  }
  const real = BigInt(cr0(c.s));
  const free = ~mask & 0xen;
  const next = (real & ~free) | (source & free) | (source & ~mask & 1n);
  setControl(c, 0, next);
  c.notice?.({ kind: 'cr', cr: 0, value: (next & ~mask) | (shadow & mask) });
  return DONE;
};

// ---- debug registers (table 27-4) ----

const debugRegister =
  (from: boolean): Intercept =>
  (c, n) => {
    const number = Number(n);
    if (!proc(c, PROC.movDr)) return undefined;
    if (number > 7 || ((number === 4 || number === 5) && (cr4(c.s) & CR4_DE) !== 0)) return raiseUd();
    return exit(REASON.debug, BigInt(number | (from ? 0x10 : 0) | (takeApart(c).rm << 8)));
  };

// ---- input and output (table 27-5) ----

function portTrapped(c: SlowContext, port: number, size: number): boolean {
  if (!proc(c, PROC.ioBitmaps)) return proc(c, PROC.everyIo);
  if (port + size > 0x10000) return true;
  for (let p = port; p < port + size; p++) {
    const page = Number(get(c, p < 0x8000 ? 'ioBitmapA' : 'ioBitmapB'));
    const byte = Number(c.memory.readPhysical(8, page + ((p & 0x7fff) >>> 3)));
    if (((byte >>> (p & 7)) & 1) !== 0) return true;
  }
  return false;
}

const SEGMENT_BASES = ['esBase', 'csBase', 'ssBase', 'dsBase', 'fsBase', 'gsBase'] as const;

/** Linear address of the first item of INS (ES:rDI) or OUTS. */
function stringLinear(c: SlowContext, i: TakenApart, input: boolean): bigint {
  const { s } = c;
  const offset = BigInt.asUintN(i.addressSize, gpr(s, input ? 7 : 6));
  const segment = input ? 0 : i.segment;
  const base = is64(s) && segment < 4 ? 0n : s[SEGMENT_BASES[segment] as 'esBase'];
  return BigInt.asUintN(is64(s) ? 64 : 32, base + offset);
}

/** IN and OUT; `shape` has the width, and bit 8 where the port is immediate. What INS and OUTS do has exited before, if it does. */
const port =
  (input: boolean): Intercept =>
  (c, number, shape) => {
    if (c.s.busOpen !== 0) return undefined;
    const at = Number(number) & 0xffff;
    const size = (Number(shape) & 0xff) >>> 3;
    checkPort(c, at, size);
    if (!portTrapped(c, at, size)) return undefined;
    const immediate = (Number(shape) & 0x100) !== 0;
    const qualification = ((size - 1) | (input ? 8 : 0) | (immediate ? 0x40 : 0) | (at << 16)) >>> 0;
    if (c.s.monitored === 0 || c.host.servesPort?.(c.index) !== true) return exit(REASON.io, BigInt(qualification));
    recordExit(c, REASON.io, qualification);
    return undefined;
  };

/** INS and OUTS, before memory is touched. */
const stringPort: Intercept = (c, number, width) => {
  if (c.s.busOpen !== 0) return undefined;
  const at = Number(number & 0xffffn);
  const size = Number(width) >>> 3;
  checkPort(c, at, size);
  if (!portTrapped(c, at, size)) return undefined;
  const i = takeApart(c);
  const input = i.opcode < 0x6e;
  const qualification = (size - 1) | (input ? 8 : 0) | 0x10 | (i.rep ? 0x20 : 0) | (at << 16);
  return new VmExit(REASON.io, {
    qualification: BigInt(qualification >>> 0),
    info: stringInformation(i),
    linear: stringLinear(c, i, input),
  });
};

// ---- model-specific registers ----

/** The bitmap: reads of low MSRs, reads of high ones, writes of each (SDM vol. 3, 24.6.9). */
function msrTrapped(c: SlowContext, write: boolean): boolean {
  if (!proc(c, PROC.msrBitmaps)) return true;
  const index = gpr32(c.s, RCX);
  const high = index >>> 0 >= 0xc0000000;
  const offset = high ? index - 0xc0000000 : index;
  if (offset > 0x1fff) return true;
  const at = Number(get(c, 'msrBitmap')) + (write ? 2048 : 0) + (high ? 1024 : 0) + (offset >>> 3);
  return ((Number(c.memory.readPhysical(8, at)) >>> (offset & 7)) & 1) !== 0;
}

// ---- PAUSE loops (SDM vol. 3, 25.1.3) ----

const pause: Intercept = (c) => {
  const { s } = c;
  if (proc(c, PROC.pause)) return exit(REASON.pause);
  if (!proc2(c, PROC2.pauseLoop) || s.cpl !== 0) return undefined;
  const now = BigInt(c.host.ticks(c.index));
  if (now - s.pauseLast > BigInt(get32(c, 'pleGap'))) s.pauseFirst = now;
  s.pauseLast = now;
  return now - s.pauseFirst > BigInt(get32(c, 'pleWindow')) ? exit(REASON.pause) : undefined;
};

const timeDisabled = (c: SlowContext): boolean => (cr4(c.s) & CR4_TSD) !== 0 && c.s.cpl !== 0 && isProtected(c.s);

export const INTERCEPTS: { readonly [K in SlowName]?: Intercept } = {
  vmxAllowed: (c, reason) => vmxInstructionExit(c, Number(reason)),
  cpuid: (c) => {
    const answer = c.s.monitored === 0 ? undefined : c.host.servesCpuid?.(c.index, gpr32(c.s, RAX), gpr32(c.s, RCX));
    if (answer === undefined) return exit(REASON.cpuid);
    recordExit(c, REASON.cpuid, 0);
    for (const [i, register] of [RAX, RBX, RCX, RDX].entries()) setGpr32(c.s, register, answer[i] as number);
    return [];
  },
  hlt: whenProc(PROC.hlt, REASON.hlt),
  flushAll: (c) => {
    if (takeApart(c).opcode === 0x0f08) return exit(REASON.invd);
    return proc2(c, PROC2.wbinvd) ? exit(REASON.wbinvd) : undefined;
  },
  invlpg: (c, address) => (proc(c, PROC.invlpg) ? exit(REASON.invlpg, address) : undefined),
  invpcid: (c) => {
    if (!proc2(c, PROC2.invpcid)) return raiseUd();
    return proc(c, PROC.invlpg) ? exitWithInformation(c, REASON.invpcid) : undefined;
  },
  rdpmc: (c) => {
    if (c.s.cpl !== 0 && (cr4(c.s) & CR4_PCE) === 0) return raiseGp();
    return proc(c, PROC.rdpmc) ? exit(REASON.rdpmc) : undefined;
  },
  rdtsc: (c) => {
    // No guest sees a time after the end of its timer.
    if (exitsByTime(c.s) && preemptionLeft(c) === 0n) return exit(REASON.preemptionTimer);
    return !timeDisabled(c) && proc(c, PROC.rdtsc) ? exit(REASON.rdtsc) : undefined;
  },
  rdtscp: (c) => {
    if (!proc2(c, PROC2.rdtscp)) return raiseUd();
    return !timeDisabled(c) && proc(c, PROC.rdtsc) ? exit(REASON.rdtscp) : undefined;
  },
  readControl,
  writeControl: writeControlIntercept,
  smsw: (c) => [shown(c.s.cr0, get(c, 'cr0Mask'), get(c, 'cr0Shadow'))],
  clts: cltsIntercept,
  lmsw: lmswIntercept,
  readDebug: debugRegister(true),
  writeDebug: debugRegister(false),
  portIn: port(true),
  portOut: port(false),
  checkPort: stringPort,
  rdmsr: (c) => (msrTrapped(c, false) ? exit(REASON.rdmsr) : undefined),
  wrmsr: (c) => (msrTrapped(c, true) ? exit(REASON.wrmsr) : undefined),
  monitor: whenProc(PROC.monitor, REASON.monitor),
  mwait: (c) => (proc(c, PROC.mwait) ? exit(REASON.mwait, c.s.monitorAddress === 0xffff_ffff_ffff_ffffn ? 0n : 1n) : undefined),
  pause,
  xsetbv: (c) => {
    if ((cr4(c.s) & CR4_OSXSAVE) === 0) return raiseUd();
    return c.s.cpl !== 0 ? raiseGp() : exit(REASON.xsetbv);
  },
  loadGdt: descriptorTable(REASON.gdtrIdtr),
  loadIdt: descriptorTable(REASON.gdtrIdtr),
  storeTable: descriptorTable(REASON.gdtrIdtr),
  loadLdt: descriptorTable(REASON.ldtrTr),
  loadTr: descriptorTable(REASON.ldtrTr),
  storeSelector: descriptorTable(REASON.ldtrTr),
  interrupt: (c, vector, kind) => {
    const number = Number(vector);
    if (kind === 0n || !isTrapped(c, number)) return undefined;
    const type = kind === 3n ? 5 : 6;
    throw new VmExit(REASON.exception, { interruption: (0x80000000 | (type << 8) | number) >>> 0 });
  },
};
