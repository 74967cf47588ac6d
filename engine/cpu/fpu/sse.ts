/**
 * Exact SSE arithmetic (SDM vol. 1, chapters 4.8, 4.9 and 11.5): every operation of SSE_OPS on raw bits under a value of MXCSR, in
 * integer arithmetic. The fast paths of all tiers come here for what they cannot promise, so this alone defines NaN results and flags.
 */
import type { SseOp, SseStateOp } from '../../isa/sse/ops.ts';
import { addFinite, compareMagnitude, divideFinite, multiplyFinite, squareRootFinite } from './softfloat/arithmetic.ts';
import {
  BINARY32,
  BINARY64,
  type Format,
  joinWords,
  loadWords,
  pack32,
  pack64High,
  pack64Low,
  unpack32,
  unpack64,
  unpackInteger,
} from './softfloat/formats.ts';
import {
  DE,
  IE,
  integerToWide,
  type RoundingControl,
  type RoundingMode,
  rounding,
  roundTo,
  roundToInteger,
  ZE,
} from './softfloat/round.ts';
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
  shiftRightSticky,
  Wide,
  ZERO,
} from './softfloat/wide.ts';

type Bits = 32 | 64;

const DAZ = 0x40;

const A = new Wide();
const B = new Wide();
const R = new Wide();
const control: RoundingControl = { mode: 0, masks: 0, flushToZero: false };
/** What the operation under way has found, and its denormals-are-zeros. */
let found = 0;
let daz = false;

function begin(mxcsr: number): void {
  found = 0;
  daz = (mxcsr & DAZ) !== 0;
  control.mode = ((mxcsr >>> 13) & 3) as RoundingMode;
  control.masks = (mxcsr >>> 7) & 0x3f;
  control.flushToZero = (mxcsr & 0x8000) !== 0;
}

/** Lane `lane` of a 64-bit value (lane 0 when `bits` is 64); denormals become zeros under DAZ. */
function load(value: bigint, bits: Bits, lane: number, w: Wide): void {
  const words = loadWords(value);
  if (bits === 32) unpack32(words[lane] as number, w);
  else unpack64(words[1] as number, words[0] as number, w);
  if (daz && w.denormal) setZero(w, w.sign);
}

/** The rounded number in R as raw bits. */
function store(bits: Bits): bigint {
  return bits === 32 ? BigInt(pack32(R)) : joinWords(pack64High(R), pack64Low(R));
}

const formatOf = (bits: Bits): Format => (bits === 32 ? BINARY32 : BINARY64);

function invalid(): void {
  found |= IE;
  setDefaultNaN(R);
}

function noteDenormals(): void {
  if (A.denormal || B.denormal) found |= DE;
}

function round(bits: Bits): void {
  roundTo(R, formatOf(bits), control);
  found |= rounding.flags;
}

/** Result of two operands of which one is a NaN: the first NaN in operand order (SDM vol. 1, table 4-7). */
function propagate(): boolean {
  const first = isNaNKind(A);
  if (!first && !isNaNKind(B)) return false;
  if (A.kind === SIGNALLING || B.kind === SIGNALLING) found |= IE;
  copyWide(R, first ? A : B);
  quiet(R);
  return true;
}

