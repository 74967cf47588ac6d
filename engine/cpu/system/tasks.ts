/** Hardware task switching (SDM vol. 3, chapter 7): by JMP, CALL, IRET and task gates; 16- and 32-bit TSS; not in IA-32e mode. */
import { GuestFault, type SlowContext, VmExit } from '../context.ts';
import { FLAG, readFlags, writeFlags } from '../flags.ts';
import { resumeFlags } from './debug.ts';
import {
  attrOf,
  baseOf,
  type Descriptor,
  dpl,
  findDescriptor,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isReadable,
  limitOf,
  loaded,
  locate,
  markAccessed,
  TYPE,
  typeOf,
} from './descriptors.ts';
import { raise, raiseGp, raiseNp, raiseTs, selectorCode, VECTOR } from './faults.ts';
import { ATTR, CR0, CS, cr0, getSegment, gpr32, nullSegment, SS, setGpr32, setSegment, vm86Segment } from './registers.ts';
import { flushForCr3, inPae, readPdptes, setPdptes } from './roots.ts';
import { checkStackDescriptor } from './segments.ts';
import { isBigTss } from './tss.ts';

export type SwitchKind = 'jump' | 'call' | 'interrupt' | 'iret';

export interface SwitchRequest {
  readonly kind: SwitchKind;
  readonly selector: number;
  /** Descriptor of the new TSS; privilege, type and presence have been checked. */
  readonly descriptor: Descriptor;
  /** EIP and EFLAGS that the outgoing task resumes with. */
  readonly returnIp: bigint;
  readonly flags: number;
  /** EXT bit of error codes. */
  readonly ext: number;
}

/** Operand size and first EIP of the task switched to. */
export interface SwitchedTask {
  readonly width: 16 | 32;
  readonly ip: bigint;
}

/** Byte offsets in a TSS, for one format. */
interface TssLayout {
  readonly width: 16 | 32;
  readonly minimumLimit: number;
  readonly ip: number;
  readonly flags: number;
  readonly registers: number;
  readonly segments: number;
  /** Segment registers kept, from ES in encoding order. */
  readonly segmentCount: number;
  readonly segmentStep: number;
  readonly ldt: number;
}

const TSS16: TssLayout = {
  width: 16,
  minimumLimit: 0x2b,
  ip: 14,
  flags: 16,
  registers: 18,
  segments: 34,
  segmentCount: 4,
  segmentStep: 2,
  ldt: 42,
};
const TSS32: TssLayout = {
  width: 32,
  minimumLimit: 0x67,
  ip: 32,
  flags: 36,
  registers: 40,
  segments: 72,
  segmentCount: 6,
  segmentStep: 4,
  ldt: 96,
};

const TSS_CR3 = 28;
const TSS_TRAP = 100;
const BUSY = 2;
/** Basic exit reason, and the source of the switch in its qualification (SDM vol. 3, table 27-2). */
const TASK_SWITCH = 9;
const SOURCE = { call: 0n, iret: 1n, jump: 2n, interrupt: 3n } as const;

/** Descriptor of a TSS that a task gate, JMP, CALL (`available`) or a back link (`busy`) names; `vector` is what mistakes raise. */
export function findTss(c: SlowContext, selector: number, rules: { busy: boolean; vector: number; ext: number }): Descriptor {
  const code = selectorCode(selector, rules.ext);
  if ((selector & 4) !== 0 || (isNull(selector) && !rules.busy)) raise(rules.vector, code);
  const d = findDescriptor(c, selector) ?? raise(rules.vector, code);
  const free = typeOf(d) & ~BUSY;
  const busy = (typeOf(d) & BUSY) !== 0;
  if ((free !== TYPE.TSS16 && free !== TYPE.TSS32) || busy !== rules.busy) raise(rules.vector, code);
  if (!isPresent(d)) raiseNp(code);
  return d;
}

const at32 = (base: bigint, offset: number): bigint => BigInt.asUintN(32, base + BigInt(offset));

/** What the new TSS says, read before anything changes. */
interface Incoming {
  readonly layout: TssLayout;
  readonly ip: bigint;
  readonly flags: number;
  readonly registers: readonly number[];
  /** ES CS SS DS FS GS. */
  readonly segments: readonly number[];
  readonly ldt: number;
  readonly cr3: bigint | undefined;
  readonly pdptes: readonly bigint[] | undefined;
  readonly trap: boolean;
}

function readTss(c: SlowContext, base: bigint, layout: TssLayout): Incoming {
  const item = (offset: number, width: 16 | 32): bigint => c.memory.read(width, at32(base, offset), 'implicit');
  const big = layout.width === 32;
  const number = (offset: number): number => Number(item(offset, layout.width));
  const registers = Array.from({ length: 8 }, (_, i) => number(layout.registers + (i * layout.width) / 8));
  const segments = Array.from({ length: 6 }, (_, i) =>
    i < layout.segmentCount ? Number(item(layout.segments + i * layout.segmentStep, 16)) : 0,
  );
  const paged = big && (cr0(c.s) & CR0.PG) !== 0;
  return {
    layout,
    ip: item(layout.ip, layout.width),
    flags: number(layout.flags),
    registers,
    segments,
    ldt: Number(item(layout.ldt, 16)),
    cr3: paged ? item(TSS_CR3, 32) : undefined,
    pdptes: undefined,
    trap: big && (item(TSS_TRAP, 16) & 1n) !== 0n,
  };
}

