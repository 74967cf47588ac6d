/** Far JMP and CALL (SDM vol. 2, JMP and CALL; vol. 3, 5.8). */
import type { SlowContext } from '../context.ts';
import {
  type Descriptor,
  dpl,
  findDescriptor,
  isConforming,
  isLongCode,
  isNull,
  isPresent,
  isSystem,
  limitOf,
  loaded,
  markAccessed,
  TYPE,
  typeOf,
} from './descriptors.ts';
import { raiseGp, raiseNp, selectorCode } from './faults.ts';
import { CS, gpr, isCanonical, isLongActive, isProtected, isVm86, low32, RSP, SS, setSegment, vm86Segment } from './registers.ts';
import { realSegment, requireCode, upperBase } from './segments.ts';
import { type ItemWidth, presentStack, Stack, widthOf } from './stack.ts';
import { taskGateSelector, transferToTask } from './tasks.ts';
import { legacyInnerStack, longInnerStack } from './tss.ts';

type Kind = 'jump' | 'call';

/** #GP unless `ip` may be executed in the code segment `d` (or, 64-bit code, is canonical). */
export function requireTarget(c: SlowContext, d: Descriptor, ip: bigint, errorCode = 0): void {
  if (isLongActive(c.s) && isLongCode(d)) {
    if (!isCanonical(ip)) raiseGp(errorCode);
  } else if (ip > BigInt(limitOf(d))) raiseGp(errorCode);
}

/** Make `d` the code segment at privilege `cpl` and continue at `ip`. */
export function enterCode(c: SlowContext, target: { selector: number; d: Descriptor; cpl: number; ip: bigint }): void {
  const { s } = c;
  setSegment(s, CS, loaded((target.selector & 0xfffc) | target.cpl, target.d));
  s.cpl = target.cpl;
  c.jumpTo(target.ip);
  c.modeChanged();
}

/** CS:IP in real and virtual-8086 mode, checked against the present limit before anything changes. */
function farReal(c: SlowContext, selector: number, ip: bigint): void {
  const { s } = c;
  if (isVm86(s)) setSegment(s, CS, vm86Segment(selector));
  else setSegment(s, CS, realSegment({ selector: s.csSelector, base: s.csBase, limit: s.csLimit, attr: s.csAttr }, selector));
  c.jumpTo(ip);
  c.modeChanged();
}

/** Limit that IP is checked against in real and virtual-8086 mode. */
export const realLimit = (c: SlowContext): number => (isVm86(c.s) ? 0xffff : c.s.csLimit);

interface FarPointer {
  readonly selector: number;
  readonly offset: bigint;
  readonly width: ItemWidth;
}

function farCode(c: SlowContext, kind: Kind, p: FarPointer, d: Descriptor): void {
  const { s } = c;
  const code = selectorCode(p.selector, 0);
  requireCode(c, d, code);
  const allowed = isConforming(d) ? dpl(d) <= s.cpl : (p.selector & 3) <= s.cpl && dpl(d) === s.cpl;
  if (!allowed) raiseGp(code);
  if (!isPresent(d)) raiseNp(code);
  if (kind === 'call') {
    const stack = presentStack(c);
    stack.requireRoom(p.width >>> 2);
    requireTarget(c, d, p.offset);
    markAccessed(c, d);
    stack.push(p.width, BigInt(s.csSelector));
    stack.push(p.width, c.nextIp());
    stack.commit(s);
  } else {
    requireTarget(c, d, p.offset);
    markAccessed(c, d);
  }
  enterCode(c, { selector: p.selector, d, cpl: s.cpl, ip: p.offset });
}

/** A call gate's contents. */
interface CallGate {
  readonly width: ItemWidth;
  readonly selector: number;
  readonly offset: bigint;
  readonly parameters: number;
}

function readGate(c: SlowContext, d: Descriptor, code: number): CallGate {
  const selector = d.lo >>> 16;
  if (isLongActive(c.s)) {
    const high = upperBase(c, d, code);
    return { width: 64, selector, offset: high | BigInt(((d.hi & 0xffff0000) | (d.lo & 0xffff)) >>> 0), parameters: 0 };
  }
  const big = typeOf(d) === TYPE.CALL32;
  const offset = BigInt(big ? ((d.hi & 0xffff0000) | (d.lo & 0xffff)) >>> 0 : d.lo & 0xffff);
  return { width: big ? 32 : 16, selector, offset, parameters: d.hi & 0x1f };
}

