/** The part of the Emitter that only computes: integers, truth values, vectors, variables and control flow, over the IR. */
import type { Bool, Int, LaneBits, Var, Vec, VecBinary, VecShift, VecUnary, Width } from '../../isa/emitter.ts';
import type { NumericOp, SimdLaneOp, SimdOp } from '../../wasm/opcodes.ts';
import { IrBuilder } from './builder.ts';
import type { Node, VarCell } from './node.ts';

type Value = Int | Bool | Vec;
/** Emitter values are IR nodes; only these four casts know it. */
export const node = (value: Value): Node => value as unknown as Node;
export const int = (value: Node): Int => value as unknown as Int;
export const bool = (value: Node): Bool => value as unknown as Bool;
export const vec = (value: Node): Vec => value as unknown as Vec;
const cell = (value: Var): VarCell => value as unknown as VarCell;

const MASKS: Record<Width, bigint> = { 8: 0xffn, 16: 0xffffn, 32: 0xffffffffn, 64: 0xffffffffffffffffn };
const EXTEND = { 8: 'i64.extend8_s', 16: 'i64.extend16_s', 32: 'i64.extend32_s' } as const;

export class IrArithmetic {
  readonly ir: IrBuilder;

  constructor(ir = new IrBuilder()) {
    this.ir = ir;
  }

  const(value: number | bigint): Int {
    return int(typeof value === 'number' ? this.ir.integer(value) : this.ir.const64(value));
  }

  add(width: Width, a: Int, b: Int): Int {
    return this.#masked(width, 'i64.add', a, b);
  }

  sub(width: Width, a: Int, b: Int): Int {
    return this.#masked(width, 'i64.sub', a, b);
  }

  mul(width: Width, a: Int, b: Int): Int {
    return this.#masked(width, 'i64.mul', a, b);
  }

  neg(width: Width, a: Int): Int {
    return this.sub(width, this.const(0), a);
  }

  not(width: Width, a: Int): Int {
    return this.xor(a, this.const(MASKS[width]));
  }

  and(a: Int, b: Int): Int {
    return this.#binary('i64.and', a, b);
  }

  or(a: Int, b: Int): Int {
    return this.#binary('i64.or', a, b);
  }

  xor(a: Int, b: Int): Int {
    return this.#binary('i64.xor', a, b);
  }

  shl(width: Width, a: Int, count: Int): Int {
    return this.#masked(width, 'i64.shl', a, count);
  }

  shr(width: Width, a: Int, count: Int): Int {
    return this.#masked(width, 'i64.shr_u', a, count);
  }