function saveTask(c: SlowContext, layout: TssLayout, request: SwitchRequest): void {
  const { s } = c;
  const put = (offset: number, width: 16 | 32, value: number): void =>
    c.memory.write(width, at32(s.trBase, offset), BigInt.asUintN(width, BigInt(value)), 'implicit');
  const flags = request.kind === 'iret' ? request.flags & ~FLAG.N : request.flags;
  put(layout.ip, layout.width, Number(BigInt.asUintN(32, request.returnIp)));
  put(layout.flags, layout.width, flags);
  for (let i = 0; i < 8; i++) put(layout.registers + (i * layout.width) / 8, layout.width, gpr32(s, i));
  for (let i = 0; i < layout.segmentCount; i++) put(layout.segments + i * layout.segmentStep, 16, getSegment(s, i).selector);
}

/** Raise now what the switch's own accesses would raise later. */
function probeSwitch(c: SlowContext, request: SwitchRequest, oldLayout: TssLayout): void {
  const { memory, s } = c;
  const end = oldLayout.segments + oldLayout.segmentCount * oldLayout.segmentStep;
  memory.probe(at32(s.trBase, oldLayout.ip), end - oldLayout.ip, 'implicit', true);
  if (request.kind === 'call' || request.kind === 'interrupt')
    memory.probe(BigInt(baseOf(request.descriptor)), 2, 'implicit', true);
  if (request.kind !== 'iret') memory.probe(request.descriptor.address, 8, 'implicit', true);
  const old = locate(s, s.trSelector);
  if (old !== undefined && request.kind !== 'call' && request.kind !== 'interrupt') memory.probe(old, 8, 'implicit', true);
}

function setBusy(c: SlowContext, address: bigint, busy: boolean): void {
  const byte = Number(c.memory.read(8, address + 5n, 'implicit'));
  c.memory.write(8, address + 5n, BigInt(busy ? byte | BUSY : byte & ~BUSY), 'implicit');
}

/**
 * Leave the present task and start another. Faults before the commit point belong to the old task; those after it (bad segments of the
 * new task) are `late` and belong to the new one. The caller checks EIP against CS afterwards, and pushes an error code first where
 * there is one: `finishSwitch`.
 */
export function switchTask(c: SlowContext, request: SwitchRequest): SwitchedTask {
  const { s } = c;
  const { descriptor, ext } = request;
  // A monitor that emulates the instruction has had its exit.
  if (s.nonRoot !== 0 && s.busOpen === 0) {
    throw new VmExit(TASK_SWITCH, { qualification: BigInt(request.selector) | (SOURCE[request.kind] << 30n) });
  }
  const big = (typeOf(descriptor) & 8) !== 0;
  const layout = big ? TSS32 : TSS16;
  const code = selectorCode(request.selector, ext);
  if (limitOf(descriptor) < layout.minimumLimit) raiseTs(code);
  const oldLayout = isBigTss(s.trAttr) ? TSS32 : TSS16;
  if (s.trLimit < oldLayout.minimumLimit) raiseTs(selectorCode(s.trSelector, ext));
  probeSwitch(c, request, oldLayout);
  const base = BigInt(baseOf(descriptor));
  const incoming = readTss(c, base, layout);
  const pdptes = incoming.cr3 !== undefined && inPae(c) ? (readPdptes(c, incoming.cr3) ?? raiseTs(code)) : undefined;

  const old = locate(s, s.trSelector);
  if ((request.kind === 'jump' || request.kind === 'iret') && old !== undefined) setBusy(c, old, false);
  saveTask(c, oldLayout, request);
  const nested = request.kind === 'call' || request.kind === 'interrupt';
  if (nested) c.memory.write(16, base, BigInt(s.trSelector), 'implicit');
  if (request.kind !== 'iret') setBusy(c, descriptor.address, true);

  s.trSelector = request.selector;
  s.trBase = base;
  s.trLimit = limitOf(descriptor);
  s.trAttr = attrOf(descriptor) | BUSY;
  s.cr0 |= BigInt(CR0.TS);
  s.dr7 &= ~0x155n;
  if (incoming.cr3 !== undefined) {
    s.cr3 = incoming.cr3;
    if (pdptes !== undefined) setPdptes(c, pdptes);
    flushForCr3(c);
  }
  enterTask(c, incoming, nested);
  try {
    loadTaskSegments(c, incoming, ext);
  } catch (fault) {
    if (fault instanceof GuestFault) fault.late = true;
    c.modeChanged();
    throw fault;
  }
  if (incoming.trap) s.debugTraps |= 0x8000;
  return { width: layout.width, ip: incoming.ip };
}

