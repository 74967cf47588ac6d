/** Far RET and IRET (SDM vol. 2, RET and IRET; vol. 3, 20.2 and 20.3). */
import type { SlowContext } from '../context.ts';
import { FLAG, readFlags, writeFlags } from '../flags.ts';
import { resumeFlags } from './debug.ts';
import {
  type Descriptor,
  dpl,
  findDescriptor,
  isConforming,
  isLongCode,
  isNull,
  isPresent,
  loaded,
  markAccessed,
} from './descriptors.ts';
import { enterCode, farReal, realLimit, requireTarget } from './far.ts';
import { raiseGp, raiseNp, raiseSs, selectorCode, VECTOR } from './faults.ts';
import {
  CS,
  cr4,
  DS,
  ES,
  FS,
  GS,
  gpr,
  iopl,
  is64,
  isCanonical,
  isLongActive,
  isProtected,
  isVm86,
  low32,
  nullSegment,
  ownAccess,
  RSP,
  type SegmentValue,
  SS,
  setSegment,
  vm86Segment,
} from './registers.ts';
import { checkStackDescriptor, dropPrivilegedSegments, requireCode } from './segments.ts';
import { type ItemWidth, presentStack, type Stack, setStackPointer, widthOf } from './stack.ts';
import { returnToLinkedTask } from './tasks.ts';

const CR4_VME = 1;

/** The code segment a return goes to, after all checks but the one of IP. */
function returnCode(c: SlowContext, selector: number): Descriptor {
  if (isNull(selector)) raiseGp();
  const code = selectorCode(selector, 0);
  const d = findDescriptor(c, selector) ?? raiseGp(code);
  requireCode(c, d, code);
  const rpl = selector & 3;
  if (rpl < c.s.cpl) raiseGp(code);
  if (isConforming(d) ? dpl(d) > rpl : dpl(d) !== rpl) raiseGp(code);
  if (!isPresent(d)) raiseNp(code);
  return d;
}

/** The stack segment of the outer level; null only for 64-bit code above ring 3. */
function returnStack(
  c: SlowContext,
  selector: number,
  to: { readonly cpl: number; readonly long: boolean },
): Descriptor | undefined {
  if (isNull(selector)) {
    if (!to.long || to.cpl === 3 || (selector & 3) !== to.cpl) raiseGp();
    return undefined;
  }
  return checkStackDescriptor(c, selector, { cpl: to.cpl, vector: VECTOR.GP, ext: 0 });
}

/** SS:rSP of the outer level. A 16-bit stack takes SP only. */
function enterStack(
  c: SlowContext,
  to: { selector: number; d: Descriptor | undefined; cpl: number; sp: bigint; long: boolean },
): void {
  const { s } = c;
  const segment: SegmentValue = to.d === undefined ? nullSegment(to.selector, to.cpl) : loaded(to.selector, to.d);
  setSegment(s, SS, segment);
  if (to.long) s.gpr[RSP] = to.sp;
  else setStackPointer(s, widthOf(segment.attr), BigInt.asUintN(widthOf(segment.attr), to.sp));
}

export function returnFar(c: SlowContext, width: ItemWidth, release: number): void {
  const { s } = c;
  const stack = presentStack(c);
  const bytes = width >>> 3;
  stack.requireBytes(2 * bytes);
  const ip = stack.peek(width, 0);
  const selector = Number(stack.peek(width, bytes) & 0xffffn);
  if (!isProtected(s) || isVm86(s)) {
    if (ip > BigInt(realLimit(c))) raiseGp();
    stack.skip(2 * bytes + release);
    stack.commit(s);
    farReal(c, selector, ip);
    return;
  }
  const d = returnCode(c, selector);
  const rpl = selector & 3;
  if (rpl === s.cpl) {
    requireTarget(c, d, ip);
    markAccessed(c, d);
    stack.skip(2 * bytes + release);
    stack.commit(s);
    enterCode(c, { selector, d, cpl: rpl, ip });
    return;
  }
  stack.requireBytes(4 * bytes + release);
  const sp = stack.peek(width, 2 * bytes + release);
  const ss = Number(stack.peek(width, 3 * bytes + release) & 0xffffn);
  const long = isLongActive(s) && isLongCode(d);
  const stackDescriptor = returnStack(c, ss, { cpl: rpl, long });
  requireTarget(c, d, ip);
  markAccessed(c, d);
  if (stackDescriptor !== undefined) markAccessed(c, stackDescriptor);
  enterStack(c, { selector: ss, d: stackDescriptor, cpl: rpl, sp: width === 16 && !long ? sp & 0xffffn : sp, long });
  const after = long ? 64 : widthOf(s.ssAttr);
  setStackPointer(s, after, BigInt.asUintN(after, gpr(s, RSP) + BigInt(release)));
  s.cpl = rpl;
  dropPrivilegedSegments(c);
  enterCode(c, { selector, d, cpl: rpl, ip });
}

