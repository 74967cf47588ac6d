/** Loading segment registers and asking about selectors (SDM vol. 2: MOV, LDS, VERR, LAR, LSL; vol. 3, 5.4 to 5.7). */
import type { SlowContext } from '../context.ts';
import {
  type Descriptor,
  dpl,
  findDescriptor,
  isCode,
  isConforming,
  isLongCode,
  isNull,
  isPresent,
  isReadable,
  isSystem,
  isWritableData,
  limitOf,
  loaded,
  markAccessed,
  readUpper,
  TYPE,
  typeOf,
} from './descriptors.ts';
import { raise, raiseGp, raiseNp, raiseSs, raiseUd, selectorCode, VECTOR } from './faults.ts';
import {
  ATTR,
  CS,
  getSegment,
  is64,
  isLongActive,
  isProtected,
  isVm86,
  nullSegment,
  type SegmentValue,
  SS,
  setSegment,
  vm86Segment,
} from './registers.ts';

/** A segment register loaded in real mode: limit and rights stay as they are ("unreal mode"), unless nothing usable was there. */
export function realSegment(old: SegmentValue, selector: number): SegmentValue {
  const usable = (old.attr & ATTR.UNUSABLE) === 0;
  return {
    selector,
    base: BigInt(selector << 4),
    limit: usable ? old.limit : 0xffff,
    attr: usable ? old.attr : 0x93,
  };
}

/** The value SS gets from a selector for code that runs at `cpl` (MOV to SS, POP SS, LSS). */
function stackSegment(c: SlowContext, selector: number): SegmentValue {
  const { s } = c;
  const { cpl } = s;
  if (isNull(selector)) {
    if (!is64(s) || cpl === 3 || (selector & 3) !== cpl) raiseGp();
    return nullSegment(selector, cpl);
  }
  const code = selectorCode(selector, 0);
  const d = findDescriptor(c, selector) ?? raiseGp(code);
  if ((selector & 3) !== cpl || !isWritableData(d) || dpl(d) !== cpl) raiseGp(code);
  if (!isPresent(d)) raiseSs(code);
  markAccessed(c, d);
  return loaded(selector, d);
}

/** The value DS, ES, FS or GS gets from a selector. */
function dataSegment(c: SlowContext, selector: number): SegmentValue {
  if (isNull(selector)) return nullSegment(selector, 0);
  const code = selectorCode(selector, 0);
  const d = findDescriptor(c, selector) ?? raiseGp(code);
  if (!isReadable(d)) raiseGp(code);
  if (!isConforming(d) && ((selector & 3) > dpl(d) || c.s.cpl > dpl(d))) raiseGp(code);
  if (!isPresent(d)) raiseNp(code);
  markAccessed(c, d);
  return loaded(selector, d);
}

export function loadSegment(c: SlowContext, segment: number, selector: number): void {
  const { s } = c;
  if (segment === CS || segment > 5) raiseUd();
  if (!isProtected(s)) setSegment(s, segment, realSegment(getSegment(s, segment), selector));
  else if (isVm86(s)) setSegment(s, segment, vm86Segment(selector));
  else setSegment(s, segment, segment === SS ? stackSegment(c, selector) : dataSegment(c, selector));
  if (segment === SS) c.modeChanged();
  else c.segmentChanged(segment);
}

/** May code at CPL and RPL see this descriptor? Conforming code: always. */
const visible = (c: SlowContext, d: Descriptor, selector: number): boolean =>
  isConforming(d) || (dpl(d) >= c.s.cpl && dpl(d) >= (selector & 3));

/** VERR, VERW. */
export function verify(c: SlowContext, selector: number, write: boolean): boolean {
  if (isNull(selector)) return false;
  const d = findDescriptor(c, selector);
  if (d === undefined || isSystem(d) || !visible(c, d, selector)) return false;
  return write ? isWritableData(d) : isReadable(d);
}

