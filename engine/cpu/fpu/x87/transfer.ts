/** Loads, stores, constants, BCD and register moves (SDM vol. 1, 8.3.3 and 8.3.4). */
import { X87_FORMAT } from '../../../isa/x87/ops.ts';
import {
  BINARY32,
  BINARY64,
  joinWords,
  loadWords,
  pack32,
  pack64High,
  pack64Low,
  unpack80,
  unpackInteger,
} from '../softfloat/formats.ts';
import { DE, IE, OE, type RoundingMode, rounding, roundTo, roundToInteger, UE } from '../softfloat/round.ts';
import { copyWide, FINITE, quiet, SIGNALLING, setDefaultNaN, ZERO } from '../softfloat/wide.ts';
import { loadSource } from './source.ts';
import * as unit from './unit.ts';
import { A, R } from './unit.ts';

/** Room for a push; where there is none, the masked response is done. */
function hasRoom(): boolean {
  if (unit.isEmpty(7)) return true;
  if (unit.overflow()) {
    unit.push();
    unit.storeDefaultNaN(0);
  }
  return false;
}

/** Push a value of one of the formats. Conversion from binary32 and binary64 reports denormals and signalling NaNs. */
export function loadValue(value: bigint, format: number): void {
  if (format === X87_FORMAT.register) {
    loadRegister(Number(value));
    return;
  }
  if (!hasRoom()) return;
  loadSource(value, format, A);
  let flags = A.denormal ? DE : 0;
  if (A.kind === SIGNALLING) {
    flags = IE;
    quiet(A);
  }
  // A denormal is loaded even when DE is unmasked (observed).
  if (!unit.signal(flags) && (flags & IE) !== 0) return;
  unit.push();
  unit.store(0, A);
}

function loadRegister(i: number): void {
  if (unit.isEmpty(i)) {
    if (!unit.underflow()) return;
    unit.push();
    unit.storeDefaultNaN(0);
    return;
  }
  if (!hasRoom()) return;
  unit.push();
  unit.copyRegister((i + 1) & 7, 0);
}

/** Push 80 bits as they are. */
export function load80(low: bigint, high: bigint): void {
  if (!hasRoom()) return;
  const words = loadWords(low);
  const value = { signExponent: Number(high & 0xffffn), hi: words[1] as number, lo: words[0] as number };
  unit.push();
  unit.storeRaw(0, value);
}

/** Push 18 packed decimal digits; digits above 9 count as they are (the manual leaves them undefined). */
export function loadBcd(low: bigint, high: bigint): void {
  if (!hasRoom()) return;
  let value = 0n;
  const digits = low | ((high & 0xffn) << 64n);
  for (let at = 68n; at >= 0n; at -= 4n) value = value * 10n + ((digits >> at) & 15n);
  const words = loadWords(value);
  unpackInteger(words[1] as number, words[0] as number, A);
  A.sign = Number((high >> 15n) & 1n);
  unit.push();
  unit.store(0, A);
}

/**
 * The constants with 67 bits: FL2T, FL2E, FPI, FLG2, FLN2 are rounded by RC (SDM vol. 1, 8.3.8). `below` tells the 65th and later
 * bits: the significand is the value rounded down, `ext` continues it.
 */
const CONSTANTS = [
  { exponent: 0, hi: 0x80000000, lo: 0, ext: 0 },
  { exponent: 1, hi: 0xd49a784b, lo: 0xcd1b8afe, ext: 0x492bf6ff },
  { exponent: 0, hi: 0xb8aa3b29, lo: 0x5c17f0bb, ext: 0xbe87fed0 },
  { exponent: 1, hi: 0xc90fdaa2, lo: 0x2168c234, ext: 0xc4c6628b },
  { exponent: -2, hi: 0x9a209a84, lo: 0xfbcff798, ext: 0x8f8959ac },
  { exponent: -1, hi: 0xb17217f7, lo: 0xd1cf79ab, ext: 0xc9e3b398 },
] as const;

export function loadConstant(which: number): void {
  if (!hasRoom()) return;
  const constant = CONSTANTS[which];
  unpack80(0, 0, 0, R);
  if (constant !== undefined) {
    Object.assign(R, constant);
    R.kind = FINITE;
    roundTo(R, { precision: 64, minExponent: -16382, maxExponent: 16383, wrap: 0 }, unit.control);
  }
  unit.push();
  unit.store(0, R);
}

const STORED = 1n;
const STORED80 = 0x10000n;
const NOT_STORED = [0n, 0n] as const;

const BITS: Record<number, 16 | 32 | 64> = { [X87_FORMAT.i16]: 16, [X87_FORMAT.i32]: 32, [X87_FORMAT.i64]: 64 };

/** ST0 in a memory format, as the store writes it; then pop. With `truncate` integers are rounded towards zero (FISTTP). */
export function storeValue(format: number, pops: number, truncate: boolean): readonly bigint[] {
  const bits = BITS[format];
  if (bits !== undefined) return storeInteger(bits, pops, truncate);
  return storeFloat(format === X87_FORMAT.f32 ? 32 : 64, pops);
}

