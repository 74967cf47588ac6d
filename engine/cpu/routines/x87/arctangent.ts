/** FPATAN. */
import type { Int } from '../../../isa/emitter.ts';
import { int, node } from '../../ir/arithmetic.ts';
import type { Node } from '../../ir/node.ts';
import type { Routine, RoutineDefinition } from '../routine.ts';
import { ARCTANGENTS, PI } from './constants.ts';
import type { Fraction } from './fixed.ts';
import { between, fixed, normal, requireCertain, requireUsual, roundInto, signOf, whole } from './transcendental.ts';
import { operation } from './unit.ts';

/** Smaller quotients are the exact routine's. */
const LEAST = -60;

/** One of a list of constants, which have two bits before the point here. */
function choose(r: Routine, k: Int, list: readonly bigint[]): Fraction {
  const pick = (part: (value: bigint) => bigint): Int =>
    list.reduce<Int>((rest, value, i) => r.select(r.eq(k, r.const(i)), r.const(part(value >> 2n)), rest), r.const(0));
  return { hi: pick((value) => value >> 64n), lo: pick((value) => value & ((1n << 64n) - 1n)) };
}

const angle = operation('patan', '', (u) => {
  const { r } = u;
  const f = fixed(r);
  const zero = r.const(0);
  requireUsual(u);
  const [x, y] = [normal(u, 0), normal(u, 1)];
  const [mx, my] = [x.value.significand, y.value.significand];
  const steep = r.orB(r.ltS(64, x.exponent, y.exponent), r.andB(r.eq(x.exponent, y.exponent), r.ltU(mx, my)));
  const [small, large] = [r.select(steep, mx, my), r.select(steep, my, mx)];
  const exponent = r.select(steep, r.sub(64, x.exponent, y.exponent), r.sub(64, y.exponent, x.exponent));
  u.require(between(r, exponent, LEAST, 0));
  const down = r.sub(64, zero, exponent);
  // k: sixteen times the quotient, about.
  const { ir } = r;
  const double = (bits: Int): Node => ir.numeric('f64.reinterpret_i64', node(bits));
  const halved = (m: Int): Node => ir.numeric('f64.convert_i64_s', node(r.shr(64, m, r.const(1))));
  const power = double(r.shl(64, r.add(64, exponent, r.const(1023 + 4)), r.const(52)));
  const rough = ir.numeric('f64.mul', ir.numeric('f64.div', halved(small), halved(large)), power);
  const half = double(r.const(0x3fe0000000000000n));
  const k = int(ir.saturating('i64.trunc_sat_f64_s', ir.numeric('f64.add', rough, half)));
  // atan(q) = atan(k/16) + atan(s), s = (16 small - k large) / (16 large + k small); both by 32.
  const by = r.shl(64, k, r.const(59));
  const smaller = f.down(f.downBy(whole(r, small), down), 1);
  const taken = f.product(large, by);
  const difference = f.sub(smaller, taken);
  const less = r.bit(difference.hi, 63);
  const turned = f.sub(f.constant(0n), difference);
  const numerator = f.normalize(
    { hi: r.select(less, turned.hi, difference.hi), lo: r.select(less, turned.lo, difference.lo) },
    zero,
  );
  const added = f.downBy(f.product(small, by), down);
  const divisor = f.normalizeQuarter(f.add(f.down(whole(r, large), 1), added), zero);
  const quotient = f.halfQuotient(numerator.fraction, divisor.fraction);
  const s = f.normalize(quotient, r.sub(64, numerator.exponent, divisor.exponent));
  const at = f.fractionOf(s);
  const minus = r.const(-1n);
  // |s| is hardly above 1/32.
  const part = f.series(f.times(at, at), { divisor: (n) => BigInt(2 * n + 1), bits: 9.9, minus });
  const small128 = f.grow(s, part, minus);
  const inFixed = f.downBy(small128.fraction, r.sub(64, r.const(1), small128.exponent));
  const known = choose(r, k, ARCTANGENTS);
  const [sum, rest] = [f.add(known, inFixed), f.sub(known, inFixed)];
  const first = { hi: r.select(less, rest.hi, sum.hi), lo: r.select(less, rest.lo, sum.lo) };
  const left = r.bit(x.value.signExponent, 15);
  const base = choose(r, r.select(steep, r.const(1), r.select(left, r.const(2), zero)), [0n, PI / 2n, PI]);
  const outward = r.xorB(steep, left);
  const [more, fewer] = [f.add(base, first), f.sub(base, first)];
  const total = f.normalize({ hi: r.select(outward, fewer.hi, more.hi), lo: r.select(outward, fewer.lo, more.lo) }, r.const(1));
  const alone = r.andB(r.eq(k, zero), r.notB(r.orB(steep, left)));
  const result = {
    fraction: {
      hi: r.select(alone, small128.fraction.hi, total.fraction.hi),
      lo: r.select(alone, small128.fraction.lo, total.fraction.lo),
    },
    exponent: r.select(alone, small128.exponent, total.exponent),
    negative: signOf(r, y.value),
  };
  requireCertain(u, result);
  roundInto(u, y.register, result);
  u.pop(r.const(1));
  u.done();
});

export const arctangentRoutines: readonly RoutineDefinition[] = [angle];
