/** SSE addition, multiplication, division, square root, minimum, maximum and comparison. */
import { addFinite, compareMagnitude, divideFinite, multiplyFinite, squareRootFinite } from './softfloat/arithmetic.ts';
import type { Format } from './softfloat/formats.ts';
import { DE, IE, ZE } from './softfloat/round.ts';
import {
  copyWide,
  INFINITY,
  isNaNKind,
  quiet,
  SIGNALLING,
  setInfinity,
  setZero,
  shiftRightSticky,
  type Wide,
  ZERO,
} from './softfloat/wide.ts';
import { A, B, type Bits, control, formatOf, invalid, noteDenormals, propagate, R, round, status } from './sse-unit.ts';

export function add(bits: Bits, negate: 0 | 1): void {
  if (propagate()) return;
  if (A.kind === INFINITY || B.kind === INFINITY) {
    const sign = A.kind === INFINITY ? A.sign : B.sign ^ negate;
    if (A.kind === B.kind && A.sign !== (B.sign ^ negate)) {
      invalid();
      return;
    }
    noteDenormals();
    setInfinity(R, sign);
    return;
  }
  noteDenormals();
  if (A.kind === ZERO && B.kind === ZERO) {
    setZero(R, A.sign === (B.sign ^ negate) ? A.sign : control.mode === 1 ? 1 : 0);
    return;
  }
  if (B.kind === ZERO) copyWide(R, A);
  else if (A.kind === ZERO) {
    copyWide(R, B);
    R.sign ^= negate;
  } else {
    addFinite(A, B, negate, R);
    if (R.kind === ZERO) R.sign = control.mode === 1 ? 1 : 0;
  }
  round(bits);
}

export function multiply(bits: Bits): void {
  if (propagate()) return;
  const sign = A.sign ^ B.sign;
  if (A.kind === INFINITY || B.kind === INFINITY) {
    if (A.kind === ZERO || B.kind === ZERO) {
      invalid();
      return;
    }
    noteDenormals();
    setInfinity(R, sign);
    return;
  }
  noteDenormals();
  if (A.kind === ZERO || B.kind === ZERO) {
    setZero(R, sign);
    return;
  }
  multiplyFinite(A, B, R);
  round(bits);
}

export function divide(bits: Bits): void {
  if (propagate()) return;
  const sign = A.sign ^ B.sign;
  if (A.kind === INFINITY) {
    if (B.kind === INFINITY) {
      invalid();
      return;
    }
    noteDenormals();
    setInfinity(R, sign);
    return;
  }
  if (B.kind === ZERO) {
    if (A.kind === ZERO) {
      invalid();
      return;
    }
    status.found |= ZE;
    setInfinity(R, sign);
    return;
  }
  noteDenormals();
  if (A.kind === ZERO || B.kind === INFINITY) {
    setZero(R, sign);
    return;
  }
  divideFinite(A, B, formatOf(bits).precision, R);
  round(bits);
}

export function squareRoot(bits: Bits): void {
  if (isNaNKind(A)) {
    if (A.kind === SIGNALLING) status.found |= IE;
    copyWide(R, A);
    quiet(R);
    return;
  }
  if (A.kind === ZERO || (A.kind === INFINITY && A.sign === 0)) {
    copyWide(R, A);
    return;
  }
  if (A.sign === 1) {
    invalid();
    return;
  }
  if (A.denormal) status.found |= DE;
  squareRootFinite(A, R);
  round(bits);
}

/** -1, 0, 1 for A below, equal to, above B; neither is a NaN. */
function order(): -1 | 0 | 1 {
  if (A.kind === ZERO && B.kind === ZERO) return 0;
  if (A.kind === ZERO) return B.sign === 1 ? 1 : -1;
  if (B.kind === ZERO) return A.sign === 1 ? -1 : 1;
  if (A.sign !== B.sign) return A.sign === 1 ? -1 : 1;
  let magnitude: number;
  if (A.kind === INFINITY || B.kind === INFINITY) magnitude = A.kind === B.kind ? 0 : A.kind === INFINITY ? 1 : -1;
  else magnitude = compareMagnitude(A, B);
  return (A.sign === 1 ? 0 - magnitude : magnitude) as -1 | 0 | 1;
}

/** MIN and MAX: the second operand unless the first is strictly beyond it; every NaN is invalid (SDM vol. 2, MINPS). */
export function extreme(wanted: -1 | 1, format: Format): void {
  if (isNaNKind(A) || isNaNKind(B)) {
    status.found |= IE;
    copyWide(R, B);
  } else {
    noteDenormals();
    copyWide(R, order() === wanted ? A : B);
  }
  if (R.denormal) denormalize(R, format);
}

/** An unpacked denormal back in the form that packing expects: bit 95 clear, smallest exponent. */
function denormalize(w: Wide, format: Format): void {
  shiftRightSticky(w, format.minExponent - w.exponent);
  w.exponent = format.minExponent;
}

/** Bit 0 less, bit 1 equal, bit 2 unordered. */
export function compare(quietNaNs: boolean): number {
  if (isNaNKind(A) || isNaNKind(B)) {
    if (!quietNaNs || A.kind === SIGNALLING || B.kind === SIGNALLING) status.found |= IE;
    return 4;
  }
  noteDenormals();
  const relation = order();
  return relation < 0 ? 1 : relation === 0 ? 2 : 0;
}

/** Predicates 0 EQ, 1 LT, 2 LE, 3 UNORD, 4 NEQ, 5 NLT, 6 NLE, 7 ORD: relations for which each holds. LT, LE and their negations signal. */
const HOLDS = [2, 1, 3, 4, 5, 6, 4, 3];
const GREATER = [false, false, false, false, true, true, true, true];

export function predicate(imm: number): boolean {
  const which = imm & 7;
  const relation = compare((which & 3) === 0 || (which & 3) === 3);
  if (relation === 0) return GREATER[which] as boolean;
  return ((HOLDS[which] as number) & relation) !== 0;
}
