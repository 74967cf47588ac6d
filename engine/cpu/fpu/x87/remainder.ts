/** FPREM and FPREM1. */
import { EXTENDED, loadWords, unpackInteger } from '../softfloat/formats.ts';
import { copyWide, FINITE, INFINITY, setZero, type Wide, ZERO } from '../softfloat/wide.ts';
import * as unit from './unit.ts';
import { A, B, C0, C2, C3, R } from './unit.ts';

/** FPREM (quotient truncated) and FPREM1 (to nearest): ST0 modulo ST1, at most 63 quotient bits at a time (SDM vol. 2, FPREM). */
export function remainder(nearest: boolean): void {
  unit.setC2(false);
  if (unit.isEmpty(0) || unit.isEmpty(1)) {
    if (unit.underflow()) unit.storeDefaultNaN(0);
    return;
  }
  unit.load(0, A);
  unit.load(1, B);
  const flags = unit.nanResult();
  if (flags >= 0) {
    if (unit.signal(flags)) unit.store(0, R);
    return;
  }
  if (A.kind === INFINITY || B.kind === ZERO) {
    if (unit.signal(unit.invalid())) unit.store(0, R);
    return;
  }
  if (!unit.signal(unit.denormals())) return;
  if (A.kind === ZERO || B.kind === INFINITY) {
    unit.setConditions(0);
    if (A.denormal) {
      copyWide(R, A);
      if (unit.roundResult(EXTENDED)) unit.store(0, R);
    }
    return;
  }
  divideForRemainder(nearest);
}

const significand = (w: Wide): bigint => (BigInt(w.hi) << 32n) | BigInt(w.lo);

function divideForRemainder(nearest: boolean): void {
  const difference = A.exponent - B.exponent;
  const divisor = significand(B);
  let rest = significand(A);
  let quotientBits = 0n;
  let exponent = B.exponent;
  copyWide(R, A);
  if (difference >= 64) {
    // Reduce by 32 to 63 bits and say that it is not complete.
    const step = (difference & 31) | 32;
    exponent = A.exponent - step;
    rest = (rest << BigInt(step)) % divisor;
    finishRemainder(rest, exponent);
    unit.setConditions(C2);
    return;
  }
  if (difference < -1 || (difference < 0 && !nearest)) {
    unit.setConditions(0);
    if (A.denormal && unit.roundResult(EXTENDED)) unit.store(0, R);
    return;
  }
  if (difference >= 0) {
    const dividend = rest << BigInt(difference);
    quotientBits = dividend / divisor;
    rest = dividend % divisor;
  } else {
    // |A| is between a quarter of and |B|: halves are counted in A's own units.
    exponent = A.exponent;
  }
  if (nearest) {
    const twice = difference >= 0 ? rest * 2n : rest;
    const limit = difference >= 0 ? divisor : divisor;
    if (twice > limit || (twice === limit && (quotientBits & 1n) === 1n)) {
      quotientBits += 1n;
      rest = difference >= 0 ? divisor - rest : divisor * 2n - rest;
      R.sign ^= 1;
    }
  }
  finishRemainder(rest, exponent);
  const q = Number(quotientBits & 7n);
  unit.setConditions(((q & 4) === 0 ? 0 : C0) | ((q & 2) === 0 ? 0 : C3));
  unit.setC1((q & 1) !== 0);
}

/** R = rest × 2^(exponent - 63), sign kept; it is exact but may be tiny. */
function finishRemainder(rest: bigint, exponent: number): void {
  const { sign } = R;
  if (rest === 0n) setZero(R, A.sign);
  else {
    unpackInteger(0, 0, R);
    R.kind = FINITE;
    R.sign = sign;
    const length = rest.toString(2).length;
    const aligned = length <= 64 ? rest << BigInt(64 - length) : rest >> BigInt(length - 64);
    const words = loadWords(aligned);
    R.hi = words[1] as number;
    R.lo = words[0] as number;
    R.ext = 0;
    R.exponent = exponent + length - 64;
  }
  if (unit.roundResult(EXTENDED)) unit.store(0, R);
}
