/**
 * x87 instructions of regions whose stack is kept in locals. Where it stands is known of every place, counted from TOP at the entry. Arithmetic
 * takes values and returns values; other operations find in memory the registers that they use. As in routines/x87, nothing but zeros and
 * normal numbers is calculated with: all else, and faults of the stack, are the interpreter's.
 */
import type { Decoded } from '../../isa/decoded.ts';
import type { Bool, Int } from '../../isa/emitter.ts';
import { definitions } from '../../isa/x87/all.ts';
import { X87_FORMAT, X87_OPS, type X87Op } from '../../isa/x87/ops.ts';
import { bool, int, node } from '../ir/arithmetic.ts';
import type { IrEmitter } from '../ir/emitter.ts';
import type { Node } from '../ir/node.ts';
import type { X87Format } from '../ir/quick-calls.ts';
import { ROUNDED } from '../routines/x87/rounding.ts';
import { offsetOf } from '../state.ts';
import type { RegionBuilder } from './builder.ts';
import type { RegionPlan } from './form.ts';

interface Value {
  readonly significand: Int;
  readonly signExponent: Int;
}

/** Operations that find registers in memory: the topmost they read and change, those that they push or pop. */
interface Called {
  readonly reads: number;
  readonly writes: number;
}

const BIAS = 16383;
const SIGN = 0x8000;
const C1 = 0x200n;
const MASKS = 0x3f;
const TOP_BIT = 1n << 63n;
const SCRATCH = offsetOf('scratch');
/** Results of slow routines, and where cores leave what they would write to a register. */
const RESULT = SCRATCH + 32;
const FORMATS = Object.keys(X87_FORMAT) as X87Format[];
const FLOATS = { f32: { bits: 32, fraction: 23, bias: 127 }, f64: { bits: 64, fraction: 52, bias: 1023 } } as const;
const INTEGERS = { i16: 16, i32: 32, i64: 64 } as const;
const ONE_AND_ZERO: Readonly<Record<number, readonly [bigint, number]>> = { 0: [TOP_BIT, BIAS], 6: [0n, 0] };
/** Of a significand: it is that of a zero or a normal number. */
const PLAIN = { least: 0, most: 0 };

const CALLED: Partial<Record<X87Op, Called>> = {
  ...Object.fromEntries(
    ['sqrt', 'rndint', 'sin', 'cos', 'f2xm1', 'tst', 'xam'].map((op): [string, Called] => [op, { reads: 1, writes: 1 }]),
  ),
  ...Object.fromEntries(['scale', 'prem', 'prem1'].map((op): [string, Called] => [op, { reads: 2, writes: 1 }])),
};
/** The result comes into ST1, which is the top then. */
const POPPING = new Set<X87Op>(['patan', 'yl2x', 'yl2xp1']);
const ARITHMETIC = new Set<X87Op>(['add', 'mul', 'sub', 'subr', 'div', 'divr']);
const COMPARES = new Set<X87Op>(['com', 'ucom', 'comi', 'ucomi']);
/** Instructions that move the stack as nobody can foresee, or use it in ways of their own. */
const OTHERS = new Set([
  ...['fptan', 'fsincos', 'fxtract', 'fbld', 'fbstp', 'fninit', 'fnsave', 'frstor', 'fnstenv', 'fldenv', 'ffreep', 'fstpnce'],
  ...['emms', 'fxsave', 'fxrstor', 'xsave', 'xrstor'],
]);
const X87 = new Set(definitions);

/** Can the region keep the stack in locals? */
export function keepsStack(plan: RegionPlan): boolean {
  const all = (is: (decoded: Decoded) => boolean): boolean =>
    [...plan.blocks.values()].every(({ instructions }) => instructions.every(({ decoded }) => is(decoded)));
  return !all(({ definition }) => !X87.has(definition)) && all(isFit);
}

const isFit = ({ definition, variant }: Decoded): boolean =>
  !OTHERS.has(definition.name) && variant.operands.every(({ kind }) => kind !== 'mmx');

const constantOf = (value: Int | undefined): number => {
  const what = value && node(value).what;
  if (what?.op !== 'const64') throw new TypeError('an operation of the x87 unit that is not known beforehand');
  return Number(what.value);
};