function add(bits: Bits, negate: 0 | 1): void {
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

function multiply(bits: Bits): void {
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

function divide(bits: Bits): void {
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
    found |= ZE;
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

function squareRoot(bits: Bits): void {
  if (isNaNKind(A)) {
    if (A.kind === SIGNALLING) found |= IE;
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
  if (A.denormal) found |= DE;
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
function extreme(wanted: -1 | 1, format: Format): void {
  if (isNaNKind(A) || isNaNKind(B)) {
    found |= IE;
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
function compare(quietNaNs: boolean): number {
  if (isNaNKind(A) || isNaNKind(B)) {
    if (!quietNaNs || A.kind === SIGNALLING || B.kind === SIGNALLING) found |= IE;
    return 4;
  }
  noteDenormals();
  const relation = order();
  return relation < 0 ? 1 : relation === 0 ? 2 : 0;
}

/** Predicates 0 EQ, 1 LT, 2 LE, 3 UNORD, 4 NEQ, 5 NLT, 6 NLE, 7 ORD: relations for which each holds. LT, LE and their negations signal. */
const HOLDS = [2, 1, 3, 4, 5, 6, 4, 3];
const GREATER = [false, false, false, false, true, true, true, true];

function predicate(imm: number): boolean {
  const which = imm & 7;
  const relation = compare((which & 3) === 0 || (which & 3) === 3);
  if (relation === 0) return GREATER[which] as boolean;
  return ((HOLDS[which] as number) & relation) !== 0;
}

/** A as a signed integer of `bits`; the integer indefinite value and IE when it does not fit. */
function toInteger(bits: Bits, mode: RoundingMode): bigint {
  const indefinite = bits === 32 ? 0x80000000n : 0x8000000000000000n;
  if (A.kind === ZERO) return 0n;
  if (A.kind !== FINITE) {
    found |= IE;
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
    found |= IE;
    return indefinite;
  }
  found |= flags;
  if (A.sign === 0) return joinWords(A.hi, A.lo);
  const low = -A.lo >>> 0;
  return joinWords(bits === 32 ? 0 : (~A.hi + (A.lo === 0 ? 1 : 0)) >>> 0, low);
}

function roundToIntegral(bits: Bits, imm: number): void {
  if (isNaNKind(A)) {
    if (A.kind === SIGNALLING) found |= IE;
    copyWide(R, A);
    quiet(R);
    return;
  }
  copyWide(R, A);
  if (A.kind !== FINITE || A.exponent >= formatOf(bits).precision - 1) return;
  roundToInteger(R, ((imm & 4) !== 0 ? control.mode : imm & 3) as RoundingMode);
  if ((imm & 8) === 0) found |= rounding.flags;
  integerToWide(R);
}

/**
 * Approximations: our own, the correctly rounded result with a 12-bit significand, so the relative error stays below 2^-12 (the manual
 * allows 1.5 × 2^-12). Real processors differ from each other here. Denormal operands count as zeros and tiny results become zeros,
 * without exceptions (SDM vol. 2, RCPPS and RSQRTPS).
 */
function approximate(root: boolean): void {
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

type Operation = (a: bigint, b: bigint, imm: number, lane: number) => bigint;

const binary =
  (bits: Bits, run: (bits: Bits) => void): Operation =>
  (a, b, _imm, lane) => {
    load(a, bits, lane, A);
    load(b, bits, lane, B);
    run(bits);
    return store(bits);
  };

const unary =
  (bits: Bits, run: (bits: Bits, imm: number) => void): Operation =>
  (a, _b, imm, lane) => {
    load(a, bits, lane, A);
    run(bits, imm);
    return store(bits);
  };

const compared =
  (bits: Bits, result: (imm: number) => bigint): Operation =>
  (a, b, imm, lane) => {
    load(a, bits, lane, A);
    load(b, bits, lane, B);
    return result(imm);
  };

const toInt =
  (to: Bits, from: Bits, truncate: boolean): Operation =>
  (a, _b, _imm, lane) => {
    load(a, from, lane, A);
    return toInteger(to, truncate ? 3 : control.mode);
  };

const fromInt =
  (to: Bits, from: Bits): Operation =>
  (a, _b, _imm, lane) => {
    const words = loadWords(a);
    if (from === 64) unpackInteger(words[1] as number, words[0] as number, R);
    else {
      const word = words[lane] as number;
      unpackInteger(word >= 0x80000000 ? 0xffffffff : 0, word, R);
    }
    round(to);
    return store(to);
  };

/** Between the two formats; a NaN keeps the top of its payload. */
const reformat =
  (to: Bits, from: Bits): Operation =>
  (a) => {
    load(a, from, 0, A);
    if (isNaNKind(A)) {
      if (A.kind === SIGNALLING) found |= IE;
      copyWide(R, A);
      quiet(R);
    } else {
      if (A.denormal) found |= DE;
      copyWide(R, A);
      round(to);
    }
    return store(to);
  };

const both =
  (operation: Operation): Operation =>
  (a, b, imm) => {
    const low = operation(a, b, imm, 0);
    return low | (operation(a, b, imm, 1) << 32n);
  };

const ones = (bits: Bits) => (bits === 32 ? 0xffffffffn : 0xffffffffffffffffn);
const plus = (bits: Bits) => add(bits, 0);
const minus = (bits: Bits) => add(bits, 1);

const arithmetic = (bits: Bits) => ({
  add: binary(bits, plus),
  sub: binary(bits, minus),
  mul: binary(bits, multiply),
  div: binary(bits, divide),
  min: binary(bits, () => extreme(-1, formatOf(bits))),
  max: binary(bits, () => extreme(1, formatOf(bits))),
  sqrt: unary(bits, squareRoot),
  round: unary(bits, roundToIntegral),
  cmp: compared(bits, (imm) => (predicate(imm) ? ones(bits) : 0n)),
  compare: compared(bits, () => BigInt(compare(false))),
  compareQuiet: compared(bits, () => BigInt(compare(true))),
});
const single = arithmetic(32);
const double = arithmetic(64);
const rcp = unary(32, () => approximate(false));
const rsqrt = unary(32, () => approximate(true));

const OPERATIONS: Record<Exclude<SseOp, SseStateOp | 'commit'>, Operation> = {
  add32: single.add,
  sub32: single.sub,
  mul32: single.mul,
  div32: single.div,
  min32: single.min,
  max32: single.max,
  add64: double.add,
  sub64: double.sub,
  mul64: double.mul,
  div64: double.div,
  min64: double.min,
  max64: double.max,
  add32x2: both(single.add),
  sub32x2: both(single.sub),
  mul32x2: both(single.mul),
  div32x2: both(single.div),
  min32x2: both(single.min),
  max32x2: both(single.max),
  addsub32x2: (a, b, imm) => {
    const low = single.sub(a, b, imm, 0);
    return low | (single.add(a, b, imm, 1) << 32n);
  },
  sqrt32: single.sqrt,
  sqrt64: double.sqrt,
  sqrt32x2: both(single.sqrt),
  rcp32: rcp,
  rcp32x2: both(rcp),
  rsqrt32: rsqrt,
  rsqrt32x2: both(rsqrt),
  round32: single.round,
  round64: double.round,
  round32x2: both(single.round),
  cmp32: single.cmp,
  cmp64: double.cmp,
  cmp32x2: both(single.cmp),
  compare32: single.compare,
  compare64: double.compare,
  compareQuiet32: single.compareQuiet,
  compareQuiet64: double.compareQuiet,
  'f32.i32': fromInt(32, 32),
  'f32.i64': fromInt(32, 64),
  'f64.i32': fromInt(64, 32),
  'f64.i64': fromInt(64, 64),
  'i32.f32.trunc': toInt(32, 32, true),
  'i64.f32.trunc': toInt(64, 32, true),
  'i32.f64.trunc': toInt(32, 64, true),
  'i64.f64.trunc': toInt(64, 64, true),
  'i32.f32.round': toInt(32, 32, false),
  'i64.f32.round': toInt(64, 32, false),
  'i32.f64.round': toInt(32, 64, false),
  'i64.f64.round': toInt(64, 64, false),
  'f64.f32': reformat(64, 32),
  'f32.f64': reformat(32, 64),
  'f32x2.i32x2': both(fromInt(32, 32)),
  'i32x2.f32x2.trunc': both(toInt(32, 32, true)),
  'i32x2.f32x2.round': both(toInt(32, 32, false)),
};

/** An unmasked IE, DE or ZE stops the calculation: nothing is known about overflow, underflow and precision then. */
function reported(): number {
  return (found & (IE | DE | ZE) & ~control.masks) !== 0 ? found & (IE | DE | ZE) : found;
}

/** Value and exceptions (IE 1, DE 2, ZE 4, OE 8, UE 16, PE 32) of one operation; state is not touched. */
export interface ExactResult {
  readonly result: bigint;
  readonly flags: number;
}

/**
 * Calculate one operation of SSE_OPS (its arguments: engine/isa/sse/ops.ts) under `mxcsr`: rounding, DAZ, FTZ and the masks that decide
 * whether tiny exact results underflow. With an unmasked exception among the flags the result is meaningless. Below 1 µs.
 */
export function exactSse(op: Exclude<SseOp, SseStateOp>, a: bigint, b: bigint, imm: number, mxcsr: number): ExactResult {
  begin(mxcsr);
  if (op === 'commit') {
    found = Number(a) & 0x3f;
    return { result: 0n, flags: reported() };
  }
  const result = OPERATIONS[op](a, b, imm, 0);
  return { result, flags: reported() };
}
