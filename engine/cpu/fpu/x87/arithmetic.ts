/** FADD, FSUB, FMUL, FDIV, FSQRT, FRNDINT, FSCALE and FXTRACT. */
import { addFinite, divideFinite, multiplyFinite, squareRootFinite } from '../softfloat/arithmetic.ts';
import { EXTENDED, unpackInteger } from '../softfloat/formats.ts';
import { integerToWide, OE, PE, rounding, roundToInteger, UE, ZE } from '../softfloat/round.ts';
import { copyWide, FINITE, INFINITY, setInfinity, setZero, type Wide, ZERO } from '../softfloat/wide.ts';
import { loadSource, sourceMissing } from './source.ts';
import * as unit from './unit.ts';
import { A, B, R } from './unit.ts';

const zeroSign = (): number => (unit.control.mode === 1 ? 1 : 0);

/** R = A ± B with the flags before rounding; -1 when nothing is left to round. */
function sum(negate: 0 | 1): number {
  const signB = B.sign ^ negate;
  if (A.kind === INFINITY || B.kind === INFINITY) {
    if (A.kind === B.kind && A.sign !== signB) return unit.invalid();
    setInfinity(R, A.kind === INFINITY ? A.sign : signB);
  } else if (A.kind === ZERO && B.kind === ZERO) setZero(R, A.sign === signB ? A.sign : zeroSign());
  else if (B.kind === ZERO) copyWide(R, A);
  else if (A.kind === ZERO) {
    copyWide(R, B);
    R.sign = signB;
  } else {
    addFinite(A, B, negate, R);
    if (R.kind === ZERO) R.sign = zeroSign();
  }
  return unit.denormals();
}

function product(): number {
  const sign = A.sign ^ B.sign;
  if (A.kind === INFINITY || B.kind === INFINITY) {
    if (A.kind === ZERO || B.kind === ZERO) return unit.invalid();
    setInfinity(R, sign);
  } else if (A.kind === ZERO || B.kind === ZERO) setZero(R, sign);
  else multiplyFinite(A, B, R);
  return unit.denormals();
}

/** R = x ÷ y. */
function quotient(x: Wide, y: Wide): number {
  const sign = x.sign ^ y.sign;
  if (x.kind === INFINITY) {
    if (y.kind === INFINITY) return unit.invalid();
    setInfinity(R, sign);
  } else if (y.kind === ZERO) {
    if (x.kind === ZERO) return unit.invalid();
    setInfinity(R, sign);
    return ZE;
  } else if (x.kind === ZERO || y.kind === INFINITY) setZero(R, sign);
  else divideFinite(x, y, unit.precision().precision, R);
  return unit.denormals();
}

export type BinaryOp = 'add' | 'mul' | 'sub' | 'subr' | 'div' | 'divr';

function calculate(op: BinaryOp): number {
  switch (op) {
    case 'add':
      return sum(0);
    case 'sub':
      return sum(1);
    case 'subr': {
      // source - destination
      A.sign ^= 1;
      return sum(0);
    }
    case 'mul':
      return product();
    case 'div':
      return quotient(A, B);
    default:
      return quotient(B, A);
  }
}

/** destination = destination op source, then pop. */
export function arithmetic(op: BinaryOp, source: bigint, format: number, where: number): void {
  const destination = where & 7;
  const pops = where >>> 3;
  if (unit.isEmpty(destination) || sourceMissing(source, format)) {
    if (!unit.underflow()) return;
    unit.storeDefaultNaN(destination);
    unit.pop(pops);
    return;
  }
  unit.load(destination, A);
  loadSource(source, format, B);
  let flags = unit.nanResult();
  if (flags < 0) flags = calculate(op);
  if (!unit.roundResult(unit.precision(), flags)) return;
  unit.store(destination, R);
  unit.pop(pops);
}

/** Load ST0 into A for an operation on it alone; false when it is empty (the masked response is done then). */
function topToA(): boolean {
  if (!unit.isEmpty(0)) {
    unit.load(0, A);
    return true;
  }
  if (unit.underflow()) unit.storeDefaultNaN(0);
  return false;
}

export function squareRoot(): void {
  if (!topToA()) return;
  let flags = unit.nanResult1();
  if (flags < 0) flags = root();
  if (unit.roundResult(unit.precision(), flags)) unit.store(0, R);
}

