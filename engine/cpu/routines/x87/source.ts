/** Operands of arithmetic, comparisons and loads in registers and in the formats of memory. */
import type { Int } from '../../../isa/emitter.ts';
import type { X87Format } from '../../ir/quick-calls.ts';
import type { Routine } from '../routine.ts';
import { BIAS, SIGN, TOP_BIT, type Unit, type Value } from './unit.ts';

const FLOATS = { f32: { bits: 32, fraction: 23, bias: 127 }, f64: { bits: 64, fraction: 52, bias: 1023 } } as const;
const INTEGERS = { i16: 16, i32: 32, i64: 64 } as const;

/** Argument a in a format; leaves for the exact routine unless it is a zero or a normal number (in a register: a full one). */
export function readSource(u: Unit, format: X87Format): Value {
  const { r } = u;
  const bits = u.argument(0);
  if (format === 'register') {
    const register = u.register(bits);
    u.require(u.isFull(register));
    const value = u.read(register);
    u.requirePlain(value);
    return value;
  }
  if (format === 'f32' || format === 'f64') return fromFloat(u, format, bits);
  return fromInteger(r, r.sext(INTEGERS[format], bits));
}

function fromFloat(u: Unit, format: 'f32' | 'f64', bits: Int): Value {
  const { r } = u;
  const { bits: width, fraction, bias } = FLOATS[format];
  const most = (1 << (width - 1 - fraction)) - 1;
  const exponent = r.and(r.shr(64, bits, r.const(fraction)), r.const(most));
  const isZero = r.eq(r.shl(64, bits, r.const(65 - width)), r.const(0));
  const isNormal = r.ltU(r.sub(64, exponent, r.const(1)), r.const(most - 1));
  u.require(r.orB(isNormal, isZero));
  const shifted = r.shl(64, bits, r.const(63 - fraction));
  const significand = r.select(isZero, r.const(0), r.or(shifted, r.const(TOP_BIT)));
  const biased = r.select(isZero, r.const(0), r.add(64, exponent, r.const(BIAS - bias)));
  const sign = r.and(r.shr(64, bits, r.const(width - 16)), r.const(SIGN));
  return { significand, signExponent: r.or(biased, sign) };
}

/** A signed integer of 64 bits. */
function fromInteger(r: Routine, value: Int): Value {
  const negative = r.bit(value, 63);
  const magnitude = r.select(negative, r.sub(64, r.const(0), value), value);
  const zeros = r.clz(magnitude);
  const significand = r.shl(64, magnitude, zeros);
  const isZero = r.eq(value, r.const(0));
  const biased = r.select(isZero, r.const(0), r.sub(64, r.const(BIAS + 63), zeros));
  return { significand, signExponent: r.or(biased, r.select(negative, r.const(SIGN), r.const(0))) };
}