/** Flags IRET may change in protected mode at the CPL before the return (SDM vol. 2, IRET). */
function returnFlags(c: SlowContext, width: ItemWidth, image: number): void {
  const { s } = c;
  let mask = FLAG.C | FLAG.P | FLAG.A | FLAG.Z | FLAG.S | FLAG.T | FLAG.D | FLAG.O | FLAG.N;
  if (width !== 16) mask |= FLAG.R | FLAG.AC | FLAG.ID;
  if (s.cpl <= iopl(s)) mask |= FLAG.I;
  if (s.cpl === 0) {
    mask |= FLAG.IOPL;
    if (width !== 16) mask |= FLAG.VIF | FLAG.VIP;
  }
  writeFlags(s, resumeFlags(s, (readFlags(s) & ~mask) | (image & mask)));
}

function iretReal(c: SlowContext, width: ItemWidth): void {
  const { s } = c;
  const stack = presentStack(c);
  const bytes = width >>> 3;
  stack.requireBytes(3 * bytes);
  const ip = stack.pop(width);
  if (ip > BigInt(realLimit(c))) raiseGp();
  const selector = Number(stack.pop(width) & 0xffffn);
  const image = low32(stack.pop(width));
  stack.commit(s);
  const keep = width === 32 ? 0x1a0000 : 0xffff0000;
  writeFlags(s, (image & ~keep) | (readFlags(s) & keep));
  farReal(c, selector, ip);
}

/** IRET in virtual-8086 mode: as in real mode at IOPL 3, through VIF with VME, else #GP(0). */
function iretVm86(c: SlowContext, width: ItemWidth): void {
  const { s } = c;
  const before = readFlags(s);
  const virtual = iopl(s) < 3;
  if (virtual && ((cr4(s) & CR4_VME) === 0 || width !== 16)) raiseGp();
  const stack = presentStack(c);
  stack.requireBytes(3 * (width >>> 3));
  const ip = stack.pop(width);
  if (ip > 0xffffn) raiseGp();
  const selector = Number(stack.pop(width) & 0xffffn);
  const image = low32(stack.pop(width));
  if (virtual) {
    if ((image & FLAG.T) !== 0 || ((image & FLAG.I) !== 0 && (before & FLAG.VIP) !== 0)) raiseGp();
    const keep = 0xffff0000 | FLAG.I | FLAG.IOPL;
    const vif = (image & FLAG.I) !== 0 ? FLAG.VIF : 0;
    writeFlags(s, (((image & ~keep) | (before & keep)) & ~FLAG.VIF) | vif);
  } else {
    const keep = FLAG.IOPL | FLAG.VM | FLAG.VIF | FLAG.VIP | (width === 16 ? 0xffff0000 : 0);
    writeFlags(s, (image & ~keep) | (before & keep));
  }
  stack.commit(s);
  farReal(c, selector, ip);
}

