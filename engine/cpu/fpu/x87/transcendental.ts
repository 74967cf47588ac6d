/**
 * F2XM1, FYL2X, FYL2XP1, FPATAN, FPTAN, FSIN, FCOS, FSINCOS (SDM vol. 1, 8.3.7 to 8.3.10): special values here, functions in
 * elementary.ts. Results are the exact value rounded by RC, so below one unit in the last place as the manual promises.
 */
import { EXTENDED, loadWords } from '../softfloat/formats.ts';
import { DE, PE, UE, ZE } from '../softfloat/round.ts';
import { copyWide, FINITE, INFINITY, normalize, setInfinity, setZero, type Wide, ZERO } from '../softfloat/wide.ts';
import {
  arctangent,
  cosine,
  divide,
  logarithm,
  logarithmOfOnePlus,
  PI,
  PI_EXPONENT,
  powerOfTwoMinusOne,
  quarterPis,
  reduceByHalfPi,
  type Scaled,
  sine,
} from './elementary.ts';
import * as unit from './unit.ts';
import { A, B, R } from './unit.ts';

const significand = (w: Wide): bigint => (BigInt(w.hi) << 32n) | BigInt(w.lo);
const scaledOf = (w: Wide): Scaled => ({ mantissa: w.sign === 1 ? -significand(w) : significand(w), exponent: w.exponent - 63 });

/** R = value, unrounded; what does not fit in 96 bits, or `inexact`, sets the sticky bit. */
function setR(value: Scaled, inexact: boolean): void {
  const negative = value.mantissa < 0n;
  const magnitude = negative ? -value.mantissa : value.mantissa;
  const digits = magnitude.toString(16).length;
  const excess = digits * 4 - 96;
  const top = excess > 0 ? magnitude >> BigInt(excess) : magnitude << BigInt(-excess);
  const rest = excess > 0 && top << BigInt(excess) !== magnitude;
  setZero(R, negative ? 1 : 0);
  R.kind = FINITE;
  R.ext = Number(top & 0xffffffffn);
  const words = loadWords(top >> 32n);
  R.hi = words[1] as number;
  R.lo = words[0] as number;
  R.exponent = value.exponent + excess + 95;
  normalize(R);
  if (rest || inexact) R.ext = (R.ext | 1) >>> 0;
}

/** The pushing instructions: FPTAN, FSINCOS. False when the stack does not allow it (the masked response is done then). */
function mayPush(): boolean {
  const missing = unit.isEmpty(0);
  if (!missing && unit.isEmpty(7)) return true;
  if (missing ? unit.underflow() : unit.overflow()) {
    unit.storeDefaultNaN(0);
    unit.push();
    unit.storeDefaultNaN(0);
  }
  return false;
}

export type Trigonometric = 'sin' | 'cos' | 'sincos' | 'ptan';

/** sin or cos of the reduced argument, with the signs of its quadrant. */
function circular(which: 'sin' | 'cos', rest: Scaled, quadrant: number): Scaled {
  const turned = which === 'sin' ? quadrant : (quadrant + 1) & 3;
  const value = (turned & 1) === 0 ? sine(rest) : cosine(rest);
  return (turned & 2) === 0 ? value : { mantissa: -value.mantissa, exponent: value.exponent };
}

/** Below this exponent sin x, tan x and x, and cos x and 1, differ by less than a hundredth of a unit: the simple one is the result. */
const TINY = -36;

/** Result of one function for A in R, unrounded. Returns flags that rounding does not find. */
function setTrigonometric(which: 'sin' | 'cos' | 'tan'): number {
  if (A.kind === ZERO || A.exponent < TINY) {
    if (which === 'cos') setOne();
    else copyWide(R, A);
    if (A.kind === ZERO) return 0;
    return R.exponent < EXTENDED.minExponent ? PE | UE : PE;
  }
  const { rest, multiple } = reduceByHalfPi(significand(A), A.exponent);
  const quadrant = Number(multiple & 3n);
  if (rest.mantissa === 0n) {
    // Only for multiples of the 66-bit pi/2 itself.
    setR({ mantissa: 1n, exponent: 0 }, false);
    if ((which === 'cos') === ((quadrant & 1) === 1)) setZero(R, 0);
    return 0;
  }
  const value =
    which === 'tan' ? divide(circular('sin', rest, quadrant), circular('cos', rest, quadrant)) : circular(which, rest, quadrant);
  setR(value, true);
  if (which !== 'cos') R.sign ^= A.sign;
  return 0;
}

function setOne(): void {
  setZero(R, 0);
  R.kind = FINITE;
  R.hi = 0x80000000;
}

const TOO_LARGE = 63;

export function trigonometric(which: Trigonometric): void {
  unit.setC2(false);
  const pushes = which === 'sincos' || which === 'ptan';
  if (pushes) {
    if (!mayPush()) return;
  } else if (unit.isEmpty(0)) {
    if (unit.underflow()) unit.storeDefaultNaN(0);
    return;
  }
  unit.load(0, A);
  let flags = unit.nanResult1();
  if (flags < 0 && A.kind === INFINITY) flags = unit.invalid();
  if (flags >= 0) {
    if (!unit.signal(flags)) return;
    unit.store(0, R);
    if (pushes) {
      unit.push();
      unit.store(0, R);
    }
    return;
  }
  if (A.kind === FINITE && A.exponent >= TOO_LARGE) {
    unit.setC2(true);
    return;
  }
  flags = A.denormal ? DE : 0;
  flags |= setTrigonometric(which === 'ptan' ? 'tan' : which === 'cos' ? 'cos' : 'sin');
  if (!unit.roundResult(EXTENDED, flags)) return;
  unit.store(0, R);
  if (!pushes) return;
  unit.push();
  if (which === 'ptan') setOne();
  else {
    unit.roundResult(EXTENDED, flags | setTrigonometric('cos'));
  }
  unit.store(0, R);
}

