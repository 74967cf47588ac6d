/** What the processor reads from the task-state segment besides task switches (SDM vol. 3, 7.2.1, 7.2.2, 7.7; vol. 1, 19.5). */
import type { SlowContext } from '../context.ts';
import { type Descriptor, isNull, linear, loaded, markAccessed } from './descriptors.ts';
import { raiseTs, selectorCode, VECTOR } from './faults.ts';
import { ATTR, nullSegment, type SegmentValue } from './registers.ts';
import { checkStackDescriptor } from './segments.ts';

/** Is TR a 32- or 64-bit TSS? (Types 9 and 11.) */
export const isBigTss = (attr: number): boolean => (attr & 8) !== 0;

const read = (c: SlowContext, width: 16 | 32 | 64, offset: number): bigint =>
  c.memory.read(width, linear(c.s, c.s.trBase + BigInt(offset)), 'implicit');

/** 64-bit TSS: RSP0 to RSP2 (0 to 2) or IST1 to IST7 (`ist`). #TS(TR) when beyond the limit. */
export function longStackPointer(
  c: SlowContext,
  level: { readonly dpl: number } | { readonly ist: number },
  ext: number,
): bigint {
  const offset = 'ist' in level ? 28 + 8 * level.ist : 4 + 8 * level.dpl;
  if (offset + 7 > c.s.trLimit) raiseTs(selectorCode(c.s.trSelector, ext));
  return read(c, 64, offset);
}

/** A stack to switch to: pointer and SS, checked but not loaded. `code` is the error code for stack faults on it. */
export interface InnerStack {
  readonly sp: bigint;
  readonly segment: SegmentValue;
  readonly code: number;
  /** Sets the accessed bit of its descriptor in memory. */
  mark(): void;
}

/** The stack for privilege level `level` (0 to 2) from the TSS, outside IA-32e mode. */
export function legacyInnerStack(c: SlowContext, level: number, ext: number): InnerStack {
  const { s } = c;
  const big = isBigTss(s.trAttr);
  const offset = big ? 8 * level + 4 : 4 * level + 2;
  if (offset + (big ? 5 : 3) > s.trLimit) raiseTs(selectorCode(s.trSelector, ext));
  const sp = read(c, big ? 32 : 16, offset);
  const selector = Number(read(c, 16, offset + (big ? 4 : 2)));
  if (isNull(selector)) raiseTs(ext);
  const d: Descriptor = checkStackDescriptor(c, selector, { cpl: level, vector: VECTOR.TS, ext });
  return { sp, segment: loaded(selector, d), code: selectorCode(selector, ext), mark: () => markAccessed(c, d) };
}

/** The stack for `level` in IA-32e mode: SS is a null selector with RPL = `level`. */
export function longInnerStack(c: SlowContext, level: number, ext: number): InnerStack {
  return { sp: longStackPointer(c, { dpl: level }, ext), segment: nullSegment(level, level), code: ext, mark: () => {} };
}

/** Base address of the I/O permission map, `undefined` when this TSS has none. */
function ioMapBase(c: SlowContext): number | undefined {
  const { trAttr, trLimit } = c.s;
  if ((trAttr & ATTR.UNUSABLE) !== 0 || !isBigTss(trAttr) || trLimit < 103) return undefined;
  return Number(read(c, 16, 102));
}

/** Bits `first` to `first + count - 1` (count up to 4) of the I/O permission map are all clear (SDM vol. 1, 19.5.2). */
export function portsAllowed(c: SlowContext, first: number, count: number): boolean {
  const map = ioMapBase(c);
  if (map === undefined) return false;
  const at = map + (first >>> 3);
  if (at + 1 > c.s.trLimit) return false;
  const bits = Number(read(c, 16, at)) >>> (first & 7);
  return (bits & ((1 << count) - 1)) === 0;
}

/** Bit of the software interrupt redirection map: set means the protected-mode handler (SDM vol. 3, 20.3.3). */
export function interruptToMonitor(c: SlowContext, vector: number): boolean {
  const map = ioMapBase(c);
  if (map === undefined) return true;
  const at = map - 32 + (vector >>> 3);
  if (at < 0 || at > c.s.trLimit) return true;
  const byte = Number(c.memory.read(8, BigInt.asUintN(32, c.s.trBase + BigInt(at)), 'implicit'));
  return ((byte >>> (vector & 7)) & 1) !== 0;
}
