/** FPREM, FPREM1, FXTRACT, FBLD, FBSTP. */
import type { Int } from '../../../isa/emitter.ts';
import type { RoutineDefinition } from '../routine.ts';
import { roundingMode, roundingStatus, stopsInexact, toInteger } from './rounding.ts';
import { normal } from './transcendental.ts';
import { BIAS, C0, C1, C2, C3, field, operation, SIGN, sign, type Unit } from './unit.ts';

const CONDITIONS = C0 | C1 | C2 | C3;

/** ST0 becomes `rest` × 2^(exponent - 63) with this sign; leaves where that is denormal. A remainder is exact. */
function remainderDone(u: Unit, what: { rest: Int; exponent: Int; signBit: Int; zeroSign: Int; conditions: Int }): void {
  const { r } = u;
  const register = u.register(0);
  const none = r.eq(what.rest, r.const(0));
  const zeros = r.clz(what.rest);
  const biased = r.sub(64, r.add(64, what.exponent, r.const(BIAS)), zeros);
  u.require(r.orB(none, r.ltS(64, r.const(0), biased)));
  const signExponent = r.select(none, what.zeroSign, r.or(biased, what.signBit));
  u.write(register, { significand: r.shl(64, what.rest, zeros), signExponent });
  u.status(what.conditions, CONDITIONS);
  u.done();
}

/** The least three bits of a quotient as C0, C3 and C1. */
function quotientBits(u: Unit, quotient: Int): Int {
  const { r } = u;
  const bit = (index: number, flag: number): Int => r.select(r.bit(quotient, index), r.const(flag), r.const(0));
  return r.or(r.or(bit(2, C0), bit(1, C3)), bit(0, C1));
}

function remainder(op: 'prem' | 'prem1'): RoutineDefinition {
  const nearest = op === 'prem1';
  return operation(op, '', (u) => {
    const { r } = u;
    const zero = r.const(0);
    const [a, b] = [normal(u, 0), normal(u, 1)];
    const [dividend, divisor] = [a.value.significand, b.value.significand];
    const signBit = sign(r, a.value);
    const difference = r.sub(64, a.exponent, b.exponent);
    const partial = r.ltS(64, r.const(63), difference);
    // Reduced by 32 to 63 bits, it is not complete.
    const step = r.select(partial, r.or(r.and(difference, r.const(31)), r.const(32)), difference);
    r.if(r.ltS(64, difference, zero), () => {
      if (nearest) u.require(r.ltS(64, difference, r.const(-1))); // the quotient may be 1
      u.status(zero, CONDITIONS);
      u.done();
    });
    const upper = r.shr(64, r.shr(64, dividend, r.const(1)), r.sub(64, r.const(63), step));
    const [quotient, rest] = r.divU128(upper, r.shl(64, dividend, step), divisor);
    const exponent = r.sub(64, a.exponent, step);
    r.if(partial, () => remainderDone(u, { rest, exponent, signBit, zeroSign: signBit, conditions: r.const(C2) }));
    if (!nearest) {
      remainderDone(u, { rest, exponent, signBit, zeroSign: signBit, conditions: quotientBits(u, quotient) });
      return;
    }
    const other = r.sub(64, divisor, rest);
    const up = r.orB(r.ltU(other, rest), r.andB(r.eq(other, rest), r.bit(quotient, 0)));
    remainderDone(u, {
      rest: r.select(up, other, rest),
      exponent,
      signBit: r.select(up, r.xor(signBit, r.const(SIGN)), signBit),
      zeroSign: signBit,
      conditions: quotientBits(u, r.add(64, quotient, r.int(up))),
    });
  });
}

const extract = operation('xtract', '', (u) => {
  const { r } = u;
  const place = u.room();
  const { register, value, exponent } = normal(u, 0);
  const negative = r.bit(exponent, 63);
  const magnitude = r.select(negative, r.sub(64, r.const(0), exponent), exponent);
  const zeros = r.clz(magnitude);
  const signed = r.or(r.sub(64, r.const(BIAS + 63), zeros), r.select(negative, r.const(SIGN), r.const(0)));
  const none = r.eq(magnitude, r.const(0));
  u.write(register, { significand: r.shl(64, magnitude, zeros), signExponent: r.select(none, r.const(0), signed) });
  u.status(r.const(0));
  u.push(place, { significand: value.significand, signExponent: r.or(sign(r, value), r.const(BIAS)) });
  u.done();
});

const DIGITS = 18;

const loadDecimal = operation('loadBcd', '', (u) => {
  const { r } = u;
  const place = u.room();
  const [low, high] = [u.argument(0), u.argument(1)];
  const value = r.var(r.const(0));
  for (let digit = DIGITS - 1; digit >= 0; digit--) {
    const from = digit < 16 ? low : high;
    const next = r.and(r.shr(64, from, r.const(4 * (digit & 15))), r.const(15));
    r.set(value, r.add(64, r.mul(64, r.get(value), r.const(10)), next));
  }
  const zeros = r.clz(r.get(value));
  const signBit = r.and(high, r.const(SIGN));
  const biased = r.select(r.eq(r.get(value), r.const(0)), r.const(0), r.sub(64, r.const(BIAS + 63), zeros));
  u.status(r.const(0));
  u.push(place, { significand: r.shl(64, r.get(value), zeros), signExponent: r.or(biased, signBit) });
  u.done();
});

const STORED80 = 0x10000;

const storeDecimal = operation('storeBcd', '', (u) => {
  const { r } = u;
  const register = u.register(0);
  u.require(u.isFull(register));
  const value = u.read(register);
  u.requirePlain(value);
  const exponent = r.sub(64, field(r, value), r.const(BIAS));
  u.require(r.ltS(64, exponent, r.const(60)));
  const { magnitude, rest, up } = toInteger(r, value, { exponent, mode: roundingMode(r) });
  u.require(r.andB(r.ltU(magnitude, r.const(10n ** BigInt(DIGITS))), r.notB(stopsInexact(r, rest))));
  const left = r.var(magnitude);
  const digits = [r.var(r.const(0)), r.var(r.const(0))] as const;
  for (let digit = 0; digit < DIGITS; digit++) {
    const whole = r.var(r.divU(r.get(left), r.const(10)));
    const one = r.sub(64, r.get(left), r.mul(64, r.get(whole), r.const(10)));
    const into = digits[digit < 16 ? 0 : 1];
    r.set(into, r.or(r.get(into), r.shl(64, one, r.const(4 * (digit & 15)))));
    r.set(left, r.get(whole));
  }
  u.results(r.get(digits[0]), r.or(r.get(digits[1]), r.or(sign(r, value), r.const(STORED80))));
  u.status(roundingStatus(r, rest, up));
  u.pop(u.argument(0));
  u.done();
});

export const remainderRoutines: readonly RoutineDefinition[] = [
  remainder('prem'),
  remainder('prem1'),
  extract,
  loadDecimal,
  storeDecimal,
];