/** Registers of the new task that need no checks; its segment registers hold selectors only. */
function enterTask(c: SlowContext, incoming: Incoming, nested: boolean): void {
  const { s } = c;
  const all = incoming.layout.width === 32 ? incoming.flags : incoming.flags & 0xffff;
  writeFlags(s, resumeFlags(s, nested ? all | FLAG.N : all));
  incoming.registers.forEach((value, i) => {
    setGpr32(s, i, value);
  });
  const vm86 = (s.sysFlags & FLAG.VM) !== 0;
  s.cpl = vm86 ? 3 : (incoming.segments[CS] as number) & 3;
  incoming.segments.forEach((selector, i) => {
    setSegment(s, i, vm86 ? { ...vm86Segment(selector) } : { ...nullSegment(selector, i === SS ? s.cpl : 0) });
  });
  s.ldtrSelector = incoming.ldt;
  s.ldtrBase = 0n;
  s.ldtrLimit = 0;
  s.ldtrAttr = ATTR.UNUSABLE;
  c.jumpTo(incoming.ip);
  c.modeChanged();
}

function loadTaskLdt(c: SlowContext, selector: number, ext: number): void {
  const { s } = c;
  if (isNull(selector)) return;
  const code = selectorCode(selector, ext);
  if ((selector & 4) !== 0) raiseTs(code);
  const d = findDescriptor(c, selector) ?? raiseTs(code);
  if (typeOf(d) !== TYPE.LDT || !isPresent(d)) raiseTs(code);
  s.ldtrBase = BigInt(baseOf(d));
  s.ldtrLimit = limitOf(d);
  s.ldtrAttr = attrOf(d);
}

function loadTaskSegments(c: SlowContext, incoming: Incoming, ext: number): void {
  const { s } = c;
  loadTaskLdt(c, incoming.ldt, ext);
  if ((s.sysFlags & FLAG.VM) !== 0) return;
  const { cpl } = s;
  const codeSelector = incoming.segments[CS] as number;
  const code = selectorCode(codeSelector, ext);
  if (isNull(codeSelector)) raiseTs(code);
  const cs = findDescriptor(c, codeSelector) ?? raiseTs(code);
  if (!isCode(cs) || (isConforming(cs) ? dpl(cs) > cpl : dpl(cs) !== cpl)) raiseTs(code);
  if (!isPresent(cs)) raiseNp(code);
  markAccessed(c, cs);
  setSegment(s, CS, loaded(codeSelector, cs));

  const stackSelector = incoming.segments[SS] as number;
  if (isNull(stackSelector)) raiseTs(selectorCode(stackSelector, ext));
  const ss = checkStackDescriptor(c, stackSelector, { cpl, vector: VECTOR.TS, ext });
  markAccessed(c, ss);
  setSegment(s, SS, loaded(stackSelector, ss));

  for (const segment of [0, 3, 4, 5]) {
    const selector = incoming.segments[segment] as number;
    if (isNull(selector)) continue;
    const error = selectorCode(selector, ext);
    const d = findDescriptor(c, selector) ?? raiseTs(error);
    if (!isReadable(d) || (!isConforming(d) && (dpl(d) < cpl || dpl(d) < (selector & 3)))) raiseTs(error);
    if (!isPresent(d)) raiseNp(error);
    markAccessed(c, d);
    setSegment(s, segment, loaded(selector, d));
  }
  c.modeChanged();
}

/** The last check of a task switch: EIP inside CS, in the new task. */
export function finishSwitch(c: SlowContext, task: SwitchedTask, ext: number): void {
  if (task.ip > BigInt(c.s.csLimit)) {
    const fault = new GuestFault(VECTOR.GP, ext);
    fault.late = true;
    throw fault;
  }
}

/** IRET with NT set: back to the task the link names. */
export function returnToLinkedTask(c: SlowContext): void {
  const link = Number(c.memory.read(16, c.s.trBase, 'implicit'));
  const descriptor = findTss(c, link, { busy: true, vector: VECTOR.TS, ext: 0 });
  const task = switchTask(c, { kind: 'iret', selector: link, descriptor, returnIp: c.nextIp(), flags: readFlags(c.s), ext: 0 });
  finishSwitch(c, task, 0);
}

/** JMP or CALL to a TSS (`gate` false) or through a task gate whose privilege and presence have been checked. */
export function transferToTask(c: SlowContext, selector: number, kind: 'jump' | 'call'): void {
  const descriptor = findTss(c, selector, { busy: false, vector: VECTOR.GP, ext: 0 });
  const task = switchTask(c, { kind, selector, descriptor, returnIp: c.nextIp(), flags: readFlags(c.s), ext: 0 });
  finishSwitch(c, task, 0);
}

/** A task gate's TSS must be in the GDT; null raises #GP(0). */
export function taskGateSelector(gate: Descriptor): number {
  const selector = gate.lo >>> 16;
  if (isNull(selector)) raiseGp();
  return selector;
}
