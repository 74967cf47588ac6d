/** FYL2X, FYL2XP1, F2XM1. */
import type { Int } from '../../../isa/emitter.ts';
import type { RoutineDefinition } from '../routine.ts';
import { LN2, LOG2E } from './constants.ts';
import type { Scaled } from './fixed.ts';
import { between, fixed, normal, requireCertain, requireUsual, roundInto, signOf, whole } from './transcendental.ts';
import { operation, type Unit } from './unit.ts';

const SQRT2_SIGNIFICAND = 0xb504f333f9de6484n;
/** |s| ≤ 0.1721 (the argument lies between sqrt 1/2 and sqrt 2): s² is below 2^-5.07. */
const SQUARE_BITS = 5.07;
const MOST_S = 0x2c0f_0000_0000_0000n;
/** Below, the term after the first does not count, and the exact routine has a short way. */
const LEAST = -60;

const factorial = (n: number): bigint => (n < 2 ? 1n : BigInt(n) * factorial(n - 1));

/** log2((1 + s) / (1 - s)) for s > 0: 2 log2(e) × s × (1 + s²/3 + s⁴/5 + …). Leaves where s is too large. */
function logarithmOf(u: Unit, s: Scaled): Scaled {
  const { r } = u;
  const f = fixed(r);
  const at = f.fractionOf(s);
  u.require(r.ltU(at.hi, r.const(MOST_S)));
  const zero = r.const(0);
  const part = f.series(f.times(at, at), { divisor: (k) => BigInt(2 * k + 1), bits: SQUARE_BITS, minus: zero });
  const sum = f.grow(s, part, zero);
  return f.normalizeQuarter(f.times(sum.fraction, f.constant(LOG2E)), r.add(64, sum.exponent, r.const(2)));
}

interface Two {
  readonly a: ReturnType<typeof normal>;
  readonly b: ReturnType<typeof normal>;
}

/** ST1 = ST1 × log, and ST0 is popped. */
function multiply(u: Unit, { b }: Two, log: Scaled & { readonly negative: Int }): void {
  const { r } = u;
  const f = fixed(r);
  const product = f.timesWord(log.fraction, b.value.significand);
  const exponent = r.add(64, r.add(64, log.exponent, b.exponent), r.const(1));
  const result = { ...f.normalizeQuarter(product, exponent), negative: r.xor(log.negative, signOf(r, b.value)) };
  requireCertain(u, result);
  roundInto(u, b.register, result);
  u.pop(r.const(1));
  u.done();
}

const operands = (u: Unit): Two => {
  requireUsual(u);
  return { a: normal(u, 0), b: normal(u, 1) };
};

const logarithm = operation('yl2x', '', (u) => {
  const { r } = u;
  const f = fixed(r);
  const two = operands(u);
  const { value, exponent } = two.a;
  const m = value.significand;
  u.require(r.eq(signOf(r, value), r.const(0)));
  // The argument is (1 + d) × 2^whole with 1 + d near 1; s = d / (2 + d).
  const halve = r.ltU(r.const(SQRT2_SIGNIFICAND), m);
  const below = r.int(halve);
  const d = r.select(halve, r.sub(64, r.const(0), m), r.shl(64, m, r.const(1)));
  u.require(r.ne(d, r.const(0)));
  const integer = r.add(64, exponent, below);
  const zeros = r.clz(d);
  // 2^64 + m of 65 bits, or 2^65 + d of 66.
  const top = r.const(1n << 63n);
  const divisor = {
    hi: r.or(top, r.select(halve, r.shr(64, m, r.const(1)), r.shr(64, d, r.const(2)))),
    lo: r.select(halve, r.shl(64, m, r.const(63)), r.shl(64, d, r.const(62))),
  };
  const half = f.halfQuotient(whole(r, r.shl(64, d, zeros)), divisor);
  // half × 2^(1 + 64 - zeros - 65 or 66)
  const s = f.normalizeQuarter(half, r.sub(64, r.sub(64, below, r.const(2)), zeros));
  const log = logarithmOf(u, s);
  const alone = r.eq(integer, r.const(0));
  const negativeInteger = r.shr(64, integer, r.const(63));
  // With 16 bits before the point.
  const part = f.downBy(log.fraction, r.sub(64, r.const(15), log.exponent));
  const magnitude = r.select(r.bit(integer, 63), r.sub(64, r.const(0), integer), integer);
  const apart = r.ne(below, negativeInteger);
  const base = { hi: r.shl(64, magnitude, r.const(48)), lo: r.const(0) };
  const [sum, difference] = [f.add(base, part), f.sub(base, part)];
  const both = { hi: r.select(apart, difference.hi, sum.hi), lo: r.select(apart, difference.lo, sum.lo) };
  const together = f.normalize(both, r.const(15));
  multiply(u, two, {
    fraction: {
      hi: r.select(alone, log.fraction.hi, together.fraction.hi),
      lo: r.select(alone, log.fraction.lo, together.fraction.lo),
    },
    exponent: r.select(alone, log.exponent, together.exponent),
    negative: r.select(alone, below, negativeInteger),
  });
});

const logarithmOfOnePlus = operation('yl2xp1', '', (u) => {
  const { r } = u;
  const f = fixed(r);
  const two = operands(u);
  const { value, exponent } = two.a;
  u.require(between(r, exponent, LEAST, -2));
  const negative = signOf(r, value);
  const m = whole(r, value.significand);
  // s = x / (2 + x); the divisor in quarters.
  const quarter = f.downBy(m, r.sub(64, r.const(1), exponent));
  const minus = r.sub(64, r.const(0), negative);
  const one = f.constant(1n << 127n);
  const turned = f.add({ hi: r.xor(quarter.hi, minus), lo: r.xor(quarter.lo, minus) }, { hi: r.const(0), lo: negative });
  const divisor = f.normalizeQuarter(f.add(one, turned), r.const(1));
  const half = f.halfQuotient(m, divisor.fraction);
  const s = f.normalizeQuarter(half, r.sub(64, exponent, divisor.exponent));
  multiply(u, two, { ...logarithmOf(u, s), negative });
});

const power = operation('f2xm1', '', (u) => {
  const { r } = u;
  const f = fixed(r);
  requireUsual(u);
  const { register, value, exponent } = normal(u, 0);
  u.require(between(r, exponent, LEAST, -1));
  const negative = signOf(r, value);
  // e^t - 1 = t × (1 + t/2! + t²/3! + …) with |t| ≤ ln 2, below 2^-0.52.
  const t = f.normalizeQuarter(f.timesWord(f.constant(LN2), value.significand), exponent);
  const minus = r.sub(64, r.const(0), negative);
  const part = f.series(f.fractionOf(t), { divisor: (k) => factorial(k + 1), bits: 0.52, minus });
  const result = { ...f.grow(t, part, minus), negative };
  requireCertain(u, result);
  roundInto(u, register, result);
  u.done();
});

export const logarithmRoutines: readonly RoutineDefinition[] = [logarithm, logarithmOfOnePlus, power];
