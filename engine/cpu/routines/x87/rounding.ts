/** Rounding by the control word (SDM vol. 1, 4.8.4 and 8.1.5). */
import type { Bool, Int } from '../../../isa/emitter.ts';
import type { Node } from '../../ir/node.ts';
import { offsetOf } from '../../state.ts';
import type { Routine, RoutineDefinition } from '../routine.ts';
import { C1, PE, TOP_BIT, type Value, writeValue } from './unit.ts';

/** PC 64 bits, RC to nearest, all exceptions masked: what programs run with. */
const USUAL = 0x33f;
const CONTROLS = 0xf3f;

/** Where calculations leave the bits of the status word that they set, for regions. */
export const ROUNDED = offsetOf('scratch') + 48;

const all = (r: Routine, ...conditions: Bool[]): Bool => conditions.reduce((a, b) => r.andB(a, b));

/** Is a magnitude rounded up? `rest` is the fraction that is cut off, in units of 2^-64; `odd` the last bit that stays. */
export function roundsUp(r: Routine, what: { mode: Int; negative: Bool; rest: Int; odd: Bool }): Bool {
  const { mode, negative, rest, odd } = what;
  const nearest = r.andB(r.bit(rest, 63), r.orB(r.ne(r.shl(64, rest, r.const(1)), r.const(0)), odd));
  const directed = all(r, r.ne(rest, r.const(0)), r.ne(mode, r.const(3)), r.eq(r.int(negative), r.and(mode, r.const(1))));
  return r.orB(r.andB(r.eq(mode, r.const(0)), nearest), r.andB(r.ne(mode, r.const(0)), directed));
}

export const roundingMode = (r: Routine): Int => r.and(r.shr(64, r.state('fcw'), r.const(10)), r.const(3));

/** Is the precision exception, if this rest causes one, unmasked? */
export const stopsInexact = (r: Routine, rest: Int): Bool =>
  r.andB(r.ne(rest, r.const(0)), r.eq(r.and(r.state('fcw'), r.const(PE)), r.const(0)));

/** Bits of the status word that rounding sets. */
export const roundingStatus = (r: Routine, rest: Int, up: Bool): Int =>
  r.or(r.select(r.ne(rest, r.const(0)), r.const(PE), r.const(0)), r.select(up, r.const(C1), r.const(0)));

export const isUsual = (r: Routine): Bool => r.eq(r.and(r.state('fcw'), r.const(CONTROLS)), r.const(USUAL));

/** The same as `round` under usual controls; what is out of range is left to that. */
export function roundUsual(r: Routine, at: Node, parts: { sign: Int; exponent: Int; hi: Int; lo: Int }): void {
  const { hi, lo, exponent } = parts;
  const tie = r.or(hi, r.int(r.ne(r.shl(64, lo, r.const(1)), r.const(0))));
  const up = r.and(r.and(r.shr(64, lo, r.const(63)), tie), r.const(1));
  const sum = r.add(64, hi, up);
  const carried = r.eq(sum, r.const(0));
  const significand = r.or(sum, r.shl(64, r.int(carried), r.const(63)));
  const final = r.add(64, exponent, r.int(carried));
  r.if(r.ltU(r.sub(64, final, r.const(1)), r.const(0x7ffe)), () => {
    writeValue(r, at, { significand, signExponent: r.or(final, parts.sign) });
    const status = r.or(r.shl(64, r.int(r.ne(lo, r.const(0))), r.const(5)), r.shl(64, up, r.const(9)));
    r.setState('fsw', r.or(r.and(r.state('fsw'), r.const(0xffff & ~C1)), status));
    r.hostStore(64, r.cpu, status, ROUNDED);
    r.returns(r.i32(0));
  });
}

/**
 * (cpu, register address, sign 0 or 8000h, biased exponent, significand with its top bit set, bits below it with sticky bit 0) → 0 when
 * the rounded number is in the register and the status word is set; 1 when nothing was done: out of range, or #P is unmasked.
 */
