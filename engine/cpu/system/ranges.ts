/** MTRRs and PAT: kept and checked; memory here has one type (SDM vol. 3, 11.11 and 11.12). */
import type { SlowContext } from '../context.ts';
import { raiseGp } from './faults.ts';

const MTRRCAP = 0xfe;
const PAT = 0x277;
const DEF_TYPE = 0x2ff;
const VARIABLE = 0x200;
const VARIABLE_COUNT = 8;
/** Fixed-range MTRRs in the order of `mtrrFixed`. */
const FIXED = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
/** Eight variable ranges, fixed ranges, write-combining. */
const CAPABILITIES = BigInt(VARIABLE_COUNT | 0x100 | 0x400);

const isVariable = (index: number): boolean => index >= VARIABLE && index < VARIABLE + 2 * VARIABLE_COUNT;

export const isRangeMsr = (index: number): boolean =>
  index === MTRRCAP ||
  (index >= VARIABLE && index <= DEF_TYPE && (isVariable(index) || index === PAT || index === DEF_TYPE || FIXED.includes(index)));

/** UC, WC, WT, WP, WB; in the PAT also UC- (7). */
const isType = (type: number, pat: boolean): boolean => type <= 1 || (type >= 4 && type <= 6) || (pat && type === 7);

function requireTypes(value: bigint, pat: boolean): void {
  for (let i = 0n; i < 64n; i += 8n) if (!isType(Number((value >> i) & 0xffn), pat)) raiseGp();
}

export function readRange(c: SlowContext, index: number): bigint {
  const { s } = c;
  if (index === MTRRCAP) return CAPABILITIES;
  if (index === PAT) return s.pat;
  if (index === DEF_TYPE) return s.mtrrDefType;
  return isVariable(index) ? (s.mtrrVariable[index - VARIABLE] as bigint) : (s.mtrrFixed[FIXED.indexOf(index)] as bigint);
}

export function writeRange(c: SlowContext, index: number, value: bigint): void {
  const { s } = c;
  const beyond = value >> BigInt(c.features.physicalBits) !== 0n;
  if (index === MTRRCAP) raiseGp();
  if (index === PAT) {
    requireTypes(value, true);
    s.pat = value;
  } else if (index === DEF_TYPE) {
    if ((value & ~0xcffn) !== 0n || !isType(Number(value & 0xffn), false)) raiseGp();
    s.mtrrDefType = value;
  } else if (isVariable(index)) {
    const mask = (index & 1) !== 0;
    if (beyond || (mask ? (value & 0x7ffn) !== 0n : (value & 0xf00n) !== 0n || !isType(Number(value & 0xffn), false))) raiseGp();
    s.mtrrVariable[index - VARIABLE] = value;
  } else {
    requireTypes(value, false);
    s.mtrrFixed[FIXED.indexOf(index)] = value;
  }
}
