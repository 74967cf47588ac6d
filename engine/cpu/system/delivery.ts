/** Getting one event to its handler (SDM vol. 3, chapter 6; vol. 2, INT n). Throws the fault that stops it; nothing has changed then. */
import type { SlowContext } from '../context.ts';
import { FLAG, readFlags } from '../flags.ts';
import {
  type Descriptor,
  dpl,
  findDescriptor,
  isBig,
  isCode,
  isConforming,
  isLongCode,
  isNull,
  isPresent,
  linear,
  markAccessed,
  readDescriptor,
  TYPE,
  typeOf,
} from './descriptors.ts';
import { enterCode, farReal, requireTarget } from './far.ts';
import { raiseGp, raiseNp, raiseSs, selectorCode, VECTOR } from './faults.ts';
import {
  DS,
  ES,
  FS,
  GS,
  gpr,
  isCanonical,
  isLongActive,
  isProtected,
  isVm86,
  low32,
  nullSegment,
  RSP,
  SS,
  setSegment,
} from './registers.ts';
import { type ItemWidth, presentStack, Stack, widthOf } from './stack.ts';
import { findTss, finishSwitch, switchTask } from './tasks.ts';
import { legacyInnerStack, longStackPointer } from './tss.ts';

/**
 * `fault` pushes RF set and returns to the instruction; `trap` and `interrupt` do not; `nmi` blocks further ones until IRET; `software`
 * (INT n, INT3, INTO) is subject to the gate's DPL; `icebp` (INT1) is a trap without that check.
 */
export type EventKind = 'fault' | 'trap' | 'interrupt' | 'nmi' | 'software' | 'icebp';

export interface CpuEvent {
  readonly vector: number;
  readonly kind: EventKind;
  readonly errorCode?: number | undefined;
  /** Faulting linear address, goes to CR2. */
  readonly cr2?: bigint | undefined;
  /** Bits of DR6 that a debug exception sets. */
  readonly debug?: number | undefined;
  /** Return address; RIP when absent. */
  readonly returnIp?: bigint;
  /** The event interrupts a repeated string instruction: the RF pushed is set (SDM vol. 3, 17.3.1.1). */
  readonly midRepeat?: boolean;
  /** Injected by VM entry: low twelve bits of the interruption information. Debug registers stay, and the event itself does not exit. */
  readonly injected?: number;
  /** INT3 or INTO rather than INT n. */
  readonly exception?: boolean;
  /** Bytes of the instruction a software event comes from. */
  readonly length?: number;
}

/** What the pushed frame needs, computed once. */
interface Frame {
  readonly event: CpuEvent;
  readonly ip: bigint;
  readonly flags: number;
  readonly ext: number;
}

/** What a handler never inherits. */
const HANDLER_FLAGS = ~(FLAG.T | FLAG.N | FLAG.R | FLAG.VM);

/** Flags when the handler begins. */
function enterFlags(c: SlowContext, interruptGate: boolean): void {
  const keep = interruptGate ? HANDLER_FLAGS & ~FLAG.I : HANDLER_FLAGS;
  c.s.sysFlags &= keep;
}

function deliverReal(c: SlowContext, f: Frame): void {
  const { s } = c;
  const { vector } = f.event;
  if (vector * 4 + 3 > s.idtrLimit) raiseGp();
  const entry = low32(c.memory.read(32, linear(s, s.idtrBase + BigInt(vector * 4)), 'implicit'));
  const ip = BigInt(entry & 0xffff);
  const stack = presentStack(c);
  stack.requireRoom(6);
  if (ip > BigInt(s.csLimit)) raiseGp();
  stack.push(16, BigInt(f.flags & 0xffff));
  stack.push(16, BigInt(s.csSelector));
  stack.push(16, f.ip);
  stack.commit(s);
  s.sysFlags &= ~(FLAG.I | FLAG.T | FLAG.AC | FLAG.R);
  farReal(c, entry >>> 16, ip);
}

