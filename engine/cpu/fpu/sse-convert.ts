/** SSE conversions to integers, rounding to integral values, and approximations. */
import { divideFinite, squareRootFinite } from './softfloat/arithmetic.ts';
import { BINARY32, joinWords } from './softfloat/formats.ts';
import { IE, integerToWide, type RoundingMode, rounding, roundToInteger } from './softfloat/round.ts';
import {
  copyWide,
  FINITE,
  INFINITY,
  isNaNKind,
  quiet,
  SIGNALLING,
  setDefaultNaN,
  setInfinity,
  setZero,
  ZERO,
} from './softfloat/wide.ts';
import { A, B, type Bits, control, formatOf, R, status } from './sse-unit.ts';

/** A as a signed integer of `bits`; the integer indefinite value and IE when it does not fit. */
export function toInteger(bits: Bits, mode: RoundingMode): bigint {
  const indefinite = bits === 32 ? 0x80000000n : 0x8000000000000000n;
  if (A.kind === ZERO) return 0n;
  if (A.kind !== FINITE) {
    status.found |= IE;
    return indefinite;
  }
  roundToInteger(A, mode);
  const { flags } = rounding;
  const fits =
    A.exponent <= 63 &&
    (bits === 64
      ? A.hi < 0x80000000 || (A.sign === 1 && A.hi === 0x80000000 && A.lo === 0)
      : A.hi === 0 && (A.lo < 0x80000000 || (A.sign === 1 && A.lo === 0x80000000)));
  if (!fits) {
    status.found |= IE;
    return indefinite;
  }
  status.found |= flags;
  if (A.sign === 0) return joinWords(A.hi, A.lo);
  const low = -A.lo >>> 0;
  return joinWords(bits === 32 ? 0 : (~A.hi + (A.lo === 0 ? 1 : 0)) >>> 0, low);
}

export function roundToIntegral(bits: Bits, imm: number): void {
  if (isNaNKind(A)) {
    if (A.kind === SIGNALLING) status.found |= IE;
    copyWide(R, A);
    quiet(R);
    return;
  }
  copyWide(R, A);
  if (A.kind !== FINITE || A.exponent >= formatOf(bits).precision - 1) return;
  roundToInteger(R, ((imm & 4) !== 0 ? control.mode : imm & 3) as RoundingMode);
  if ((imm & 8) === 0) status.found |= rounding.flags;
  integerToWide(R);
}

/**
 * Approximations: our own, the correctly rounded result with a 12-bit significand, so the relative error stays below 2^-12 (the manual
 * allows 1.5 × 2^-12). Real processors differ from each other here. Denormal operands count as zeros and tiny results become zeros,
 * without exceptions (SDM vol. 2, RCPPS and RSQRTPS).
 */
export function approximate(root: boolean): void {
  if (isNaNKind(A)) {
    copyWide(R, A);
    quiet(R);
    return;
  }
  if (A.denormal) setZero(A, A.sign);
  if (A.kind === ZERO) {
    setInfinity(R, A.sign);
    return;
  }
  if (root && A.sign === 1) {
    setDefaultNaN(R);
    return;
  }
  if (A.kind === INFINITY) {
    setZero(R, A.sign);
    return;
  }
  copyWide(B, A);
  if (root) squareRootFinite(B, B);
  setZero(A, A.sign);
  A.kind = FINITE;
  A.hi = 0x80000000;
  divideFinite(A, B, 64, R);
  R.sign = root ? 0 : B.sign;
  R.lo = 0;
  R.ext = 0;
  R.hi += 0x80000;
  if (R.hi > 0xffffffff) {
    R.hi = 0x80000000;
    R.exponent += 1;
  }
  R.hi = (R.hi & 0xfff00000) >>> 0;
  if (R.exponent < BINARY32.minExponent) setZero(R, R.sign);
}
