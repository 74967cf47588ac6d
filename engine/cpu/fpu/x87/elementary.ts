/**
 * Elementary functions in fixed-point BigInt arithmetic with about 120 correct bits: what the transcendental instructions round to 64.
 * A `Scaled` is mantissa × 2^exponent; results are relative to their size, so tiny arguments lose nothing.
 */

export interface Scaled {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** Fraction bits of fixed-point values here. */
const F = 128n;
const F_NUMBER = 128;
const ONE = 1n << F;

const shift = (value: bigint, left: number): bigint => (left >= 0 ? value << BigInt(left) : value >> BigInt(-left));

/** A value as fixed point with F fraction bits. */
const fixed = (value: Scaled): bigint => shift(value.mantissa, value.exponent + F_NUMBER);

/** Sum over k of (±square)^k / (2k+1): atanh(s)/s with sign 1, atan(t)/t with sign -1. */
function oddSeries(square: bigint, sign: 1n | -1n): bigint {
  let power = ONE;
  let sum = ONE;
  for (let odd = 3n; power !== 0n; odd += 2n) {
    power = ((power * square) >> F) * sign;
    if (power === -1n) break;
    sum += power / odd;
  }
  return sum;
}

/** atan(1/n) for an integer n of at least 2. */
const arctangentOfInverse = (n: bigint): bigint => (oddSeries(ONE / (n * n), -1n) + n / 2n) / n;

/** pi by Machin's formula, ln 2 as 2 atanh(1/3). */
export const PI = 4n * (4n * arctangentOfInverse(5n) - arctangentOfInverse(239n));
/** PI is in units of two to this. */
export const PI_EXPONENT = -F_NUMBER;
const LN2 = (2n * oddSeries(ONE / 9n, 1n)) / 3n;
const LOG2E = (ONE << F) / LN2;

/** pi / 2 as the x87 has it: 66 bits of pi (SDM vol. 1, 8.3.8), in units of 2^-67. */
const HALF_PI_66 = 0xc90fdaa22168c234cn;
const HALF_PI_UNIT = -67;

/**
 * |x| reduced by multiples of the x87's pi/2 to [-pi/4, pi/4]: the remainder, exactly, and the multiple. `x` is a significand of 64 bits
 * and its exponent, below 2^63.
 */
export function reduceByHalfPi(significand: bigint, exponent: number): { rest: Scaled; multiple: bigint } {
  const unit = exponent - 63;
  if (exponent < -1) return { rest: { mantissa: significand, exponent: unit }, multiple: 0n };
  const common = Math.min(unit, HALF_PI_UNIT);
  const x = significand << BigInt(unit - common);
  const halfPi = HALF_PI_66 << BigInt(HALF_PI_UNIT - common);
  const multiple = (2n * x + halfPi) / (2n * halfPi);
  return { rest: { mantissa: x - multiple * halfPi, exponent: common }, multiple };
}

/** Alternating series of sin (first divisor 2·3) or cos (1·2) in the square of the argument. */
function alternating(square: bigint, first: bigint): bigint {
  let term = ONE;
  let sum = ONE;
  for (let n = first; ; n += 2n) {
    term = -(((term * square) >> F) / (n * (n + 1n)));
    if (term === 0n) break;
    sum += term;
  }
  // Always below one: the truncated series may not claim to be exact.
  return sum === ONE ? ONE - 1n : sum;
}

const squareOf = (x: Scaled): bigint => shift(x.mantissa * x.mantissa, 2 * x.exponent + F_NUMBER);

/** sin of |x| <= pi/4. */
export const sine = (x: Scaled): Scaled => ({
  mantissa: x.mantissa * alternating(squareOf(x), 2n),
  exponent: x.exponent - F_NUMBER,
});

/** cos of |x| <= pi/4. */
export const cosine = (x: Scaled): Scaled => ({ mantissa: alternating(squareOf(x), 1n), exponent: -F_NUMBER });

export function divide(a: Scaled, b: Scaled): Scaled {
  const extra = 2n * F + BigInt(b.mantissa.toString(16).length * 4);
  return { mantissa: (a.mantissa << extra) / b.mantissa, exponent: a.exponent - b.exponent - Number(extra) };
}

/** 2^x - 1 for |x| <= 1, not zero. */
export function powerOfTwoMinusOne(x: Scaled): Scaled {
  const t = (fixed(x) * LN2) >> F;
  // (e^t - 1) / t = sum of t^n / (n + 1)!
  let term = ONE;
  let sum = ONE;
  for (let n = 2n; ; n += 1n) {
    term = ((term * t) >> F) / n;
    if (term === 0n || term === -1n) break;
    sum += term;
  }
  return { mantissa: x.mantissa * LN2 * sum, exponent: x.exponent - 2 * F_NUMBER };
}

/** 2 log2(e) × atanh(s). */
function logarithmOf(s: Scaled): Scaled {
  const series = oddSeries(squareOf(s), 1n);
  return { mantissa: s.mantissa * series * LOG2E, exponent: s.exponent - 2 * F_NUMBER + 1 };
}

const SQRT2_SIGNIFICAND = 0xb504f333f9de6484n;

/** log2 of a significand of 64 bits (1 to 2) times 2^exponent. `exact` when it is an integer. */
export function logarithm(significand: bigint, exponent: number): Scaled & { readonly exact: boolean } {
  const halve = significand > SQRT2_SIGNIFICAND;
  const m = halve ? significand : significand << 1n;
  const whole = BigInt(halve ? exponent + 1 : exponent);
  const one = 1n << 64n;
  const numerator = m - one;
  if (numerator === 0n) return { mantissa: whole, exponent: 0, exact: true };
  const s = { mantissa: (numerator << 256n) / (m + one), exponent: -256 };
  const part = logarithmOf(s);
  return { mantissa: part.mantissa + (whole << BigInt(-part.exponent)), exponent: part.exponent, exact: false };
}

/** log2(1 + x) for -1 < x, not zero. Where |x| reaches 1/2 the sum is cut to 64 bits (the manual's range ends at 0.29). */
export function logarithmOfOnePlus(x: Scaled): Scaled {
  if (x.exponent >= -64) {
    const one = 1n << 64n;
    const all = one + shift(x.mantissa, x.exponent + 64);
    const length = all.toString(2).length;
    return logarithm(shift(all, 64 - length), length - 65);
  }
  if (x.exponent < -400) return { mantissa: x.mantissa * LOG2E, exponent: x.exponent - F_NUMBER };
  const two = 2n << BigInt(-x.exponent);
  const extra = 256n + BigInt(-x.exponent);
  return logarithmOf({ mantissa: (x.mantissa << extra) / (two + x.mantissa), exponent: -Number(extra) });
}

/** atan(k/16), k from 0 to 16, each from the one before. */
const TABLE: bigint[] = [0n];
function arctangentOfSixteenth(k: number): bigint {
  for (let at = TABLE.length; at <= k; at++) {
    const step = (16n * ONE) / BigInt(256 + at * (at - 1));
    const square = (step * step) >> F;
    TABLE.push((TABLE[at - 1] as bigint) + ((step * oddSeries(square, -1n)) >> F));
  }
  return TABLE[k] as bigint;
}

/** atan of 0 < t <= 1. */
export function arctangent(t: Scaled): Scaled {
  const x = fixed(t);
  if (x < ONE >> 4n) {
    const series = oddSeries((x * x) >> F, -1n);
    return { mantissa: t.mantissa * (series === ONE ? ONE - 1n : series), exponent: t.exponent - F_NUMBER };
  }
  const k = Number((x + (ONE >> 5n)) >> (F - 4n));
  const c = BigInt(k) << (F - 4n);
  const d = ((x - c) << F) / (ONE + ((x * c) >> F));
  const part = (d * oddSeries((d * d) >> F, -1n)) >> F;
  return { mantissa: arctangentOfSixteenth(k) + part, exponent: -F_NUMBER };
}

/** numerator/4 × pi ± x, where x is below it. */
export function quarterPis(numerator: bigint, minus: Scaled): Scaled {
  return { mantissa: (PI * numerator) / 4n - fixed(minus), exponent: -F_NUMBER };
}