  sar(width: Width, a: Int, count: Int): Int {
    return this.trunc(width, this.#binary('i64.shr_s', this.sext(width, a), count));
  }

  rotl(width: Width, a: Int, count: Int): Int {
    if (width === 64) return this.#binary('i64.rotl', a, count);
    const by = this.and(count, this.const(width - 1));
    return this.trunc(
      width,
      this.or(this.#binary('i64.shl', a, by), this.#binary('i64.shr_u', a, this.#binary('i64.sub', this.const(width), by))),
    );
  }

  rotr(width: Width, a: Int, count: Int): Int {
    if (width === 64) return this.#binary('i64.rotr', a, count);
    const by = this.and(count, this.const(width - 1));
    return this.trunc(
      width,
      this.or(this.#binary('i64.shr_u', a, by), this.#binary('i64.shl', a, this.#binary('i64.sub', this.const(width), by))),
    );
  }

  sext(from: Width, a: Int): Int {
    if (from === 64) return a;
    return int(this.ir.numeric(EXTEND[from], node(a)));
  }

  trunc(width: Width, a: Int): Int {
    return width === 64 ? a : this.and(a, this.const(MASKS[width]));
  }

  mulHighU(a: Int, b: Int): Int {
    return int(this.ir.call('mulHighU', 'i64', [node(a), node(b)], false));
  }

  mulHighS(a: Int, b: Int): Int {
    const high = this.mulHighU(a, b);
    const minusB = this.and(this.#binary('i64.shr_s', a, this.const(63)), b);
    const minusA = this.and(this.#binary('i64.shr_s', b, this.const(63)), a);
    return this.sub(64, this.sub(64, high, minusB), minusA);
  }

  divU128(hi: Int, lo: Int, d: Int): [Int, Int] {
    const quotient = int(this.ir.call('divU128', 'i64', [node(hi), node(lo), node(d)], false));
    return [quotient, this.sub(64, lo, this.mul(64, quotient, d))];
  }

  divU(a: Int, b: Int): Int {
    return this.#pinned('i64.div_u', a, b);
  }

  remU(a: Int, b: Int): Int {
    return this.#pinned('i64.rem_u', a, b);
  }

  divS(a: Int, b: Int): Int {
    return this.#pinned('i64.div_s', a, b);
  }

  remS(a: Int, b: Int): Int {
    return this.#pinned('i64.rem_s', a, b);
  }

  popcnt(a: Int): Int {
    return int(this.ir.numeric('i64.popcnt', node(a)));
  }

  clz(a: Int): Int {
    return int(this.ir.numeric('i64.clz', node(a)));
  }

  ctz(a: Int): Int {
    return int(this.ir.numeric('i64.ctz', node(a)));
  }

  select(condition: Bool, a: Int, b: Int): Int {
    return int(this.ir.select(node(condition), node(a), node(b)));
  }

  eq(a: Int, b: Int): Bool {
    const right = node(b).what;
    if (right.op === 'const64' && right.value === 0n) return bool(this.ir.numeric('i64.eqz', node(a)));
    return this.#compare('i64.eq', a, b);
  }

  ne(a: Int, b: Int): Bool {
    return this.#compare('i64.ne', a, b);
  }

  ltU(a: Int, b: Int): Bool {
    return this.#compare('i64.lt_u', a, b);
  }

  leU(a: Int, b: Int): Bool {
    return this.#compare('i64.le_u', a, b);
  }

  ltS(width: Width, a: Int, b: Int): Bool {
    return this.#compare('i64.lt_s', this.sext(width, a), this.sext(width, b));
  }

  bit(a: Int, index: number): Bool {
    const shifted = this.#binary('i64.shr_u', a, this.const(index));
    const low = this.ir.numeric('i32.wrap_i64', node(shifted));
    return bool(index === 63 ? low : this.ir.numeric('i32.and', low, this.ir.const32(1)));
  }

  true(): Bool {
    return bool(this.ir.const32(1));
  }

  false(): Bool {
    return bool(this.ir.const32(0));
  }

  andB(a: Bool, b: Bool): Bool {
    return bool(this.ir.numeric('i32.and', node(a), node(b)));
  }

  orB(a: Bool, b: Bool): Bool {
    return bool(this.ir.numeric('i32.or', node(a), node(b)));
  }

  xorB(a: Bool, b: Bool): Bool {
    return bool(this.ir.numeric('i32.xor', node(a), node(b)));
  }

  notB(a: Bool): Bool {
    return bool(this.ir.numeric('i32.eqz', node(a)));
  }

  int(a: Bool): Int {
    return int(this.ir.numeric('i64.extend_i32_u', node(a)));
  }

  var(initial: Int): Var {
    return this.ir.variable(node(initial)) as unknown as Var;
  }

  get(variable: Var): Int {
    return int(this.ir.valueOf(cell(variable)));
  }

  set(variable: Var, value: Int): void {
    this.ir.assign(cell(variable), node(value));
  }

  if(condition: Bool, then: () => void, otherwise?: () => void): void {
    this.ir.if(node(condition), then, otherwise);
  }

  while(condition: () => Bool, body: () => void): void {
    this.ir.while(() => node(condition()), body);
  }

  // ---- vectors ----

  vecConst(low: bigint, high: bigint): Vec {
    return vec(this.ir.constV(BigInt.asUintN(64, low), BigInt.asUintN(64, high)));
  }

  vec(op: VecBinary, a: Vec, b: Vec): Vec {
    return vec(this.ir.simd(op as SimdOp, 'v128', node(a), node(b)));
  }

  vec1(op: VecUnary, a: Vec): Vec {
    return vec(this.ir.simd(op as SimdOp, 'v128', node(a)));
  }

  vecShift(op: VecShift, a: Vec, count: Int): Vec {
    return vec(this.ir.simd(op, 'v128', node(a), this.ir.numeric('i32.wrap_i64', node(count))));
  }

  vecShuffle(lanes: readonly number[], a: Vec, b: Vec): Vec {
    return vec(this.ir.shuffle(lanes, node(a), node(b)));
  }

  vecSplat(bits: LaneBits, value: Int): Vec {
    const scalar = bits === 64 ? node(value) : this.ir.numeric('i32.wrap_i64', node(value));
    return vec(this.ir.simd(SPLAT[bits], 'v128', scalar));
  }

  vecLane(bits: LaneBits, a: Vec, lane: number): Int {
    if (bits === 64) return int(this.ir.lane('i64x2.extract_lane', lane, 'i64', node(a)));
    const small = this.ir.lane(EXTRACT[bits], lane, 'i32', node(a));
    return int(this.ir.numeric('i64.extend_i32_u', small));
  }

  vecReplace(bits: LaneBits, a: Vec, lane: number, value: Int): Vec {
    if (bits === 64) return vec(this.ir.lane('i64x2.replace_lane', lane, 'v128', node(a), node(value)));
    return vec(this.ir.lane(REPLACE[bits], lane, 'v128', node(a), this.ir.numeric('i32.wrap_i64', node(value))));
  }

  vecBitmask(bits: LaneBits, a: Vec): Int {
    return int(this.ir.numeric('i64.extend_i32_u', this.ir.simd(BITMASK[bits], 'i32', node(a))));
  }

  vecSelect(condition: Bool, a: Vec, b: Vec): Vec {
    return vec(this.ir.select(node(condition), node(a), node(b)));
  }

  vecFromInts(low: Int, high: Int): Vec {
    return this.vecReplace(64, this.vecSplat(64, low), 1, high);
  }

  #binary(name: NumericOp, a: Int, b: Int): Int {
    return int(this.ir.numeric(name, node(a), node(b)));
  }

  #masked(width: Width, name: NumericOp, a: Int, b: Int): Int {
    return this.trunc(width, this.#binary(name, a, b));
  }

  #compare(name: NumericOp, a: Int, b: Int): Bool {
    return bool(this.ir.numeric(name, node(a), node(b)));
  }

  /** Division traps in wasm, so it must stay behind the checks that were made before it. */
  #pinned(name: NumericOp, a: Int, b: Int): Int {
    return int(this.ir.trapping(name, node(a), node(b)));
  }
}

const SPLAT: Record<LaneBits, SimdOp> = { 8: 'i8x16.splat', 16: 'i16x8.splat', 32: 'i32x4.splat', 64: 'i64x2.splat' };
const BITMASK: Record<LaneBits, SimdOp> = { 8: 'i8x16.bitmask', 16: 'i16x8.bitmask', 32: 'i32x4.bitmask', 64: 'i64x2.bitmask' };
const EXTRACT: Record<8 | 16 | 32, SimdLaneOp> = {
  8: 'i8x16.extract_lane_u',
  16: 'i16x8.extract_lane_u',
  32: 'i32x4.extract_lane',
};
const REPLACE: Record<8 | 16 | 32, SimdLaneOp> = { 8: 'i8x16.replace_lane', 16: 'i16x8.replace_lane', 32: 'i32x4.replace_lane' };