const bitSet = (...types: readonly number[]): number => types.reduce((set, type) => set | (1 << type), 0);
const LAR_TYPES = bitSet(TYPE.TSS16, TYPE.LDT, TYPE.TSS16_BUSY, TYPE.CALL16, TYPE.TASK, TYPE.TSS32, TYPE.TSS32_BUSY, TYPE.CALL32);
const LAR_TYPES_LONG = bitSet(TYPE.LDT, TYPE.TSS32, TYPE.TSS32_BUSY, TYPE.CALL32);
const LSL_TYPES = bitSet(TYPE.TSS16, TYPE.LDT, TYPE.TSS16_BUSY, TYPE.TSS32, TYPE.TSS32_BUSY);
const LSL_TYPES_LONG = bitSet(TYPE.LDT, TYPE.TSS32, TYPE.TSS32_BUSY);

/** The descriptor LAR and LSL look at, `undefined` when they clear ZF. */
function queried(c: SlowContext, selector: number, types: number): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  const d = findDescriptor(c, selector);
  if (d === undefined || !visible(c, d, selector)) return undefined;
  return isSystem(d) && ((types >>> typeOf(d)) & 1) === 0 ? undefined : d;
}

/** LAR: attributes where the instruction puts them, or `undefined`. */
export function accessRights(c: SlowContext, selector: number): number | undefined {
  const d = queried(c, selector, isLongActive(c.s) ? LAR_TYPES_LONG : LAR_TYPES);
  return d && (d.hi & 0x00ffff00) >>> 0;
}

/** LSL: limit in bytes, or `undefined`. */
export function segmentLimit(c: SlowContext, selector: number): number | undefined {
  const d = queried(c, selector, isLongActive(c.s) ? LSL_TYPES_LONG : LSL_TYPES);
  return d && limitOf(d);
}

/**
 * A code segment descriptor that is to become CS, whatever way it is reached: in IA-32e mode L and D may not both be set.
 * `code` is the error code of the selector.
 */
export function requireCode(c: SlowContext, d: Descriptor, code: number): void {
  if (!isCode(d)) raiseGp(code);
  if (isLongActive(c.s) && isLongCode(d) && (d.hi & 0x400000) !== 0) raiseGp(code);
}

/** A system descriptor of IA-32e mode has 16 bytes: the base's upper half, and a type of 0 in the upper part (else #GP). */
export function upperBase(c: SlowContext, d: Descriptor, code: number): bigint {
  const upper = readUpper(c, d);
  if ((upper.hi & 0x1f00) !== 0) raiseGp(code);
  return BigInt(upper.lo) << 32n;
}

/** SS for returns and gates to a stack of privilege `cpl`; `vector` is what most mistakes raise, not-present is #SS. */
export function checkStackDescriptor(
  c: SlowContext,
  selector: number,
  rules: { cpl: number; vector: number; ext: number },
): Descriptor {
  const code = selectorCode(selector, rules.ext);
  const d = findDescriptor(c, selector) ?? raise(rules.vector, code);
  if ((selector & 3) !== rules.cpl || !isWritableData(d) || dpl(d) !== rules.cpl) raise(rules.vector, code);
  if (!isPresent(d)) raise(VECTOR.SS, code);
  return d;
}

/**
 * After a return to a less privileged level, data segments that level may not use become null (SDM vol. 2, RET and IRET). Their bases
 * stay: 64-bit code goes on using FS and GS.
 */
export function dropPrivilegedSegments(c: SlowContext): void {
  const { s } = c;
  for (const segment of [0, 3, 4, 5]) {
    const value = getSegment(s, segment);
    const { attr } = value;
    if ((attr & ATTR.UNUSABLE) !== 0) continue;
    const conformingCode = (attr & (ATTR.S | ATTR.CODE | ATTR.CONFORMING)) === (ATTR.S | ATTR.CODE | ATTR.CONFORMING);
    if (!conformingCode && ((attr >>> 5) & 3) < s.cpl)
      setSegment(s, segment, { ...value, selector: 0, attr: attr | ATTR.UNUSABLE });
  }
}
