/** FCOM, FUCOM, FCOMI, FUCOMI, FTST, FXAM. */
import type { Int } from '../../../isa/emitter.ts';
import { X87_FORMAT } from '../../../isa/x87/ops.ts';
import type { X87Format } from '../../ir/quick-calls.ts';
import type { Routine, RoutineDefinition } from '../routine.ts';
import { readSource } from './source.ts';
import { C0, C1, C2, C3, field, isNormal, isZero, operation, sign, type Unit, type Value } from './unit.ts';

/** C3 when equal, C0 when the first is less; both plain. */
function relation(r: Routine, a: Value, b: Value): Int {
  const [fieldA, fieldB] = [field(r, a), field(r, b)];
  const [signA, signB] = [sign(r, a), sign(r, b)];
  const sameField = r.eq(fieldA, fieldB);
  const sameSize = r.andB(sameField, r.eq(a.significand, b.significand));
  const smaller = r.orB(r.ltU(fieldA, fieldB), r.andB(sameField, r.ltU(a.significand, b.significand)));
  const negative = r.ne(signA, r.const(0));
  const sameSign = r.eq(signA, signB);
  const bothZero = r.eq(r.or(a.significand, b.significand), r.const(0));
  const equal = r.orB(bothZero, r.andB(sameSign, sameSize));
  const lessOfSign = r.xorB(smaller, negative); // meant only where the sizes differ
  const less = r.orB(r.andB(sameSign, lessOfSign), r.andB(r.notB(sameSign), negative));
  return r.select(equal, r.const(C3), r.select(less, r.const(C0), r.const(0)));
}

/** ST0, a plain value. */
function top(u: Unit): Value {
  const register = u.register(0);
  u.require(u.isFull(register));
  const value = u.read(register);
  u.requirePlain(value);
  return value;
}

const CONDITIONS = C0 | C1 | C2 | C3;

function toConditions(op: 'com' | 'ucom', format: X87Format): RoutineDefinition {
  return operation(op, `.${format}`, (u) => {
    const value = top(u);
    u.status(relation(u.r, value, readSource(u, format)), CONDITIONS);
    u.pop(u.argument(2));
    u.done();
  });
}

/** C1 stays as it is. */
function toFlags(op: 'comi' | 'ucomi', format: X87Format): RoutineDefinition {
  return operation(op, `.${format}`, (u) => {
    const { r } = u;
    const value = top(u);
    const bits = relation(r, value, readSource(u, format));
    const zero = r.select(r.eq(bits, r.const(C3)), r.const(0x40), r.const(0));
    u.results(r.or(zero, r.int(r.eq(bits, r.const(C0)))), r.const(0));
    u.pop(u.argument(2));
    u.done();
  });
}

const testZero = operation('tst', '', (u) => {
  const { r } = u;
  const zero = { significand: r.const(0), signExponent: r.const(0) };
  u.status(relation(r, top(u), zero), CONDITIONS);
  u.done();
});

const examine = operation('xam', '', (u) => {
  const { r } = u;
  const register = u.register(0);
  const value = u.read(register);
  const normal = isNormal(r, value);
  const zero = isZero(r, value);
  const empty = r.notB(u.isFull(register));
  u.require(r.orB(empty, r.orB(normal, zero)));
  const kind = r.select(empty, r.const(C3 | C0), r.select(normal, r.const(C2), r.const(C3)));
  u.status(r.or(kind, r.select(r.bit(value.signExponent, 15), r.const(C1), r.const(0))), CONDITIONS);
  u.done();
});

const FORMATS = Object.keys(X87_FORMAT) as X87Format[];

export const compareRoutines: readonly RoutineDefinition[] = [
  ...(['com', 'ucom'] as const).flatMap((op) => FORMATS.map((format) => toConditions(op, format))),
  ...(['comi', 'ucomi'] as const).flatMap((op) => FORMATS.map((format) => toFlags(op, format))),
  ...[testZero, examine],
];