function storeFloat(bits: 32 | 64, pops: number): readonly bigint[] {
  if (unit.isEmpty(0)) {
    if (!unit.underflow()) return NOT_STORED;
    setDefaultNaN(R);
  } else {
    unit.load(0, A);
    let flags = unit.nanResult1();
    if (flags < 0) {
      copyWide(R, A);
      roundTo(R, bits === 32 ? BINARY32 : BINARY64, unit.control);
      flags = rounding.flags;
      // An unmasked overflow or underflow leaves memory and stack as they are.
      const blocked = flags & ~unit.control.masks & (OE | UE);
      if (blocked !== 0) {
        unit.signal(blocked);
        return NOT_STORED;
      }
      unit.signal(flags);
      if (rounding.up) unit.setC1(true);
    } else if (!unit.signal(flags)) return NOT_STORED;
  }
  unit.pop(pops);
  return [bits === 32 ? BigInt(pack32(R)) : joinWords(pack64High(R), pack64Low(R)), STORED];
}

/** A rounded to an integer that fits `limit`: its magnitude, or undefined when the operation is invalid. */
function magnitude(
  mode: RoundingMode,
  fits: (hi: number, lo: number, negative: boolean) => boolean,
): { hi: number; lo: number } | undefined {
  if (A.kind === ZERO) {
    rounding.flags = 0;
    rounding.up = false;
    return { hi: 0, lo: 0 };
  }
  if (A.kind !== FINITE) return undefined;
  roundToInteger(A, mode);
  return A.exponent <= 63 && fits(A.hi, A.lo, A.sign === 1) ? { hi: A.hi, lo: A.lo } : undefined;
}

function fitsInteger(bits: 16 | 32 | 64): (hi: number, lo: number, negative: boolean) => boolean {
  if (bits === 64) return (hi, lo, negative) => hi < 0x80000000 || (negative && hi === 0x80000000 && lo === 0);
  const limit = 2 ** (bits - 1);
  return (hi, lo, negative) => hi === 0 && (lo < limit || (negative && lo === limit));
}

function storeInteger(bits: 16 | 32 | 64, pops: number, truncate: boolean): readonly bigint[] {
  const indefinite = 1n << BigInt(bits - 1);
  if (unit.isEmpty(0)) {
    if (!unit.underflow()) return NOT_STORED;
    unit.pop(pops);
    return [indefinite, STORED];
  }
  unit.load(0, A);
  const value = magnitude(truncate ? 3 : unit.control.mode, fitsInteger(bits));
  if (value === undefined) {
    if (!unit.signal(IE)) return NOT_STORED;
    unit.pop(pops);
    return [indefinite, STORED];
  }
  unit.signal(rounding.flags);
  if (rounding.up) unit.setC1(true);
  const negative = A.sign === 1;
  unit.pop(pops);
  const word = joinWords(value.hi, value.lo);
  return [BigInt.asUintN(bits, negative ? -word : word), STORED];
}

/** FSTP m80: the register as it is. */
export function store80(pops: number): readonly bigint[] {
  if (unit.isEmpty(0)) {
    if (!unit.underflow()) return NOT_STORED;
    unit.pop(pops);
    return [0xc000000000000000n, 0xffffn | STORED80];
  }
  const { signExponent, hi, lo } = unit.rawRegister(0);
  unit.pop(pops);
  return [joinWords(hi, lo), BigInt(signExponent) | STORED80];
}

const BCD_INDEFINITE = [0xc000000000000000n, 0xffffn | STORED80] as const;
const BCD_LIMIT = 10n ** 18n;

export function storeBcd(pops: number): readonly bigint[] {
  if (unit.isEmpty(0)) {
    if (!unit.underflow()) return NOT_STORED;
    unit.pop(pops);
    return BCD_INDEFINITE;
  }
  unit.load(0, A);
  const value = magnitude(unit.control.mode, (hi, lo) => joinWords(hi, lo) < BCD_LIMIT);
  if (value === undefined) {
    if (!unit.signal(IE)) return NOT_STORED;
    unit.pop(pops);
    return BCD_INDEFINITE;
  }
  unit.signal(rounding.flags);
  if (rounding.up) unit.setC1(true);
  let rest = joinWords(value.hi, value.lo);
  let digits = 0n;
  for (let at = 0n; rest !== 0n; at += 4n) {
    digits |= (rest % 10n) << at;
    rest /= 10n;
  }
  unit.pop(pops);
  const sign = A.sign === 1 ? 0x8000n : 0n;
  return [BigInt.asUintN(64, digits), (digits >> 64n) | sign | STORED80];
}

/** FST and FSTP to a register: the destination may be empty, the source may not; `unchecked`, an empty source is popped silently. */
export function storeRegister(i: number, pops: number, unchecked: boolean): void {
  if (!unit.isEmpty(0)) unit.copyRegister(0, i);
  else if (!unchecked) {
    if (!unit.underflow()) return;
    unit.storeDefaultNaN(i);
  }
  unit.pop(pops);
}

/** FXCH: empty registers become the default NaN first. */
export function exchange(i: number): void {
  if (unit.isEmpty(0) || unit.isEmpty(i)) {
    if (!unit.underflow()) return;
    if (unit.isEmpty(0)) unit.storeDefaultNaN(0);
    if (unit.isEmpty(i)) unit.storeDefaultNaN(i);
  }
  unit.exchangeRegisters(i);
}

/** FCMOVcc: a missing register counts whether the condition holds or not. */
export function conditionalMove(i: number, holds: boolean): void {
  if (unit.isEmpty(0) || unit.isEmpty(i)) {
    if (unit.underflow()) unit.storeDefaultNaN(0);
    return;
  }
  if (holds) unit.copyRegister(i, 0);
}

/** FCHS and FABS work on any encoding. */
export function changeSign(change: (signExponent: number) => number): void {
  if (unit.isEmpty(0)) {
    if (unit.underflow()) unit.storeDefaultNaN(0);
    return;
  }
  unit.setSign(0, change);
}