/** From ring 0 into virtual-8086 mode: the frame goes on with ESP, SS, ES, DS, FS, GS. */
function iretToVm86(c: SlowContext, frame: { ip: bigint; selector: number; image: number }, stack: Stack): void {
  const { s } = c;
  stack.requireBytes(24);
  const values = Array.from({ length: 6 }, () => stack.pop(32));
  if (frame.ip > 0xffffn) raiseGp();
  writeFlags(s, frame.image);
  const selectors = values.slice(1).map((value) => Number(value & 0xffffn));
  [SS, ES, DS, FS, GS].forEach((segment, i) => {
    setSegment(s, segment, vm86Segment(selectors[i] as number));
  });
  setSegment(s, CS, vm86Segment(frame.selector));
  s.gpr[RSP] = values[0] as bigint;
  s.cpl = 3;
  c.jumpTo(frame.ip);
  c.modeChanged();
}

function iretProtected(c: SlowContext, width: ItemWidth): void {
  const { s } = c;
  if ((s.sysFlags & FLAG.N) !== 0) {
    if (isLongActive(s)) raiseGp();
    returnToLinkedTask(c);
    return;
  }
  if (is64(s)) {
    iret64(c, width);
    return;
  }
  const stack = presentStack(c);
  const bytes = width >>> 3;
  stack.requireBytes(3 * bytes);
  const ip = stack.pop(width);
  const selector = Number(stack.pop(width) & 0xffffn);
  const image = low32(stack.pop(width));
  if (width === 32 && (image & FLAG.VM) !== 0 && s.cpl === 0 && !isLongActive(s)) {
    iretToVm86(c, { ip, selector, image }, stack);
    return;
  }
  const d = returnCode(c, selector);
  if ((selector & 3) === s.cpl) {
    requireTarget(c, d, ip);
    markAccessed(c, d);
    returnFlags(c, width, image);
    stack.commit(s);
    enterCode(c, { selector, d, cpl: s.cpl, ip });
    return;
  }
  stack.requireBytes(2 * bytes);
  const sp = stack.pop(width);
  returnOuter(c, { width, ip, selector, image, sp, ss: Number(stack.pop(width) & 0xffffn) }, d);
}

interface OuterFrame {
  readonly width: ItemWidth;
  readonly ip: bigint;
  readonly selector: number;
  readonly image: number;
  readonly sp: bigint;
  readonly ss: number;
}

/** The end of an IRET that takes SS:rSP from the frame: to an outer level, and always from 64-bit code. */
function returnOuter(c: SlowContext, f: OuterFrame, d: Descriptor): void {
  const { s } = c;
  const cpl = f.selector & 3;
  const long = isLongActive(s) && isLongCode(d);
  const stackDescriptor = returnStack(c, f.ss, { cpl, long });
  requireTarget(c, d, f.ip);
  markAccessed(c, d);
  if (stackDescriptor !== undefined) markAccessed(c, stackDescriptor);
  returnFlags(c, f.width, f.image);
  enterStack(c, { selector: f.ss, d: stackDescriptor, cpl, sp: f.sp, long });
  const outer = cpl > s.cpl;
  s.cpl = cpl;
  if (outer) dropPrivilegedSegments(c);
  enterCode(c, { selector: f.selector, d, cpl, ip: f.ip });
}

/** From 64-bit code: five items whatever the levels are. Hot, so the frame is checked once and read in place. */
function iret64(c: SlowContext, width: ItemWidth): void {
  const { s, memory } = c;
  const bytes = width >>> 3;
  const top = gpr(s, RSP);
  if (!isCanonical(top) || !isCanonical(BigInt.asUintN(64, top + BigInt(5 * bytes - 1)))) raiseSs();
  const access = ownAccess(c);
  const step = BigInt(bytes);
  const ip = memory.read(width, top, access);
  let at = top + step;
  const selector = low32(memory.read(width, at, access)) & 0xffff;
  at += step;
  const image = low32(memory.read(width, at, access));
  at += step;
  const sp = memory.read(width, at, access);
  at += step;
  const ss = low32(memory.read(width, at, access)) & 0xffff;
  returnOuter(c, { width, ip, selector, image, sp, ss }, returnCode(c, selector));
}

export function iret(c: SlowContext, width: ItemWidth): void {
  const { s } = c;
  s.nmiBlocked = 0;
  if (!isProtected(s)) iretReal(c, width);
  else if (isVm86(s)) iretVm86(c, width);
  else iretProtected(c, width);
}
