/** Loads, stores and register moves. */
import type { Bool, Int } from '../../../isa/emitter.ts';
import { X87_FORMAT } from '../../../isa/x87/ops.ts';
import type { X87Format } from '../../ir/quick-calls.ts';
import type { Routine, RoutineDefinition } from '../routine.ts';
import { roundingMode, roundingStatus, roundsUp, stopsInexact, toInteger } from './rounding.ts';
import { readSource } from './source.ts';
import { BIAS, field, isZero, operation, type Register, SIGN, sign, type Unit, type Value } from './unit.ts';

/** A full register, whatever it holds. */
function full(u: Unit, i: Int | number): Register {
  const register = u.register(i);
  u.require(u.isFull(register));
  return register;
}

function load(format: X87Format): RoutineDefinition {
  return operation('load', `.${format}`, (u) => {
    const place = u.room();
    const value = format === 'register' ? u.read(full(u, u.argument(0))) : readSource(u, format);
    u.status(u.r.const(0));
    u.push(place, value);
    u.done();
  });
}

const load80 = operation('load80', '', (u) => {
  const place = u.room();
  u.status(u.r.const(0));
  u.push(place, { significand: u.argument(0), signExponent: u.r.trunc(16, u.argument(1)) });
  u.done();
});

/** The constants of FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ rounded to nearest. */
const CONSTANTS: readonly (readonly [significand: bigint, signExponent: number])[] = [
  [0x8000000000000000n, 0x3fff],
  [0xd49a784bcd1b8afen, 0x4000],
  [0xb8aa3b295c17f0bcn, 0x3fff],
  [0xc90fdaa22168c235n, 0x4000],
  [0x9a209a84fbcff799n, 0x3ffd],
  [0xb17217f7d1cf79acn, 0x3ffe],
  [0n, 0],
];

const loadConstant = operation('loadConstant', '', (u) => {
  const { r } = u;
  const place = u.room();
  const which = u.argument(0);
  // One and zero are the same in all modes.
  const exact = r.orB(r.eq(which, r.const(0)), r.eq(which, r.const(6)));
  u.require(r.orB(exact, r.eq(roundingMode(r), r.const(0))));
  const pick = (part: 0 | 1): Int =>
    CONSTANTS.reduce<Int>((rest, constant, i) => r.select(r.eq(which, r.const(i)), r.const(constant[part]), rest), r.const(0));
  u.status(r.const(0));
  u.push(place, { significand: pick(0), signExponent: pick(1) });
  u.done();
});

/** ST0 as a plain value. */
function top(u: Unit): Value {
  const value = u.read(full(u, 0));
  u.requirePlain(value);
  return value;
}

const STORED80 = 0x10000;

/** The value of a store is in the results, and is stored. */
function stored(u: Unit, what: { value: Int; rest: Int; up: Bool; pops: Int }): void {
  const { r } = u;
  u.results(what.value, r.const(1));
  u.status(roundingStatus(r, what.rest, what.up));
  u.pop(what.pops);
  u.done();
}

const FLOATS = { f32: { bits: 32, drop: 40, bias: 127 }, f64: { bits: 64, drop: 11, bias: 1023 } } as const;

function storeFloat(format: 'f32' | 'f64'): RoutineDefinition {
  const { bits, drop, bias } = FLOATS[format];
  const most = 2 * bias;
  return operation('store', `.${format}`, (u) => {
    const { r } = u;
    const value = top(u);
    const signBit = r.shl(64, sign(r, value), r.const(bits - 16));
    const pops = u.argument(1);
    r.if(isZero(r, value), () => stored(u, { value: signBit, rest: r.const(0), up: r.false(), pops }));
    const rest = r.shl(64, value.significand, r.const(64 - drop));
    const part = r.shr(64, value.significand, r.const(drop));
    const negative = r.bit(value.signExponent, 15);
    const up = roundsUp(r, { mode: roundingMode(r), negative, rest, odd: r.bit(part, 0) });
    const exponent = r.sub(64, field(r, value), r.const(BIAS - bias));
    // The leading bit of the significand adds 1 to the exponent below it; a carry adds another.
    const digits = r.add(64, part, r.int(up));
    const fraction = 63 - drop;
    const biased = r.add(64, r.shl(64, r.sub(64, exponent, r.const(1)), r.const(fraction)), digits);
    const final = r.shr(64, biased, r.const(fraction));
    const inside = r.andB(r.ltU(r.sub(64, exponent, r.const(1)), r.const(most)), r.leU(final, r.const(most)));
    u.require(r.andB(inside, r.notB(stopsInexact(r, rest))));
    stored(u, { value: r.or(biased, signBit), rest, up, pops });
  });
}

