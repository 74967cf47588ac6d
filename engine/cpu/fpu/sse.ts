/**
 * Exact SSE arithmetic (SDM vol. 1, chapters 4.8, 4.9 and 11.5): every operation of SSE_OPS on raw bits under a value of MXCSR, in
 * integer arithmetic. The fast paths of all tiers come here for what they cannot promise, so this alone defines NaN results and flags.
 */
import type { SseOp, SseStateOp } from '../../isa/sse/ops.ts';
import { loadWords, unpackInteger } from './softfloat/formats.ts';
import { DE, IE, ZE } from './softfloat/round.ts';
import { copyWide, isNaNKind, quiet, SIGNALLING } from './softfloat/wide.ts';
import { add, compare, divide, extreme, multiply, predicate, squareRoot } from './sse-arithmetic.ts';
import { approximate, roundToIntegral, toInteger } from './sse-convert.ts';
import { A, B, type Bits, begin, control, formatOf, load, R, round, status, store } from './sse-unit.ts';

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
      if (A.kind === SIGNALLING) status.found |= IE;
      copyWide(R, A);
      quiet(R);
    } else {
      if (A.denormal) status.found |= DE;
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
  return (status.found & (IE | DE | ZE) & ~control.masks) !== 0 ? status.found & (IE | DE | ZE) : status.found;
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
    status.found = Number(a) & 0x3f;
    return { result: 0n, flags: reported() };
  }
  const result = OPERATIONS[op](a, b, imm, 0);
  return { result, flags: reported() };
}