export class X87Stack {
  readonly #e: IrEmitter;
  readonly #ir: RegionBuilder;
  /** The routine in its quick form, with the stack in memory. */
  readonly #callRoutine: (...args: Int[]) => [Int, Int];

  constructor(e: IrEmitter, ir: RegionBuilder, callRoutine: (...args: Int[]) => [Int, Int]) {
    this.#e = e;
    this.#ir = ir;
    this.#callRoutine = callRoutine;
  }

  /** The `x87` slow routine. */
  perform(...args: readonly Int[]): [Int, Int] {
    const none: [Int, Int] = [this.#e.const(0), this.#e.const(0)];
    const op = X87_OPS[constantOf(args[0])] as X87Op;
    const [, a, b, c] = args as [Int, Int, Int, Int];
    const called = CALLED[op];
    if (called) this.#call(args, called);
    else if (POPPING.has(op)) this.#call(args, { reads: 2, writes: 1 }, 1);
    else if (ARITHMETIC.has(op)) this.#arithmetic(op, this.#source(FORMATS[constantOf(b)] as X87Format, a), constantOf(c));
    else if (COMPARES.has(op)) return this.#compare(args);
    else if (op === 'store' || op === 'storeTruncated') return this.#call(args, { reads: 1, writes: 0 }, constantOf(b));
    else if (op === 'load') this.#push(this.#loaded(FORMATS[constantOf(b)] as X87Format, a));
    else if (op === 'load80') this.#push({ significand: a, signExponent: this.#e.and(b, this.#e.const(0xffff)) });
    else if (op === 'loadConstant') this.#loadConstant(args);
    else if (op === 'store80') return this.#store80(constantOf(a));
    else if (op === 'storeRegister') this.#storeRegister(constantOf(a), constantOf(b));
    else if (op === 'exchange') this.#exchange(constantOf(a));
    else if (op === 'move') this.#move(constantOf(a), b);
    else if (op === 'chs' || op === 'abs') this.#changeSign(op);
    else if (op === 'free') this.#free(constantOf(a));
    else if (op === 'rotate') this.#rotate(constantOf(a));
    else if (op !== 'nop') {
      this.#ir.interpretHere();
      return none;
    }
    return none;
  }

  // ---- registers ----

  #register(i: number): Value {
    const { significand, signExponent } = this.#ir.stackRegister(i);
    return { significand: int(significand), signExponent: int(signExponent) };
  }

