/** FSIN, FCOS, FSINCOS, FPTAN. */
import type { Bool, Int, Var } from '../../../isa/emitter.ts';
import type { X87Op } from '../../../isa/x87/ops.ts';
import { int, node } from '../../ir/arithmetic.ts';
import type { Node } from '../../ir/node.ts';
import type { Routine, RoutineDefinition } from '../routine.ts';
import type { Fraction, Scaled } from './fixed.ts';
import {
  between,
  fixed,
  normal,
  ONE,
  pass,
  passed,
  requireCertain,
  requireUsual,
  roundInto,
  signOf,
  statusC1,
} from './transcendental.ts';
import { C2, operation, type Unit } from './unit.ts';

/** pi / 2 as the x87 has it (SDM vol. 1, 8.3.8), in units of 2^-67. */
const HALF_PI = 0xc90fdaa22168c234cn;
const UNIT = 67;
/** 2^-62 × 2/pi as a double. */
const PER_HALF_PI = 0x3c045f306dc9c883n;
/** Below, the result is the argument or 1, which the exact routine knows; above, more digits of the multiple are needed than a word has. */
const [LEAST, MOST] = [-36, 28];

const factorial = (n: number): bigint => (n < 2 ? 1n : BigInt(n) * factorial(n - 1));

/**
 * (cpu, significand, exponent) → bits 1:0 the multiple of pi/2 modulo 4, bit 2 the sign of the rest; -1 when there is none. Passes on the
 * rest, which lies in [-pi/4, pi/4]: fraction and exponent.
 */
const reduce: RoutineDefinition = {
  name: 'x87.reduce',
  parameters: ['i32', 'i64', 'i64'],
  result: 'i64',
  build(r) {
    const f = fixed(r);
    const [m, exponent] = [r.parameterInt(1), r.parameterInt(2)];
    r.if(r.ltS(64, exponent, r.const(-1)), () => {
      pass(r, 0, m);
      pass(r, 1, r.const(0));
      pass(r, 2, exponent);
      r.returns(r.const(0));
    });
    const x: Fraction = {
      hi: r.shr(64, m, r.sub(64, r.const(127 - UNIT), exponent)),
      lo: r.shl(64, m, r.add(64, exponent, r.const(UNIT - 63))),
    };
    const { ir } = r;
    const double = (bits: Int): Node => ir.numeric('f64.reinterpret_i64', node(bits));
    const power = double(r.shl(64, r.add(64, exponent, r.const(1023)), r.const(52)));
    const halves = ir.numeric('f64.convert_i64_s', node(r.shr(64, m, r.const(1))));
    const turns = ir.numeric('f64.mul', ir.numeric('f64.mul', halves, double(r.const(PER_HALF_PI))), power);
    const half = double(r.const(0x3fe0000000000000n));
    const multiple = r.var(int(ir.saturating('i64.trunc_sat_f64_s', ir.numeric('f64.add', turns, half))));
    const halfPi = f.constant(HALF_PI);
    const product = f.product(r.get(multiple), halfPi.lo);
    const taken = { hi: r.add(64, product.hi, r.mul(64, r.get(multiple), halfPi.hi)), lo: product.lo };
    const first = f.sub(x, taken);
    const rest = pair(r, first);
    // The double may be off by one where the rest is close to the end of its range.
    const shifted = f.add(first, f.constant(HALF_PI / 2n));
    const adjust = (by: bigint, changed: Fraction): void => {
      r.set(multiple, r.add(64, r.get(multiple), r.const(by)));
      set(r, rest, changed);
    };
    r.if(r.bit(shifted.hi, 63), () => adjust(-1n, f.add(first, halfPi)));
    const above = r.orB(r.ltU(halfPi.hi, shifted.hi), r.andB(r.eq(halfPi.hi, shifted.hi), r.leU(halfPi.lo, shifted.lo)));
    r.if(r.andB(above, r.notB(r.bit(shifted.hi, 63))), () => adjust(1n, f.sub(first, halfPi)));
    const signed = get(r, rest);
    r.if(r.eq(r.or(signed.hi, signed.lo), r.const(0)), () => r.returns(r.const(-1n)));
    const negative = r.bit(signed.hi, 63);
    const turned = f.sub(f.constant(0n), signed);
    const magnitude = { hi: r.select(negative, turned.hi, signed.hi), lo: r.select(negative, turned.lo, signed.lo) };
    const scaled = f.normalize(magnitude, r.const(127 - UNIT));
    pass(r, 0, scaled.fraction.hi);
    pass(r, 1, scaled.fraction.lo);
    pass(r, 2, scaled.exponent);
    r.returns(r.or(r.and(r.get(multiple), r.const(3)), r.shl(64, r.int(negative), r.const(2))));
  },
};

type Pair = readonly [Var, Var];
const pair = (r: Routine, value: Fraction): Pair => [r.var(value.hi), r.var(value.lo)];
const get = (r: Routine, [hi, lo]: Pair): Fraction => ({ hi: r.get(hi), lo: r.get(lo) });
function set(r: Routine, [hi, lo]: Pair, value: Fraction): void {
  r.set(hi, value.hi);
  r.set(lo, value.lo);
}