function deliverByTask(c: SlowContext, f: Frame, gate: Descriptor): void {
  const selector = gate.lo >>> 16;
  const descriptor = findTss(c, selector, { busy: false, vector: VECTOR.GP, ext: f.ext });
  const task = switchTask(c, { kind: 'interrupt', selector, descriptor, returnIp: f.ip, flags: f.flags, ext: f.ext });
  const { errorCode } = f.event;
  if (errorCode !== undefined) {
    const stack = presentStack(c);
    stack.push(task.width, BigInt(errorCode));
    stack.commit(c.s);
  }
  finishSwitch(c, task, f.ext);
}

/** The handler's code segment, checked. */
function handlerCode(c: SlowContext, selector: number, ext: number): Descriptor {
  if (isNull(selector)) raiseGp(ext);
  const code = selectorCode(selector, ext);
  const d = findDescriptor(c, selector) ?? raiseGp(code);
  if (!isCode(d) || dpl(d) > c.s.cpl) raiseGp(code);
  if (isLongActive(c.s) && (!isLongCode(d) || isBig(d))) raiseGp(code);
  if (!isPresent(d)) raiseNp(code);
  return d;
}

interface Gate {
  readonly width: ItemWidth;
  readonly selector: number;
  readonly ip: bigint;
  readonly interrupt: boolean;
  readonly ist: number;
}

/** IA-32e mode: always SS, RSP, RFLAGS, CS, RIP on a stack aligned to 16 bytes. */
function deliverLong(c: SlowContext, f: Frame, gate: Gate): void {
  const { s, memory } = c;
  const { ext } = f;
  const d = handlerCode(c, gate.selector, ext);
  const inner = !isConforming(d) && dpl(d) < s.cpl;
  const level = inner ? dpl(d) : s.cpl;
  let sp: bigint;
  if (gate.ist !== 0) sp = longStackPointer(c, { ist: gate.ist }, ext);
  else sp = inner ? longStackPointer(c, { dpl: level }, ext) : gpr(s, RSP);
  if (!isCanonical(sp)) raiseSs(ext);
  sp &= ~0xfn;
  const { errorCode } = f.event;
  const bottom = BigInt.asUintN(64, sp - (errorCode === undefined ? 40n : 48n));
  if (!isCanonical(bottom) || !isCanonical(BigInt.asUintN(64, sp - 1n))) raiseSs(ext);
  if (!isCanonical(gate.ip)) raiseGp(ext);
  const access = level === 3 ? 'user' : 'supervisor';
  markAccessed(c, d);
  memory.write(64, BigInt.asUintN(64, sp - 8n), BigInt(s.ssSelector), access);
  memory.write(64, BigInt.asUintN(64, sp - 16n), gpr(s, RSP), access);
  memory.write(64, BigInt.asUintN(64, sp - 24n), BigInt(f.flags), access);
  memory.write(64, BigInt.asUintN(64, sp - 32n), BigInt(s.csSelector), access);
  memory.write(64, BigInt.asUintN(64, sp - 40n), f.ip, access);
  if (errorCode !== undefined) memory.write(64, bottom, BigInt(errorCode), access);
  s.gpr[RSP] = bottom;
  if (inner) setSegment(s, SS, nullSegment(level, level));
  enterFlags(c, gate.interrupt);
  enterCode(c, { selector: gate.selector, d, cpl: level, ip: gate.ip });
}

/** Frame of a handler on another stack: from vm86 mode with the data segments, then SS:ESP, EFLAGS, CS:EIP and the error code. */
function deliverInner(c: SlowContext, f: Frame, gate: Gate, d: Descriptor): void {
  const { s } = c;
  const level = dpl(d);
  const vm86 = isVm86(s);
  if (vm86 && level !== 0) raiseGp(selectorCode(gate.selector, f.ext));
  const inner = legacyInnerStack(c, level, f.ext);
  const width = widthOf(inner.segment.attr);
  const place = { segment: inner.segment, width, sp: BigInt.asUintN(width, inner.sp) };
  const stack = new Stack(c, place, { access: 'supervisor', errorCode: inner.code });
  const { errorCode } = f.event;
  const items = (vm86 ? 9 : 5) + (errorCode === undefined ? 0 : 1);
  stack.requireRoom((items * gate.width) >>> 3);
  requireTarget(c, d, gate.ip, f.ext);
  inner.mark();
  markAccessed(c, d);
  const push = (value: number | bigint): void => stack.push(gate.width, BigInt(value));
  if (vm86) {
    push(s.gsSelector);
    push(s.fsSelector);
    push(s.dsSelector);
    push(s.esSelector);
  }
  push(s.ssSelector);
  push(gpr(s, RSP));
  push(f.flags);
  push(s.csSelector);
  push(f.ip);
  if (errorCode !== undefined) push(errorCode);
  if (vm86) for (const segment of [GS, FS, DS, ES]) setSegment(s, segment, nullSegment(0, 0));
  setSegment(s, SS, { ...inner.segment, selector: (inner.segment.selector & 0xfffc) | level });
  stack.commit(s);
  enterFlags(c, gate.interrupt);
  enterCode(c, { selector: gate.selector, d, cpl: level, ip: gate.ip });
}