const round: RoutineDefinition = {
  name: 'x87.round',
  parameters: ['i32', 'i32', 'i64', 'i64', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const at = r.parameter(1);
    const [signBit, exponent, hi, lo] = [r.parameterInt(2), r.parameterInt(3), r.parameterInt(4), r.parameterInt(5)];
    const control = r.state('fcw');
    const kept = r.var(hi);
    const rest = r.var(lo);
    const up = r.var(r.const(0)); // one unit in the last place, or 0
    r.if(
      isUsual(r),
      () => {
        const tie = r.or(r.and(hi, r.const(1)), r.int(r.ne(r.shl(64, lo, r.const(1)), r.const(0))));
        r.set(up, r.and(r.shr(64, lo, r.const(63)), tie));
      },
      () => {
        const precision = r.and(r.shr(64, control, r.const(8)), r.const(3));
        const shorter = r.select(r.eq(precision, r.const(2)), r.const(11), r.const(0));
        const drop = r.select(r.eq(precision, r.const(0)), r.const(40), shorter);
        const unit = r.shl(64, r.const(1), drop);
        r.if(r.ne(drop, r.const(0)), () => {
          const back = r.sub(64, r.const(64), drop);
          const sticky = r.int(r.ne(r.shl(64, lo, back), r.const(0)));
          r.set(rest, r.or(r.or(r.shl(64, hi, back), r.shr(64, lo, drop)), sticky));
          r.set(kept, r.and(hi, r.sub(64, r.const(0), unit)));
        });
        const odd = r.ne(r.and(r.get(kept), unit), r.const(0));
        const negative = r.ne(signBit, r.const(0));
        const increases = roundsUp(r, { mode: roundingMode(r), negative, rest: r.get(rest), odd });
        r.if(increases, () => r.set(up, unit));
      },
    );
    const sum = r.add(64, r.get(kept), r.get(up));
    const carried = r.eq(sum, r.const(0));
    const significand = r.select(carried, r.const(TOP_BIT), sum);
    const final = r.add(64, exponent, r.int(carried));
    const outside = r.notB(r.ltU(r.sub(64, final, r.const(1)), r.const(0x7ffe)));
    r.if(r.orB(outside, stopsInexact(r, r.get(rest))), () => r.returns(r.i32(1)));
    writeValue(r, at, { significand, signExponent: r.or(final, signBit) });
    const status = roundingStatus(r, r.get(rest), r.ne(r.get(up), r.const(0)));
    r.setState('fsw', r.or(r.and(r.state('fsw'), r.const(0xffff & ~C1)), status));
    r.hostStore(64, r.cpu, status, ROUNDED);
    r.returns(r.i32(0));
  },
};

/** A normal number or zero as an integer in magnitude: `exponent` (unbiased) is below 63. */
export interface Rounded {
  readonly magnitude: Int;
  readonly rest: Int;
  readonly up: Bool;
}

/** Round to an integer by `mode`. */
export function toInteger(r: Routine, value: Value, what: { exponent: Int; mode: Int }): Rounded {
  const shift = r.sub(64, r.const(63), what.exponent); // 1 and more
  const inside = r.ltU(shift, r.const(64));
  const part = r.select(inside, r.shr(64, value.significand, shift), r.const(0));
  const low = r.shl(64, value.significand, r.sub(64, r.const(64), shift));
  const isTop = r.eq(shift, r.const(64));
  // Far below one half: anything that is neither zero nor a half.
  const tiny = r.int(r.ne(value.significand, r.const(0)));
  const rest = r.select(inside, low, r.select(isTop, value.significand, tiny));
  const negative = r.bit(value.signExponent, 15);
  const up = roundsUp(r, { mode: what.mode, negative, rest, odd: r.bit(part, 0) });
  return { magnitude: r.add(64, part, r.int(up)), rest, up };
}

export const roundingRoutines: readonly RoutineDefinition[] = [round];
