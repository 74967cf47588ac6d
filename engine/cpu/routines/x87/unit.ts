/**
 * The x87 unit as wasm routines see it: register stack, status word, and the way to the exact routine in TypeScript. A routine here does
 * what `fpu/x87` does where operands and results are zeros or normal numbers and no unmasked exception arises; all else it hands over
 * untouched, so that only one place knows NaNs, denormals, stack faults and handlers.
 */
import type { Bool, Int } from '../../../isa/emitter.ts';
import { type X87Op, x87Index } from '../../../isa/x87/ops.ts';
import { bool } from '../../ir/arithmetic.ts';
import type { Node } from '../../ir/node.ts';
import { REC } from '../../regions.ts';
import { offsetOf } from '../../state.ts';
import { nextIp } from '../next-ip.ts';
import type { Routine, RoutineDefinition } from '../routine.ts';

export const C0 = 0x100;
export const C1 = 0x200;
export const C2 = 0x400;
export const C3 = 0x4000;
export const PE = 0x20;
/** Error summary. */
const ES = 0x80;
export const SIGN = 0x8000;
const FIELD = 0x7fff;
export const BIAS = 16383;
export const TOP_BIT = 1n << 63n;

const FPR = offsetOf('fpr');

/** Parameters of every operation: vCPU, record, then the arguments of X87_OPS. */
const PARAMETERS = ['i32', 'i32', 'i64', 'i64', 'i64'] as const;

/** A value: significand, and sign with exponent as the register holds them. Zero has both exponent and significand 0. */
export interface Value {
  readonly significand: Int;
  readonly signExponent: Int;
}

/** A register of the stack: its physical number and the address of its bytes less `fpr`. */
export interface Register {
  readonly number: Int;
  readonly at: Node;
}

/** Builder of one operation. */
export class Unit {
  readonly r: Routine;
  readonly #op: X87Op;

  constructor(r: Routine, op: X87Op) {
    this.r = r;
    this.#op = op;
  }

  /** Argument of the operation by position, as X87_OPS names them: a, b, c. */
  argument(i: 0 | 1 | 2): Int {
    return this.r.parameterInt(2 + i);
  }

  /** ST(i). */
  register(i: Int | number): Register {
    const { r } = this;
    const index = typeof i === 'number' ? r.const(i) : i;
    const number = r.and(r.add(64, r.state('ftop'), index), r.const(7));
    return { number, at: r.plus(r.cpu, r.wrap(r.shl(64, number, r.const(4)))) };
  }

  isFull(register: Register): Bool {
    const { r } = this;
    return r.bit(r.shr(64, r.state('ftag'), register.number), 0);
  }

  /** Leave for the exact routine unless the condition holds. */
  require(condition: Bool): void {
    this.r.if(this.r.notB(condition), () => this.handOver());
  }

  /** The exact routine does the whole operation. */
  handOver(): void {
    const { r } = this;
    r.handOver('x87', r.const(x87Index(this.#op)), this.argument(0), this.argument(1), this.argument(2));
  }

  read(register: Register): Value {
    return readValue(this.r, register.at);
  }

  /** Leave unless the value is a zero or a normal number. */
  requirePlain(value: Value): void {
    const { r } = this;
    r.if(
      r.bit(value.significand, 63),
      () => this.require(r.ltU(r.sub(64, field(r, value), r.const(1)), r.const(FIELD - 1))),
      () => this.require(isZero(r, value)),
    );
  }

  write(register: Register, value: Value): void {
    writeValue(this.r, register.at, value);
  }

  fill(register: Register): void {
    const { r } = this;
    r.setState('ftag', r.or(r.state('ftag'), r.shl(64, r.const(1), register.number)));
  }

  /** The new ST0 of a push, written and marked; its place must be known to be free. */
  push(register: Register, value: Value): void {
    this.write(register, value);
    this.fill(register);
    this.r.setState('ftop', register.number);
  }

  /** Where a push goes; leaves when there is no room. */
  room(): Register {
    const register = this.register(7);
    this.require(this.r.notB(this.isFull(register)));
    return register;
  }

  /** The first `count` (0 to 2) registers become free. */
  pop(count: Int): void {
    const { r } = this;
    r.if(r.ne(count, r.const(0)), () => {
      const top = r.state('ftop');
      const freed = r.shl(64, r.sub(64, r.shl(64, r.const(1), count), r.const(1)), top);
      const around = r.or(freed, r.shr(64, freed, r.const(8)));
      r.setState('ftag', r.and(r.state('ftag'), r.xor(r.and(around, r.const(0xff)), r.const(0xff))));
      r.setState('ftop', r.and(r.add(64, top, count), r.const(7)));
    });
  }

  /** Results of the operation, where it has some. */
  results(first: Int, second: Int): void {
    this.r.results(first, second);
  }

  /** C1 becomes 0 and these bits of the status word are set. */
  status(set: Int, clear = C1): void {
    const { r } = this;
    r.setState('fsw', r.or(r.and(r.state('fsw'), r.const(0xffff & ~clear)), set));
  }

  /** The operation is complete: FIP names it. A region knows it as a constant and has set it. */
  done(): void {
    const { r } = this;
    const isRegion = r.ir.numeric('i32.eq', r.parameter(1), r.plus(r.cpu, offsetOf('regionRecord')));
    r.if(r.notB(bool(isRegion)), () => r.setState('fip', r.sub(64, nextIp(r), r.hostLoad(8, r.parameter(1), REC.length))));
    r.setState('ferr', r.const(0)); // no exception is pending
    r.returns(r.i32(0));
  }
}

function readValue(r: Routine, at: Node): Value {
  return { significand: r.hostLoad(64, at, FPR), signExponent: r.hostLoad(16, at, FPR + 8) };
}

export function writeValue(r: Routine, at: Node, value: Value): void {
  r.hostStore(64, at, value.significand, FPR);
  r.hostStore(32, at, value.signExponent, FPR + 8);
}

export const field = (r: Routine, value: Value): Int => r.and(value.signExponent, r.const(FIELD));
export const sign = (r: Routine, value: Value): Int => r.and(value.signExponent, r.const(SIGN));
export const isZero = (r: Routine, value: Value): Bool => r.eq(r.or(value.significand, field(r, value)), r.const(0));
/** Neither a zero, a denormal, an infinity, a NaN nor an encoding the unit refuses. */
export const isNormal = (r: Routine, value: Value): Bool =>
  r.andB(r.bit(value.significand, 63), r.ltU(r.sub(64, field(r, value), r.const(1)), r.const(FIELD - 1)));

/**
 * An operation over a `Unit`. `key` tells apart routines for one operation whose first arguments are constants. An exception can still be
 * pending where CR0.NE is clear; then FERR# is to be looked after.
 */
export function operation(op: X87Op, key: string, build: (u: Unit) => void): RoutineDefinition {
  return {
    name: `x87.${op}${key}`,
    parameters: PARAMETERS,
    result: 'i32',
    build: (r) => {
      const u = new Unit(r, op);
      u.require(r.none(r.state('fsw'), ES));
      build(u);
    },
  };
}