function root(): number {
  if (A.kind === ZERO || (A.kind === INFINITY && A.sign === 0)) {
    copyWide(R, A);
    return 0;
  }
  if (A.sign === 1) return unit.invalid();
  squareRootFinite(A, R);
  return unit.denormals();
}

/** FRNDINT. */
export function roundInteger(): void {
  if (!topToA()) return;
  let flags = unit.nanResult1();
  let up = false;
  if (flags < 0) {
    copyWide(R, A);
    flags = 0;
    if (A.kind === FINITE && A.exponent < 63) {
      roundToInteger(R, unit.control.mode);
      flags = rounding.flags | unit.denormals();
      up = rounding.up;
      integerToWide(R);
    }
  }
  if (!unit.signal(flags)) return;
  if (up) unit.setC1(true);
  unit.store(0, R);
}

/** FXTRACT: exponent to ST0, then the significand is pushed. */
export function extract(): void {
  if (unit.isEmpty(0)) {
    if (!unit.underflow()) return;
    unit.storeDefaultNaN(0);
    unit.push();
    unit.storeDefaultNaN(0);
    return;
  }
  if (!unit.isEmpty(7)) {
    if (!unit.overflow()) return;
    unit.storeDefaultNaN(0);
    unit.push();
    unit.storeDefaultNaN(0);
    return;
  }
  unit.load(0, A);
  const flags = unit.nanResult1();
  if (flags >= 0) {
    if (!unit.signal(flags)) return;
    unit.store(0, R);
    unit.push();
    unit.store(0, R);
    return;
  }
  if (A.kind === ZERO) {
    if (!unit.signal(ZE)) return;
    setInfinity(R, 1);
    unit.store(0, R);
    unit.push();
    unit.store(0, A);
    return;
  }
  if (A.kind === INFINITY) {
    setInfinity(R, 0);
    unit.store(0, R);
    unit.push();
    unit.store(0, A);
    return;
  }
  if (!unit.signal(unit.denormals())) return;
  const { exponent } = A;
  unpackInteger(exponent < 0 ? 0xffffffff : 0, exponent >>> 0, R);
  unit.store(0, R);
  unit.push();
  A.exponent = 0;
  unit.store(0, A);
}

/** FSCALE: ST0 × 2^trunc(ST1). */
export function scale(): void {
  if (unit.isEmpty(0) || unit.isEmpty(1)) {
    if (unit.underflow()) unit.storeDefaultNaN(0);
    return;
  }
  unit.load(0, A);
  unit.load(1, B);
  let flags = unit.nanResult();
  if (flags >= 0) {
    if (unit.signal(flags)) unit.store(0, R);
    return;
  }
  flags = scaled();
  if (R.kind === FINITE && Math.abs(R.exponent) > EXTENDED.wrap + EXTENDED.maxExponent) beyondWrap(flags);
  else if (unit.roundResult(EXTENDED, flags)) unit.store(0, R);
}

/** So far out of range that not even the result for a handler has an exponent: infinity or zero, whatever the masks (observed). */
function beyondWrap(flags: number): void {
  const large = R.exponent > 0;
  if ((unit.control.masks & (large ? OE : UE)) !== 0) {
    if (unit.roundResult(EXTENDED, flags)) unit.store(0, R);
    return;
  }
  if (!unit.signal(flags | PE | (large ? OE : UE))) return;
  unit.setC1(large);
  if (large) setInfinity(R, R.sign);
  else setZero(R, R.sign);
  unit.store(0, R);
}

function scaled(): number {
  copyWide(R, A);
  if (B.kind === INFINITY) {
    if (B.sign === 0) {
      if (A.kind === ZERO) return unit.invalid();
      setInfinity(R, A.sign);
    } else {
      if (A.kind === INFINITY) return unit.invalid();
      setZero(R, A.sign);
    }
    return unit.denormals();
  }
  if (A.kind !== FINITE || B.kind !== FINITE) return unit.denormals();
  // Beyond 2^17 every number overflows or underflows completely.
  const magnitude = B.exponent < 0 ? 0 : B.exponent > 16 ? 0x20000 : B.hi >>> (31 - B.exponent);
  R.exponent += B.sign === 1 ? -magnitude : magnitude;
  return unit.denormals();
}
