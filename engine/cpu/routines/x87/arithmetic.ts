/** FADD, FSUB, FMUL, FDIV, FSQRT, FRNDINT, FSCALE. */
import type { Int } from '../../../isa/emitter.ts';
import { X87_FORMAT } from '../../../isa/x87/ops.ts';
import { int, node } from '../../ir/arithmetic.ts';
import type { Node } from '../../ir/node.ts';
import type { X87Format } from '../../ir/quick-calls.ts';
import type { Routine, RoutineDefinition } from '../routine.ts';
import { isUsual, ROUNDED, roundingMode, roundingStatus, roundUsual, stopsInexact, toInteger } from './rounding.ts';
import { readSource } from './source.ts';
import { BIAS, C1, field, isZero, operation, SIGN, sign, TOP_BIT, type Unit, type Value, writeValue } from './unit.ts';

/** A calculation: (cpu, register address for the result, first value, second value) → as `x87.round`. Values are plain. */
const CORE = ['i32', 'i32', 'i64', 'i64', 'i64', 'i64'] as const;

interface Core {
  readonly r: Routine;
  readonly at: Node;
  readonly a: Value;
  readonly b: Value;
}

function core(name: string, build: (c: Core) => void): RoutineDefinition {
  return {
    name,
    parameters: CORE,
    result: 'i32',
    build: (r) =>
      build({
        r,
        at: r.parameter(1),
        a: { significand: r.parameterInt(2), signExponent: r.parameterInt(3) },
        b: { significand: r.parameterInt(4), signExponent: r.parameterInt(5) },
      }),
  };
}

function round(c: Core, parts: { sign: Int; exponent: Int; hi: Int; lo: Int }): void {
  const { r } = c;
  r.if(isUsual(r), () => roundUsual(r, c.at, parts));
  r.returns(r.call('x87.round', 'i32', r.cpu, c.at, parts.sign, parts.exponent, parts.hi, parts.lo));
}

/** An exact result, zeros included. */
function exact(c: Core, value: Value): void {
  const { r } = c;
  writeValue(r, c.at, value);
  r.setState('fsw', r.and(r.state('fsw'), r.const(0xffff & ~C1)));
  r.hostStore(64, r.cpu, r.const(0), ROUNDED);
  r.returns(r.i32(0));
}

/** The sign of a zero that cancels out of numbers of opposite signs: negative when rounding down. */
const cancelledSign = (r: Routine): Int => r.select(r.eq(roundingMode(r), r.const(1)), r.const(SIGN), r.const(0));