/** F2XM1. */
export function exponentialOnTop(): void {
  if (unit.isEmpty(0)) {
    if (unit.underflow()) unit.storeDefaultNaN(0);
    return;
  }
  unit.load(0, A);
  let flags = unit.nanResult1();
  if (flags < 0) flags = exponential();
  if (unit.roundResult(EXTENDED, flags)) unit.store(0, R);
}

/** Arguments beyond ±1, whose result the manual leaves undefined, come back as they are. */
function exponential(): number {
  copyWide(R, A);
  if (A.kind === ZERO) return 0;
  if (A.kind === INFINITY) {
    if (A.sign === 1) {
      setOne();
      R.sign = 1;
    }
    return 0;
  }
  const flags = A.denormal ? DE : 0;
  if (A.exponent > 0 || (A.exponent === 0 && (A.hi !== 0x80000000 || A.lo !== 0))) return flags | PE;
  if (A.exponent === 0) {
    if (A.sign === 1) R.exponent = -1;
    return flags | PE;
  }
  setR(powerOfTwoMinusOne(scaledOf(A)), true);
  return flags;
}

/** The two-operand functions: B is ST1, A is ST0; the result replaces ST1 and ST0 is popped. */
export function onTwo(work: () => number): void {
  if (unit.isEmpty(0) || unit.isEmpty(1)) {
    if (!unit.underflow()) return;
    unit.storeDefaultNaN(1);
    unit.pop(1);
    return;
  }
  unit.load(0, A);
  unit.load(1, B);
  let flags = unit.nanResult();
  if (flags < 0) flags = work();
  if (!unit.roundResult(EXTENDED, flags)) return;
  unit.store(1, R);
  unit.pop(1);
}

/** R = B × log, `log` not zero. */
function timesB(log: Scaled, exact: boolean): void {
  const { mantissa, exponent } = scaledOf(B);
  setR({ mantissa: log.mantissa * mantissa, exponent: log.exponent + exponent }, !exact);
}

/** FYL2X. */
export function yLog2x(): number {
  const flags = unit.denormals();
  if (A.kind === ZERO) {
    if (B.kind === ZERO) return unit.invalid();
    setInfinity(R, B.sign ^ 1);
    return B.kind === INFINITY ? 0 : ZE;
  }
  if (A.sign === 1) return unit.invalid();
  if (A.kind === INFINITY) {
    if (B.kind === ZERO) return unit.invalid();
    setInfinity(R, B.sign);
    return flags;
  }
  const isOne = A.exponent === 0 && A.hi === 0x80000000 && A.lo === 0;
  const below = A.exponent < 0 ? 1 : 0;
  if (B.kind === INFINITY) {
    if (isOne) return unit.invalid();
    setInfinity(R, B.sign ^ below);
  } else if (B.kind === ZERO || isOne) setZero(R, B.sign ^ below);
  else {
    const log = logarithm(significand(A), A.exponent);
    timesB(log, log.exact);
    // Reported as inexact even where it is not (observed).
    return flags | (R.exponent < EXTENDED.minExponent ? PE | UE : PE);
  }
  return flags;
}

/** FYL2XP1; arguments below -1, whose result the manual leaves undefined, come back as they are (observed). */
export function yLog2xPlus1(): number {
  const flags = unit.denormals();
  if (A.kind === ZERO) {
    if (B.kind === INFINITY) return unit.invalid();
    setZero(R, A.sign ^ B.sign);
    return flags;
  }
  if (A.kind === INFINITY) {
    if (A.sign === 1 || B.kind === ZERO) return unit.invalid();
    setInfinity(R, B.sign);
    return flags;
  }
  if (B.kind === INFINITY) setInfinity(R, A.sign ^ B.sign);
  else if (B.kind === ZERO) setZero(R, A.sign ^ B.sign);
  else if (A.sign === 1 && A.exponent >= 0) {
    copyWide(R, A);
    return flags | PE;
  } else timesB(logarithmOfOnePlus(scaledOf(A)), false);
  return flags;
}

/** Quarters of pi in R, with the sign of B. */
function setQuarters(numerator: bigint): void {
  setR({ mantissa: PI * numerator, exponent: PI_EXPONENT - 2 }, true);
  R.sign = B.sign;
}

/** FPATAN: the angle of the point (A, B), -pi to pi. */
export function angle(): number {
  const flags = unit.denormals();
  if (B.kind === INFINITY) {
    setQuarters(A.kind === INFINITY ? (A.sign === 1 ? 3n : 1n) : 2n);
    return flags;
  }
  if (B.kind === ZERO || A.kind === INFINITY) {
    if (A.sign === 1) setQuarters(4n);
    else setZero(R, B.sign);
    return flags;
  }
  if (A.kind === ZERO) {
    setQuarters(2n);
    return flags;
  }
  setR(angleOfFinite(), true);
  R.sign = B.sign;
  return flags;
}

const RATIO_BITS = 192;

function angleOfFinite(): Scaled {
  const [x, y] = [significand(A), significand(B)];
  const steep = B.exponent > A.exponent || (B.exponent === A.exponent && y > x);
  const [small, large] = steep ? [x, y] : [y, x];
  const exponent = (steep ? A.exponent - B.exponent : B.exponent - A.exponent) - RATIO_BITS;
  const part = arctangent({ mantissa: (small << BigInt(RATIO_BITS)) / large, exponent });
  const negated = { mantissa: -part.mantissa, exponent: part.exponent };
  if (steep) return quarterPis(2n, A.sign === 1 ? negated : part);
  return A.sign === 1 ? quarterPis(4n, part) : part;
}