  #set(i: number, { significand, signExponent }: Value): void {
    this.#ir.setStackRegister(i, { significand: node(significand), signExponent: node(signExponent) });
  }

  #bit(i: number): bigint {
    return 1n << BigInt((this.#ir.stackTop + i) & 7);
  }

  /** Known, where what changed the tags in this block says so; otherwise the tags are asked as they were before. */
  #isFull(i: number): Bool {
    const bit = this.#bit(i);
    let tags = this.#ir.stackTags;
    for (;;) {
      const mask = tags.args[1]?.what;
      if (tags.op !== 'numeric' || mask?.op !== 'const64') break;
      if (tags.what.name === 'i64.or' && (mask.value & bit) !== 0n) return bool(this.#ir.const32(1));
      if (tags.what.name === 'i64.and' && (mask.value & bit) === 0n) return bool(this.#ir.const32(0));
      if (tags.what.name !== 'i64.or' && tags.what.name !== 'i64.and') break;
      const before = tags.args[0] as Node;
      if (before.op !== 'numeric' && before.op !== 'variable' && before.op !== 'load') break;
      tags = before;
    }
    return bool(this.#ir.numeric('i64.ne', this.#ir.numeric('i64.and', tags, this.#ir.const64(bit)), this.#ir.const64(0n)));
  }

  #fill(i: number): void {
    this.#ir.stackTags = this.#ir.numeric('i64.or', this.#ir.stackTags, this.#ir.const64(this.#bit(i)));
  }

  #empty(i: number): void {
    this.#ir.stackTags = this.#ir.numeric('i64.and', this.#ir.stackTags, this.#ir.const64(0xffn & ~this.#bit(i)));
  }

  #require(condition: Bool): void {
    this.#e.if(this.#e.notB(condition), () => this.#ir.interpretHere());
  }

  #requireFull(i: number): void {
    this.#require(this.#isFull(i));
  }

  /** A zero or a normal number. */
  #requirePlain({ significand, signExponent }: Value): void {
    const e = this.#e;
    if (this.#ir.rangeOf(node(significand)) !== undefined) return;
    const field = e.and(signExponent, e.const(0x7fff));
    const isNormal = e.andB(e.bit(significand, 63), e.ltU(e.sub(64, field, e.const(1)), e.const(0x7ffe)));
    this.#e.if(
      isNormal,
      () => undefined,
      () => this.#require(e.eq(e.or(significand, field), e.const(0))),
    );
    this.#ir.noteRange(node(significand), PLAIN);
  }

  #clearC1(): void {
    const ir = this.#ir;
    ir.statusWord = ir.numeric('i64.and', ir.statusWord, ir.const64(0xffffn & ~C1));
  }

  /** Room is looked for before anything is done. */
  #push(value: Value): void {
    this.#require(this.#e.notB(this.#isFull(7)));
    this.#clearC1();
    this.#ir.moveStackTop(7);
    this.#set(0, value);
    this.#fill(0);
  }

  #pop(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#empty(0);
      this.#ir.moveStackTop(1);
    }
  }

  // ---- operands ----

  #loaded(format: X87Format, a: Int): Value {
    if (format !== 'register') return this.#source(format, a);
    const i = constantOf(a);
    this.#requireFull(i);
    return this.#register(i);
  }

  /** A value to calculate with. */
  #source(format: X87Format, a: Int): Value {
    if (format === 'f32' || format === 'f64') return this.#fromFloat(format, a);
    if (format !== 'register') return this.#fromInteger(this.#e.sext(INTEGERS[format], a));
    const value = this.#loaded(format, a);
    this.#requirePlain(value);
    return value;
  }

  #fromFloat(format: 'f32' | 'f64', bits: Int): Value {
    const e = this.#e;
    const { bits: width, fraction, bias } = FLOATS[format];
    const most = (1 << (width - 1 - fraction)) - 1;
    const exponent = e.and(e.shr(64, bits, e.const(fraction)), e.const(most));
    const isZero = e.eq(e.shl(64, bits, e.const(65 - width)), e.const(0));
    this.#e.if(
      e.ltU(e.sub(64, exponent, e.const(1)), e.const(most - 1)),
      () => undefined,
      () => this.#require(isZero),
    );
    const shifted = e.or(e.shl(64, bits, e.const(63 - fraction)), e.const(TOP_BIT));
    const significand = e.select(isZero, e.const(0), shifted);
    const biased = e.select(isZero, e.const(0), e.add(64, exponent, e.const(BIAS - bias)));
    const sign = e.and(e.shr(64, bits, e.const(width - 16)), e.const(SIGN));
    this.#ir.noteRange(node(significand), PLAIN);
    return { significand, signExponent: e.or(biased, sign) };
  }

  #fromInteger(value: Int): Value {
    const e = this.#e;
    const negative = e.bit(value, 63);
    const magnitude = e.select(negative, e.sub(64, e.const(0), value), value);
    const zeros = e.clz(magnitude);
    const significand = e.shl(64, magnitude, zeros);
    const biased = e.select(e.eq(value, e.const(0)), e.const(0), e.sub(64, e.const(BIAS + 63), zeros));
    this.#ir.noteRange(node(significand), PLAIN);
    return { significand, signExponent: e.or(biased, e.select(negative, e.const(SIGN), e.const(0))) };
  }

  // ---- operations ----

  /** `where`: destination register | pop << 3. */
  #arithmetic(op: X87Op, b: Value, where: number): void {
    const e = this.#e;
    const to = where & 7;
    this.#requireFull(to);
    const a = this.#register(to);
    this.#requirePlain(a);
    const turned = op === 'divr' ? [b, a] : [a, b];
    const negative = op === 'sub' ? 1 : op === 'subr' ? 0 : -1;
    const parts = turned.flatMap(({ significand, signExponent }, i) => [
      node(significand),
      node(i === negative ? e.xor(signExponent, e.const(SIGN)) : signExponent),
    ]);
    const core = op === 'mul' ? 'x87.product' : op.startsWith('div') ? 'x87.quotient' : 'x87.sum';
    const ir = this.#ir;
    const at = ir.numeric('i32.add', ir.cpu, ir.const32(RESULT - offsetOf('fpr')));
    const failed = ir.call(core, 'i32', [ir.cpu, at, ...parts], true);
    ir.if(failed, () => ir.interpretHere());
    const significand = ir.load('i64.load', ir.cpu, RESULT);
    ir.noteRange(significand, PLAIN);
    this.#set(to, { significand: int(significand), signExponent: int(ir.load('i64.load16_u', ir.cpu, RESULT + 8)) });
    this.#clearC1();
    ir.statusWord = ir.numeric('i64.or', ir.statusWord, ir.load('i64.load16_u', ir.cpu, ROUNDED));
    this.#pop(where >> 3);
  }

  /** With unmasked exceptions the operation may not take place: who knows where the stack is then. */
  #call(args: readonly Int[], { reads, writes }: Called, pops = 0): [Int, Int] {
    const e = this.#e;
    const masks = e.const(MASKS);
    this.#require(e.eq(e.and(e.field('fcw'), masks), masks));
    this.#ir.storeStack(reads);
    const results = this.#callRoutine(...args);
    this.#ir.moveStackTop(pops);
    this.#ir.loadStack(writes);
    return results;
  }

  #compare(args: readonly Int[]): [Int, Int] {
    const format = FORMATS[constantOf(args[2])] as X87Format;
    const reads = format === 'register' ? constantOf(args[1]) + 1 : 1;
    return this.#call(args, { reads, writes: 0 }, constantOf(args[3]));
  }

  #loadConstant(args: readonly Int[]): void {
    const e = this.#e;
    const known = ONE_AND_ZERO[constantOf(args[1])];
    if (known === undefined) {
      this.#require(e.notB(this.#isFull(7)));
      this.#call(args, { reads: 0, writes: 1 }, 7);
      return;
    }
    this.#push({ significand: e.const(known[0]), signExponent: e.const(known[1]) });
    this.#ir.noteRange(node(e.const(known[0])), PLAIN);
  }

  #store80(pops: number): [Int, Int] {
    const e = this.#e;
    this.#requireFull(0);
    const { significand, signExponent } = this.#register(0);
    this.#clearC1();
    this.#pop(pops);
    return [significand, e.or(signExponent, e.const(0x10000))];
  }

  #storeRegister(to: number, pops: number): void {
    this.#requireFull(0);
    this.#clearC1();
    this.#set(to, this.#register(0));
    this.#fill(to);
    this.#pop(pops);
  }

  #exchange(other: number): void {
    this.#requireFull(0);
    this.#requireFull(other);
    const [a, b] = [this.#register(0), this.#register(other)];
    this.#clearC1();
    this.#set(0, b);
    this.#set(other, a);
  }

  /** C1 stays as it is. */
  #move(from: number, holds: Int): void {
    const e = this.#e;
    this.#requireFull(0);
    this.#requireFull(from);
    const [a, b] = [this.#register(0), this.#register(from)];
    const moves = e.ne(holds, e.const(0));
    this.#set(0, {
      significand: e.select(moves, b.significand, a.significand),
      signExponent: e.select(moves, b.signExponent, a.signExponent),
    });
  }

  #changeSign(op: 'chs' | 'abs'): void {
    const e = this.#e;
    this.#requireFull(0);
    const { significand, signExponent } = this.#register(0);
    this.#clearC1();
    const changed = op === 'chs' ? e.xor(signExponent, e.const(SIGN)) : e.and(signExponent, e.const(SIGN - 1));
    this.#set(0, { significand, signExponent: changed });
  }

  #free(i: number): void {
    this.#clearC1();
    this.#empty(i);
  }

  #rotate(by: number): void {
    this.#clearC1();
    this.#ir.moveStackTop(by);
  }
}