/** (cpu, fraction of x, exponent of x, 1 for the cosine) → upper word of sin x or cos x for 0 < x ≤ pi/4; passes on fraction and exponent. */
const circular: RoutineDefinition = {
  name: 'x87.circular',
  parameters: ['i32', 'i64', 'i64', 'i64', 'i64'],
  result: 'i64',
  build(r) {
    const f = fixed(r);
    const x: Scaled = { fraction: { hi: r.parameterInt(1), lo: r.parameterInt(2) }, exponent: r.parameterInt(3) };
    const at = f.fractionOf(x);
    const square = f.times(at, at);
    const minus = r.const(-1n);
    const give = ({ fraction, exponent }: Scaled): void => {
      pass(r, 0, fraction.hi);
      pass(r, 1, fraction.lo);
      pass(r, 2, exponent);
      r.returns(fraction.hi);
    };
    // (pi/4)² is below 2^-0.69.
    r.if(r.eq(r.parameterInt(4), r.const(0)), () => {
      const part = f.series(square, { divisor: (k) => factorial(2 * k + 1), bits: 0.69, minus });
      give(f.grow(x, part, minus));
    });
    const part = f.series(square, { divisor: (k) => factorial(2 * k), bits: 0.69, minus });
    const all = { hi: r.xor(part.hi, minus), lo: r.xor(part.lo, minus) };
    give({ fraction: all, exponent: r.const(-1n) });
  },
};

interface Signed extends Scaled {
  readonly negative: Int;
}

/** ST0 reduced, and the functions of it. */
function argument(u: Unit): { sine(): Signed; cosine(): Signed; register: ReturnType<Unit['register']> } {
  const { r } = u;
  requireUsual(u);
  const { register, value, exponent } = normal(u, 0);
  u.require(between(r, exponent, LEAST, MOST));
  const where = r.var(r.callInt('x87.reduce', r.cpu, value.significand, exponent));
  u.require(r.ne(r.get(where), r.const(-1n)));
  const [hi, lo, at] = ([0, 1, 2] as const).map((i) => r.var(passed(r, i))) as [Var, Var, Var];
  const quadrant = r.var(r.get(where));
  const of = (turned: Int, signs: (odd: Bool) => Int): Signed => {
    const first = r.var(r.callInt('x87.circular', r.cpu, r.get(hi), r.get(lo), r.get(at), r.and(turned, r.const(1))));
    const [second, third] = [r.var(passed(r, 1)), r.var(passed(r, 2))];
    const half = r.and(r.shr(64, turned, r.const(1)), r.const(1));
    return {
      fraction: { hi: r.get(first), lo: r.get(second) },
      exponent: r.get(third),
      negative: r.xor(half, signs(r.bit(turned, 0))),
    };
  };
  const restSign = (): Int => r.and(r.shr(64, r.get(quadrant), r.const(2)), r.const(1));
  const odd = (isCosine: Bool): Int => r.select(isCosine, r.const(0), restSign());
  return {
    register,
    sine: () => {
      const s = of(r.and(r.get(quadrant), r.const(3)), odd);
      return { ...s, negative: r.xor(s.negative, signOf(r, value)) };
    },
    cosine: () => of(r.and(r.add(64, r.get(quadrant), r.const(1)), r.const(3)), odd),
  };
}

function finish(u: Unit): void {
  const { r } = u;
  r.setState('fsw', r.and(r.state('fsw'), r.const(0xffff & ~C2)));
  u.done();
}

function simple(op: X87Op & ('sin' | 'cos')): RoutineDefinition {
  return operation(op, '', (u) => {
    const x = argument(u);
    const result = op === 'sin' ? x.sine() : x.cosine();
    requireCertain(u, result);
    roundInto(u, x.register, result);
    finish(u);
  });
}

const both = operation('sincos', '', (u) => {
  const { r } = u;
  const place = u.room();
  const x = argument(u);
  const sine = x.sine();
  const cosine = x.cosine();
  requireCertain(u, sine);
  requireCertain(u, cosine);
  // Both are in range, so that neither leaves: the exponent of the smaller one is above -100.
  roundInto(u, x.register, sine);
  const up = r.var(statusC1(r));
  roundInto(u, place, cosine);
  r.setState('fsw', r.or(r.state('fsw'), r.get(up)));
  u.fill(place);
  r.setState('ftop', place.number);
  finish(u);
});

const tangent = operation('ptan', '', (u) => {
  const { r } = u;
  const f = fixed(r);
  const place = u.room();
  const x = argument(u);
  const sine = x.sine();
  const cosine = x.cosine();
  const quotient = f.halfQuotient(sine.fraction, cosine.fraction);
  const exponent = r.sub(64, sine.exponent, cosine.exponent);
  const result = { ...f.normalize(quotient, exponent), negative: r.xor(sine.negative, cosine.negative) };
  requireCertain(u, result);
  roundInto(u, x.register, result);
  u.push(place, { significand: r.const(ONE[0]), signExponent: r.const(ONE[1]) });
  finish(u);
});

export const trigonometricRoutines: readonly RoutineDefinition[] = [
  reduce,
  circular,
  simple('sin'),
  simple('cos'),
  both,
  tangent,
];