const INTEGERS = { i16: 16, i32: 32, i64: 64 } as const;

function storeInteger(op: 'store' | 'storeTruncated', format: 'i16' | 'i32' | 'i64'): RoutineDefinition {
  const bits = INTEGERS[format];
  return operation(op, `.${format}`, (u) => {
    const { r } = u;
    const value = top(u);
    const exponent = r.sub(64, field(r, value), r.const(BIAS));
    u.require(r.ltS(64, exponent, r.const(bits - 1)));
    const mode = op === 'store' ? roundingMode(r) : r.const(3);
    const { magnitude, rest, up } = toInteger(r, value, { exponent, mode });
    const fits = r.ltU(magnitude, r.const(1n << BigInt(bits - 1)));
    u.require(r.andB(fits, r.notB(stopsInexact(r, rest))));
    const negated = r.sub(64, r.const(0), magnitude);
    const result = r.trunc(bits, r.select(r.bit(value.signExponent, 15), negated, magnitude));
    stored(u, { value: result, rest, up, pops: u.argument(1) });
  });
}

const store80 = operation('store80', '', (u) => {
  const { r } = u;
  const { significand, signExponent } = u.read(full(u, 0));
  u.results(significand, r.or(signExponent, r.const(STORED80)));
  u.status(r.const(0));
  u.pop(u.argument(0));
  u.done();
});

/** b: registers to pop, and 8 when ST0 may be empty. */
const storeRegister = operation('storeRegister', '', (u) => {
  const { r } = u;
  const value = u.read(full(u, 0));
  const target = u.register(u.argument(0));
  u.status(r.const(0));
  u.write(target, value);
  u.fill(target);
  u.pop(r.and(u.argument(1), r.const(7)));
  u.done();
});

const exchange = operation('exchange', '', (u) => {
  const first = full(u, 0);
  const second = full(u, u.argument(0));
  const [a, b] = [u.read(first), u.read(second)];
  u.status(u.r.const(0));
  u.write(first, b);
  u.write(second, a);
  u.done();
});

/** C1 stays as it is. */
const move = operation('move', '', (u) => {
  const { r } = u;
  const target = full(u, 0);
  const value = u.read(full(u, u.argument(0)));
  r.if(r.ne(u.argument(1), r.const(0)), () => u.write(target, value));
  u.done();
});

const free = operation('free', '', (u) => {
  const { r } = u;
  const { number } = u.register(u.argument(0));
  r.setState('ftag', r.and(r.state('ftag'), r.xor(r.shl(64, r.const(1), number), r.const(0xff))));
  u.status(r.const(0));
  u.pop(u.argument(1));
  u.done();
});

const rotate = operation('rotate', '', (u) => {
  const { r } = u;
  u.status(r.const(0));
  r.setState('ftop', r.and(r.add(64, r.state('ftop'), u.argument(0)), r.const(7)));
  u.done();
});

const nothing = operation('nop', '', (u) => u.done());

function changeSign(op: 'chs' | 'abs', change: (r: Routine, signExponent: Int) => Int): RoutineDefinition {
  return operation(op, '', (u) => {
    const register = full(u, 0);
    const { significand, signExponent } = u.read(register);
    u.status(u.r.const(0));
    u.write(register, { significand, signExponent: change(u.r, signExponent) });
    u.done();
  });
}

const FORMATS = Object.keys(X87_FORMAT) as X87Format[];

export const transferRoutines: readonly RoutineDefinition[] = [
  ...FORMATS.map(load),
  ...[load80, loadConstant, storeFloat('f32'), storeFloat('f64')],
  ...(['i16', 'i32', 'i64'] as const).flatMap((format) => [
    storeInteger('store', format),
    storeInteger('storeTruncated', format),
  ]),
  ...[store80, storeRegister, exchange, move, free, rotate, nothing],
  changeSign('chs', (r, signExponent) => r.xor(signExponent, r.const(SIGN))),
  changeSign('abs', (r, signExponent) => r.and(signExponent, r.const(SIGN - 1))),
];