const sum = core('x87.sum', (c) => {
  const { r, a, b } = c;
  const zero = r.const(0);
  r.if(r.orB(r.eq(a.significand, zero), r.eq(b.significand, zero)), () => {
    r.if(r.eq(r.or(a.significand, b.significand), zero), () => {
      const same = r.eq(a.signExponent, b.signExponent);
      exact(c, { significand: zero, signExponent: r.select(same, a.signExponent, cancelledSign(r)) });
    });
    const first = r.ne(a.significand, zero);
    const signExponent = r.select(first, a.signExponent, b.signExponent);
    const value = { significand: r.or(a.significand, b.significand), signExponent };
    round(c, { sign: sign(r, value), exponent: field(r, value), hi: value.significand, lo: zero });
  });
  const [fieldA, fieldB] = [field(r, a), field(r, b)];
  const swap = r.orB(r.ltU(fieldA, fieldB), r.andB(r.eq(fieldA, fieldB), r.ltU(a.significand, b.significand)));
  const large = r.select(swap, b.significand, a.significand);
  const small = r.select(swap, a.significand, b.significand);
  const largeSign = r.select(swap, sign(r, b), sign(r, a));
  const exponent = r.select(swap, fieldB, fieldA);
  const distance = r.sub(64, exponent, r.select(swap, fieldA, fieldB));
  // The smaller one moved down by `distance` into 128 bits, with a sticky bit.
  const shiftedHi = r.var(small);
  const shiftedLo = r.var(zero);
  r.if(r.ne(distance, zero), () => {
    const back = r.sub(64, zero, distance); // modulo 64 what fell out comes to the top
    r.if(
      r.ltU(distance, r.const(64)),
      () => {
        r.set(shiftedLo, r.shl(64, small, back));
        r.set(shiftedHi, r.shr(64, small, distance));
      },
      () => {
        r.set(shiftedHi, zero);
        const isNext = r.eq(distance, r.const(64));
        const sticky = r.int(r.ne(r.shl(64, small, back), zero));
        const near = r.select(isNext, small, r.or(r.shr(64, small, distance), sticky));
        r.set(shiftedLo, r.select(r.ltU(distance, r.const(128)), near, r.const(1)));
      },
    );
  });
  r.if(r.eq(sign(r, a), sign(r, b)), () => {
    const total = r.add(64, large, r.get(shiftedHi));
    const lo = r.get(shiftedLo);
    r.if(r.notB(r.ltU(total, large)), () => round(c, { sign: largeSign, exponent, hi: total, lo }));
    const down = r.or(r.or(r.shr(64, lo, r.const(1)), r.and(lo, r.const(1))), r.shl(64, total, r.const(63)));
    const hi = r.or(r.shr(64, total, r.const(1)), r.const(TOP_BIT));
    round(c, { sign: largeSign, exponent: r.add(64, exponent, r.const(1)), hi, lo: down });
  });
  const lo = r.var(r.sub(64, zero, r.get(shiftedLo)));
  const borrow = r.int(r.ne(r.get(shiftedLo), zero));
  const hi = r.var(r.sub(64, r.sub(64, large, r.get(shiftedHi)), borrow));
  const at = r.var(exponent);
  r.if(r.eq(r.get(hi), zero), () => {
    r.if(r.eq(r.get(lo), zero), () => exact(c, { significand: zero, signExponent: cancelledSign(r) }));
    r.set(hi, r.get(lo));
    r.set(lo, zero);
    r.set(at, r.sub(64, r.get(at), r.const(64)));
  });
  const zeros = r.clz(r.get(hi));
  r.if(r.ne(zeros, zero), () => {
    const carried = r.shr(64, r.get(lo), r.sub(64, zero, zeros));
    r.set(hi, r.or(r.shl(64, r.get(hi), zeros), carried));
    r.set(lo, r.shl(64, r.get(lo), zeros));
    r.set(at, r.sub(64, r.get(at), zeros));
  });
  round(c, { sign: largeSign, exponent: r.get(at), hi: r.get(hi), lo: r.get(lo) });
});

const product = core('x87.product', (c) => {
  const { r, a, b } = c;
  const zero = r.const(0);
  const signBit = r.xor(sign(r, a), sign(r, b));
  r.if(r.orB(r.eq(a.significand, zero), r.eq(b.significand, zero)), () => exact(c, { significand: zero, signExponent: signBit }));
  const hi = r.mulHighU(a.significand, b.significand);
  const lo = r.mul(64, a.significand, b.significand);
  const exponent = r.sub(64, r.add(64, field(r, a), field(r, b)), r.const(BIAS));
  r.if(r.bit(hi, 63), () => round(c, { sign: signBit, exponent: r.add(64, exponent, r.const(1)), hi, lo }));
  const doubled = r.or(r.shl(64, hi, r.const(1)), r.shr(64, lo, r.const(63)));
  round(c, { sign: signBit, exponent, hi: doubled, lo: r.shl(64, lo, r.const(1)) });
});

const quotient = core('x87.quotient', (c) => {
  const { r, a, b } = c;
  const zero = r.const(0);
  const signBit = r.xor(sign(r, a), sign(r, b));
  r.if(r.eq(b.significand, zero), () => r.returns(r.i32(1))); // #Z, or 0/0
  r.if(r.eq(a.significand, zero), () => exact(c, { significand: zero, signExponent: signBit }));
  const divisor = b.significand;
  const halve = r.leU(divisor, a.significand);
  const dividendHi = r.select(halve, r.shr(64, a.significand, r.const(1)), a.significand);
  const dividendLo = r.select(halve, r.shl(64, a.significand, r.const(63)), zero);
  const [digits, rest] = r.divU128(dividendHi, dividendLo, divisor);
  // The next bit is 1 when twice the remainder reaches the divisor; what remains then is sticky.
  const half = r.orB(r.bit(rest, 63), r.leU(divisor, r.shl(64, rest, r.const(1))));
  const left = r.select(half, r.sub(64, r.shl(64, rest, r.const(1)), divisor), rest);
  const lo = r.or(r.select(half, r.const(TOP_BIT), zero), r.int(r.ne(left, zero)));
  const exponent = r.add(64, r.sub(64, field(r, a), field(r, b)), r.const(BIAS - 1));
  round(c, { sign: signBit, exponent: r.add(64, exponent, r.int(halve)), hi: digits, lo });
});