function farGate(c: SlowContext, kind: Kind, gateSelector: number, d: Descriptor): void {
  const { s } = c;
  const gateCode = selectorCode(gateSelector, 0);
  if (dpl(d) < s.cpl || dpl(d) < (gateSelector & 3)) raiseGp(gateCode);
  if (!isPresent(d)) raiseNp(gateCode);
  const gate = readGate(c, d, gateCode);
  if (isNull(gate.selector)) raiseGp();
  const code = selectorCode(gate.selector, 0);
  const target = findDescriptor(c, gate.selector) ?? raiseGp(code);
  requireCode(c, target, code);
  if (isLongActive(s) && !isLongCode(target)) raiseGp(code);
  const level = dpl(target);
  const conforming = isConforming(target);
  if (level > s.cpl || (kind === 'jump' && !conforming && level !== s.cpl)) raiseGp(code);
  if (!isPresent(target)) raiseNp(code);
  const ip = gate.offset;
  if (kind === 'call' && !conforming && level < s.cpl) {
    callInner(c, gate, target);
    return;
  }
  if (kind === 'call') {
    const stack = presentStack(c);
    stack.requireRoom(gate.width >>> 2);
    requireTarget(c, target, ip);
    markAccessed(c, target);
    stack.push(gate.width, BigInt(s.csSelector));
    stack.push(gate.width, c.nextIp());
    stack.commit(s);
  } else {
    requireTarget(c, target, ip);
    markAccessed(c, target);
  }
  enterCode(c, { selector: gate.selector, d: target, cpl: s.cpl, ip });
}

/** CALL through a gate to a more privileged level: another stack, parameters copied. */
function callInner(c: SlowContext, gate: CallGate, target: Descriptor): void {
  const { s } = c;
  const long = isLongActive(s);
  const level = dpl(target);
  const inner = long ? longInnerStack(c, level, 0) : legacyInnerStack(c, level, 0);
  const width = long ? 64 : widthOf(inner.segment.attr);
  const stack = new Stack(
    c,
    { segment: inner.segment, width, sp: BigInt.asUintN(width, inner.sp) },
    { access: 'supervisor', errorCode: inner.code },
  );
  const bytes = gate.width >>> 3;
  stack.requireRoom((4 + gate.parameters) * bytes);
  requireTarget(c, target, gate.offset);
  const old = presentStack(c);
  const parameters = Array.from({ length: gate.parameters }, (_, i) => old.peek(gate.width, i * bytes));
  inner.mark();
  markAccessed(c, target);
  stack.push(gate.width, BigInt(s.ssSelector));
  stack.push(gate.width, gpr(s, RSP));
  for (const parameter of parameters.reverse()) stack.push(gate.width, parameter);
  stack.push(gate.width, BigInt(s.csSelector));
  stack.push(gate.width, c.nextIp());
  setSegment(s, SS, { ...inner.segment, selector: (inner.segment.selector & 0xfffc) | level });
  stack.commit(s);
  enterCode(c, { selector: gate.selector, d: target, cpl: level, ip: gate.offset });
}

function farTask(c: SlowContext, kind: Kind, selector: number, d: Descriptor): void {
  const code = selectorCode(selector, 0);
  if (dpl(d) < c.s.cpl || dpl(d) < (selector & 3)) raiseGp(code);
  if (typeOf(d) === TYPE.TASK) {
    if (!isPresent(d)) raiseNp(code);
    transferToTask(c, taskGateSelector(d), kind);
  } else transferToTask(c, selector, kind);
}

function farProtected(c: SlowContext, kind: Kind, p: FarPointer): void {
  if (isNull(p.selector)) raiseGp();
  const code = selectorCode(p.selector, 0);
  const d = findDescriptor(c, p.selector) ?? raiseGp(code);
  if (!isSystem(d)) {
    farCode(c, kind, p, d);
    return;
  }
  const long = isLongActive(c.s);
  switch (typeOf(d)) {
    case TYPE.CALL32:
      farGate(c, kind, p.selector, d);
      return;
    case TYPE.CALL16:
      if (long) raiseGp(code);
      farGate(c, kind, p.selector, d);
      return;
    case TYPE.TASK:
    case TYPE.TSS16:
    case TYPE.TSS32:
    case TYPE.TSS16_BUSY:
    case TYPE.TSS32_BUSY:
      if (long) raiseGp(code);
      farTask(c, kind, p.selector, d);
      return;
    default:
      raiseGp(code);
  }
}

const pointer = (selector: bigint, offset: bigint, width: bigint): FarPointer => ({
  selector: low32(selector) & 0xffff,
  offset: BigInt.asUintN(Number(width), offset),
  width: Number(width) as ItemWidth,
});

export function jumpFar(c: SlowContext, selector: bigint, offset: bigint, width: bigint): void {
  const p = pointer(selector, offset, width);
  if (isProtected(c.s) && !isVm86(c.s)) {
    farProtected(c, 'jump', p);
    return;
  }
  if (p.offset > BigInt(realLimit(c))) raiseGp();
  farReal(c, p.selector, p.offset);
}

export function callFar(c: SlowContext, selector: bigint, offset: bigint, width: bigint): void {
  const { s } = c;
  const p = pointer(selector, offset, width);
  if (isProtected(s) && !isVm86(s)) {
    farProtected(c, 'call', p);
    return;
  }
  const stack = presentStack(c);
  stack.requireRoom(p.width >>> 2);
  if (p.offset > BigInt(realLimit(c))) raiseGp();
  stack.push(p.width, BigInt(s.csSelector));
  stack.push(p.width, c.nextIp());
  stack.commit(s);
  farReal(c, p.selector, p.offset);
}

/** Used by RETF and IRET in real and virtual-8086 mode. */
export { farReal };
