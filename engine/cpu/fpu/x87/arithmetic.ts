/** FADD, FSUB, FMUL, FDIV, FSQRT, FRNDINT, FSCALE, FXTRACT, FPREM and the comparisons. */
import { X87_FORMAT } from '../../../isa/x87/ops.ts';
import { addFinite, compareMagnitude, divideFinite, multiplyFinite, squareRootFinite } from '../softfloat/arithmetic.ts';
import { EXTENDED, loadWords, unpack32, unpack64, unpackInteger } from '../softfloat/formats.ts';
import { IE, integerToWide, OE, PE, rounding, roundToInteger, UE, ZE } from '../softfloat/round.ts';
import { copyWide, FINITE, INFINITY, isNaNKind, SIGNALLING, setInfinity, setZero, type Wide, ZERO } from '../softfloat/wide.ts';
import * as unit from './unit.ts';
import { A, B, C0, C2, C3, R } from './unit.ts';

/** A source in one of the formats; `value` is a register number for `register`. */
export function loadSource(value: bigint, format: number, w: Wide): void {
  const words = loadWords(value);
  const low = words[0] as number;
  switch (format) {
    case X87_FORMAT.register:
      unit.load(low, w);
      return;
    case X87_FORMAT.f32:
      unpack32(low, w);
      return;
    case X87_FORMAT.f64:
      unpack64(words[1] as number, low, w);
      return;
    case X87_FORMAT.i16:
      unpackInteger((low << 16) >> 31 === 0 ? 0 : 0xffffffff, ((low << 16) >> 16) >>> 0, w);
      return;
    case X87_FORMAT.i32:
      unpackInteger(low >> 31 === 0 ? 0 : 0xffffffff, low, w);
      return;
    default:
      unpackInteger(words[1] as number, low, w);
  }
}

/** Is a register that the source names empty? */
const sourceMissing = (value: bigint, format: number): boolean => format === X87_FORMAT.register && unit.isEmpty(Number(value));

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

/** C3, C2, C0 of A against B, and whether the comparison is invalid. */
function relate(quiet: boolean): { bits: number; flags: number } {
  if (unit.unsupported()) return { bits: C0 | C2 | C3, flags: IE };
  if (isNaNKind(A) || isNaNKind(B)) {
    const signals = !quiet || A.kind === SIGNALLING || B.kind === SIGNALLING;
    return { bits: C0 | C2 | C3, flags: signals ? IE : 0 };
  }
  const order = compare();
  return { bits: order === 0 ? C3 : order < 0 ? C0 : 0, flags: unit.denormals() };
}

/** -1, 0, 1; neither is a NaN. */
function compare(): number {
  if (A.kind === ZERO && B.kind === ZERO) return 0;
  if (A.kind === ZERO) return B.sign === 1 ? 1 : -1;
  if (B.kind === ZERO || A.sign !== B.sign) return A.sign === 1 ? -1 : 1;
  const magnitude =
    A.kind === INFINITY || B.kind === INFINITY ? (A.kind === B.kind ? 0 : A.kind === INFINITY ? 1 : -1) : compareMagnitude(A, B);
  return A.sign === 1 ? -magnitude : magnitude;
}

/** ST0 against the source. The condition codes change even when an unmasked exception stops the instruction; `go` allows the pops. */
function comparison(source: bigint, format: number, quiet: boolean): { bits: number; go: boolean } {
  if (unit.isEmpty(0) || sourceMissing(source, format)) return { bits: C0 | C2 | C3, go: unit.underflow() };
  unit.load(0, A);
  loadSource(source, format, B);
  const { bits, flags } = relate(quiet);
  return { bits, go: unit.signal(flags) };
}

/** FCOM, FUCOM and their popping forms. */
export function compareToConditions(source: bigint, format: number, what: { quiet: boolean; pops: number }): void {
  const { bits, go } = comparison(source, format, what.quiet);
  unit.setConditions(bits);
  if (go) unit.pop(what.pops);
}

/** FCOMI, FUCOMI: [ZF, PF and CF at their places]; they change even when an unmasked exception stops the pop (observed). */
export function compareToFlags(source: bigint, format: number, what: { quiet: boolean; pops: number }): readonly bigint[] {
  const { bits, go } = comparison(source, format, what.quiet);
  if (go) unit.pop(what.pops);
  return [BigInt(((bits & C3) === 0 ? 0 : 0x40) | ((bits & C2) === 0 ? 0 : 4) | ((bits & C0) === 0 ? 0 : 1)), 0n];
}

export function testZero(): void {
  if (unit.isEmpty(0)) {
    unit.underflow();
    unit.setConditions(C0 | C2 | C3);
    return;
  }
  unit.load(0, A);
  setZero(B, 0);
  const { bits, flags } = relate(false);
  unit.signal(flags);
  unit.setConditions(bits);
}

export function examine(): void {
  unit.load(0, A);
  unit.setC1(A.sign === 1);
  if (unit.isEmpty(0)) {
    unit.setConditions(C3 | C0);
    return;
  }
  const classes = [C3, A.denormal ? C3 | C2 : C2, C2 | C0, C0, C0, 0];
  unit.setConditions(classes[A.kind] as number);
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