const FLIP: Partial<Record<string, 'a' | 'b'>> = { sub: 'b', subr: 'a' };

function calculate(r: Routine, op: string, at: Node, values: { a: Value; b: Value }): Node {
  const turned = op === 'divr' ? { a: values.b, b: values.a } : values;
  const flipped = FLIP[op];
  const part = (which: 'a' | 'b'): Value =>
    which === flipped ? { ...turned[which], signExponent: r.xor(turned[which].signExponent, r.const(SIGN)) } : turned[which];
  const [a, b] = [part('a'), part('b')];
  const name = op === 'mul' ? 'x87.product' : op.startsWith('div') ? 'x87.quotient' : 'x87.sum';
  return r.call(name, 'i32', r.cpu, at, a.significand, a.signExponent, b.significand, b.signExponent);
}

/** destination = destination op source; c: destination register | pop << 3. */
function binary(op: 'add' | 'mul' | 'sub' | 'subr' | 'div' | 'divr', format: X87Format): RoutineDefinition {
  return operation(op, `.${format}`, (u) => {
    const { r } = u;
    const where = u.argument(2);
    const destination = u.register(r.and(where, r.const(7)));
    u.require(u.isFull(destination));
    const a = u.read(destination);
    u.requirePlain(a);
    const b = readSource(u, format);
    r.if(r.truth(calculate(r, op, destination.at, { a, b })), () => u.handOver());
    u.pop(r.shr(64, where, r.const(3)));
    u.done();
  });
}

/** ST0 as a plain value. */
function top(u: Unit): { at: Node; value: Value } {
  const register = u.register(0);
  u.require(u.isFull(register));
  const value = u.read(register);
  u.requirePlain(value);
  return { at: register.at, value };
}

/**
 * Integer square root of hi:lo, hi at least 2^62: the host's root, one step of Newton's method, and the last unit by comparing.
 * The remainder then says what follows.
 */
const squareRoot = operation('sqrt', '', (u) => {
  const { r } = u;
  const { at, value } = top(u);
  const zero = r.const(0);
  r.if(isZero(r, value), () => {
    u.status(zero);
    u.done();
  });
  u.require(r.notB(r.bit(value.signExponent, 15)));
  const exponent = r.sub(64, field(r, value), r.const(BIAS));
  const odd = r.bit(exponent, 0);
  const m = value.significand;
  const hi = r.select(odd, m, r.shr(64, m, r.const(1)));
  const lo = r.select(odd, zero, r.shl(64, m, r.const(63)));
  const { ir } = r;
  const f64 = (bits: bigint): Node => ir.numeric('f64.reinterpret_i64', ir.const64(bits));
  const signed = (value64: Int): Node => ir.numeric('f64.convert_i64_s', node(value64));
  // sqrt(hi × 2^64) = sqrt(hi/2) × sqrt(2) × 2^32; hi/2 fits a signed number.
  const half = ir.numeric('f64.mul', signed(r.shr(64, hi, r.const(1))), f64(0x4000000000000000n));
  const scaled = ir.numeric('f64.mul', ir.numeric('f64.sqrt', half), f64(0x41e0000000000000n)); // × 2^31
  const rough = r.shl(64, int(ir.saturating('i64.trunc_sat_f64_s', scaled)), r.const(1));
  const errorLo = r.sub(64, lo, r.mul(64, rough, rough));
  const errorHi = r.sub(64, r.sub(64, hi, r.mulHighU(rough, rough)), r.int(r.ltU(lo, r.mul(64, rough, rough))));
  // The error, below 2^78, in units of 2^16: exact enough, since the root differs from `rough` by less than 2^13.
  const errorPart = r.or(r.shl(64, errorHi, r.const(48)), r.shr(64, errorLo, r.const(16)));
  const divisor = signed(r.shr(64, rough, r.const(15)));
  const step = int(ir.saturating('i64.trunc_sat_f64_s', ir.numeric('f64.div', signed(errorPart), divisor)));
  const root = r.var(r.add(64, rough, step));
  const square = r.get(root);
  const squareLo = r.mul(64, square, square);
  const restLo = r.var(r.sub(64, lo, squareLo));
  const restHi = r.var(r.sub(64, r.sub(64, hi, r.mulHighU(square, square)), r.int(r.ltU(lo, squareLo))));
  const adjust = (by: Int, odds: Int, sub: boolean): void => {
    // rest ∓= 2 × root ± 1
    const doubledLo = r.or(r.shl(64, odds, r.const(1)), r.const(1));
    const doubledHi = r.shr(64, odds, r.const(63));
    const before = r.get(restLo);
    if (sub) {
      r.set(restHi, r.sub(64, r.sub(64, r.get(restHi), doubledHi), r.int(r.ltU(before, doubledLo))));
      r.set(restLo, r.sub(64, before, doubledLo));
    } else {
      const after = r.add(64, before, doubledLo);
      r.set(restHi, r.add(64, r.add(64, r.get(restHi), doubledHi), r.int(r.ltU(after, before))));
      r.set(restLo, after);
    }
    r.set(root, by);
  };
  r.while(
    () => r.bit(r.get(restHi), 63),
    () => {
      const smaller = r.sub(64, r.get(root), r.const(1));
      adjust(smaller, smaller, false);
    },
  );
  r.while(
    () => {
      const doubledHi = r.shr(64, r.get(root), r.const(63));
      const doubledLo = r.shl(64, r.get(root), r.const(1));
      const more = r.andB(r.eq(r.get(restHi), doubledHi), r.ltU(doubledLo, r.get(restLo)));
      return r.orB(r.ltU(doubledHi, r.get(restHi)), more);
    },
    () => {
      const old = r.get(root);
      adjust(r.add(64, old, r.const(1)), old, true);
    },
  );
  const above = r.orB(r.ne(r.get(restHi), zero), r.ltU(r.get(root), r.get(restLo)));
  const sticky = r.int(r.ne(r.or(r.get(restHi), r.get(restLo)), zero));
  const tail = r.or(r.select(above, r.const(TOP_BIT), zero), sticky);
  const halved = r.sar(64, exponent, r.const(1));
  const failed = r.call('x87.round', 'i32', r.cpu, at, zero, r.add(64, halved, r.const(BIAS)), r.get(root), tail);
  r.if(r.truth(failed), () => u.handOver());
  u.done();
});