function deliverLegacy(c: SlowContext, f: Frame, gate: Gate): void {
  const { s } = c;
  const d = handlerCode(c, gate.selector, f.ext);
  if (!isConforming(d) && dpl(d) < s.cpl) {
    deliverInner(c, f, gate, d);
    return;
  }
  if (isVm86(s)) raiseGp(selectorCode(gate.selector, f.ext));
  const stack = presentStack(c);
  const { errorCode } = f.event;
  stack.requireRoom(((errorCode === undefined ? 3 : 4) * gate.width) >>> 3);
  requireTarget(c, d, gate.ip, f.ext);
  markAccessed(c, d);
  stack.push(gate.width, BigInt(f.flags));
  stack.push(gate.width, BigInt(s.csSelector));
  stack.push(gate.width, f.ip);
  if (errorCode !== undefined) stack.push(gate.width, BigInt(errorCode));
  stack.commit(s);
  enterFlags(c, gate.interrupt);
  enterCode(c, { selector: gate.selector, d, cpl: s.cpl, ip: gate.ip });
}

function deliverProtected(c: SlowContext, f: Frame): void {
  const { s } = c;
  const { vector, kind } = f.event;
  const long = isLongActive(s);
  const code = vector * 8 + 2 + f.ext;
  const offset = vector * (long ? 16 : 8);
  if (offset + (long ? 15 : 7) > s.idtrLimit) raiseGp(code);
  const gate = readDescriptor(c, linear(s, s.idtrBase + BigInt(offset)));
  const type = typeOf(gate);
  if (long ? type !== TYPE.INTERRUPT32 && type !== TYPE.TRAP32 : ![5, 6, 7, 14, 15].includes(type)) raiseGp(code);
  if (kind === 'software' && dpl(gate) < s.cpl) raiseGp(code);
  if (!isPresent(gate)) raiseNp(code);
  if (type === TYPE.TASK) {
    deliverByTask(c, f, gate);
    return;
  }
  const big = (type & 8) !== 0;
  const low = big ? ((gate.hi & 0xffff0000) | (gate.lo & 0xffff)) >>> 0 : gate.lo & 0xffff;
  const selector = gate.lo >>> 16;
  const interrupt = (type & 1) === 0;
  if (long) {
    const high = c.memory.read(32, linear(s, gate.address + 8n), 'implicit');
    deliverLong(c, f, { width: 64, selector, ip: (high << 32n) | BigInt(low), interrupt, ist: gate.hi & 7 });
  } else deliverLegacy(c, f, { width: big ? 32 : 16, selector, ip: BigInt(low), interrupt, ist: 0 });
}

/** Deliver one event, or throw the fault met on the way. */
export function deliver(c: SlowContext, event: CpuEvent): void {
  const { s } = c;
  const { kind } = event;
  const rf = kind === 'fault' && !isInstructionBreakpoint(event);
  const f: Frame = {
    event,
    ip: event.returnIp ?? s.rip,
    flags: rf || event.midRepeat === true ? readFlags(s) | FLAG.R : readFlags(s),
    ext: kind === 'software' ? 0 : 1,
  };
  if (!isProtected(s)) deliverReal(c, f);
  else deliverProtected(c, f);
}

/** Of the fault-class events only instruction breakpoints leave RF as it is. */
const isInstructionBreakpoint = (event: CpuEvent): boolean => event.vector === VECTOR.DB && ((event.debug ?? 0) & 0xf) !== 0;
