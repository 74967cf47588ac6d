/**
 * What the transcendental operations of `fpu/x87` share here: the quick forms calculate with 128-bit fractions, know their error, and hand
 * over where it could change how the result is rounded. So both give the exact value rounded to 64 bits.
 */
import type { Bool, Int } from '../../../isa/emitter.ts';
import { offsetOf } from '../../state.ts';
import type { Routine } from '../routine.ts';
import { Fixed, type Fraction, type Scaled } from './fixed.ts';
import { BIAS, C1, field, isNormal, type Register, type Unit, type Value } from './unit.ts';

/** Everything masked, 64 bits, to nearest. */
const [CONTROLS, USUAL] = [0xf3f, 0x33f];
/** Fractions are off by less than this many units of 2^-128. */
const ERROR = 1n << 40n;

/** Words that routines of this folder pass on beside their result: behind those of slow routines, which nobody has asked for yet. */
const PASSED = offsetOf('scratch') + 32;
export const pass = (r: Routine, i: 0 | 1 | 2, value: Int): void => r.hostStore(64, r.cpu, value, PASSED + 8 * i);
export const passed = (r: Routine, i: 0 | 1 | 2): Int => r.hostLoad(64, r.cpu, PASSED + 8 * i);

/** Leave unless the control word is the usual one. */
export function requireUsual(u: Unit): void {
  const { r } = u;
  u.require(r.eq(r.and(r.state('fcw'), r.const(CONTROLS)), r.const(USUAL)));
}

/** A normal number in ST(i); leaves otherwise. */
export function normal(u: Unit, i: number): { register: Register; value: Value; exponent: Int } {
  const { r } = u;
  const register = u.register(i);
  u.require(u.isFull(register));
  const value = u.read(register);
  u.require(isNormal(r, value));
  return { register, value, exponent: r.sub(64, field(r, value), r.const(BIAS)) };
}

/** Is the signed exponent in this range? */
export const between = (r: Routine, exponent: Int, least: number, most: number): Bool =>
  r.leU(r.sub(64, exponent, r.const(least)), r.const(most - least));

/** The fraction of a significand. */
export const whole = (r: Routine, significand: Int): Fraction => ({ hi: significand, lo: r.const(0) });

export const fixed = (r: Routine): Fixed => new Fixed(r);

/** Leave where the error could reach a number or the middle between two. */
export function requireCertain(u: Unit, { fraction }: Scaled): void {
  const { r } = u;
  const near = r.and(r.add(64, fraction.lo, r.const(ERROR)), r.const((1n << 63n) - 1n));
  u.require(r.leU(r.const(2n * ERROR), near));
}

/** Round into a register; leaves where the exponent is out of range. `negative` is 0 or 1. */
export function roundInto(u: Unit, register: Register, result: Scaled & { readonly negative: Int }): void {
  const { r } = u;
  const { fraction, exponent, negative } = result;
  const sign = r.shl(64, negative, r.const(15));
  const biased = r.add(64, exponent, r.const(BIAS));
  // The value is never what a fraction can hold: the lowest bit says so.
  const lo = r.or(fraction.lo, r.const(1));
  r.if(r.truth(r.call('x87.round', 'i32', r.cpu, register.at, sign, biased, fraction.hi, lo)), () => u.handOver());
}

export const signOf = (r: Routine, value: Value): Int => r.and(r.shr(64, value.signExponent, r.const(15)), r.const(1));
export const statusC1 = (r: Routine): Int => r.and(r.state('fsw'), r.const(C1));
export const ONE: readonly [bigint, number] = [1n << 63n, BIAS];