const roundInteger = operation('rndint', '', (u) => {
  const { r } = u;
  const { at, value } = top(u);
  const exponent = r.sub(64, field(r, value), r.const(BIAS));
  r.if(r.orB(isZero(r, value), r.ltS(64, r.const(62), exponent)), () => {
    u.status(r.const(0));
    u.done();
  });
  const { magnitude, rest, up } = toInteger(r, value, { exponent, mode: roundingMode(r) });
  u.require(r.notB(stopsInexact(r, rest)));
  const zeros = r.clz(magnitude);
  const none = r.eq(magnitude, r.const(0));
  const biased = r.select(none, r.const(0), r.sub(64, r.const(BIAS + 63), zeros));
  writeValue(r, at, { significand: r.shl(64, magnitude, zeros), signExponent: r.or(biased, sign(r, value)) });
  u.status(roundingStatus(r, rest, up));
  u.done();
});

/** FSCALE: ST0 × 2^trunc(ST1); neither the precision control nor rounding matters while the exponent stays inside. */
const scale = operation('scale', '', (u) => {
  const { r } = u;
  const { at, value } = top(u);
  const other = u.register(1);
  u.require(u.isFull(other));
  const by = u.read(other);
  u.requirePlain(by);
  const exponent = r.sub(64, field(r, by), r.const(BIAS));
  u.require(r.ltS(64, exponent, r.const(16)));
  const whole = r.shr(64, by.significand, r.sub(64, r.const(63), exponent));
  const magnitude = r.select(r.ltS(64, exponent, r.const(0)), r.const(0), whole);
  const moved = r.select(r.bit(by.signExponent, 15), r.sub(64, r.const(0), magnitude), magnitude);
  const result = r.add(64, field(r, value), moved);
  const zeroValue = isZero(r, value);
  u.require(r.orB(zeroValue, r.ltU(r.sub(64, result, r.const(1)), r.const(0x7ffe))));
  r.if(r.notB(zeroValue), () => writeValue(r, at, { ...value, signExponent: r.or(result, sign(r, value)) }));
  u.status(r.const(0));
  u.done();
});

const BINARY = ['add', 'mul', 'sub', 'subr', 'div', 'divr'] as const;
const FORMATS = Object.keys(X87_FORMAT) as X87Format[];

export const arithmeticRoutines: readonly RoutineDefinition[] = [
  ...[sum, product, quotient],
  ...BINARY.flatMap((op) => FORMATS.map((format) => binary(op, format))),
  ...[squareRoot, roundInteger, scale],
];
