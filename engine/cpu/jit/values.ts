/** Values of a region: equal ones are one node as far as the first reaches, and what is known of them is not computed. */
import type { ValueType } from '../../wasm/code.ts';
import type { MemoryOp, NumericOp, SimdLaneOp } from '../../wasm/opcodes.ts';
import { IrBuilder } from '../ir/builder.ts';
import type { Node, NodeOp, VarCell } from '../ir/node.ts';
import { offsetOf } from '../state.ts';
import type { OpenGroup } from './groups.ts';
import { isSame, pivotOf } from './same-node.ts';
import { mulHigh, sameOperands, simplifyAnd, withoutExtension } from './simplify.ts';
import { asWord, comparedWords, onWords } from './words.ts';

export const CR0 = offsetOf('cr0');
export const CR4 = offsetOf('cr4');
export const SSE_OFF = 0xcn;
export const OSFXSR = 0x200n;

const isZero = ({ op, what }: Node): boolean => (op === 'const64' && what.value === 0n) || (op === 'const32' && what.value === 0);

/** What is known as far as a part of the region reaches; most know nothing of most kinds. */
export interface Scope {
  /** Loads of what stays, by place. */
  loads: Map<number, Node> | undefined;
  /** What is known of floats. */
  ranges: Map<Node, FloatRange> | undefined;
  /** Conditions that are false wherever this scope reaches: the path on which they hold has left. */
  impossible: Set<Node> | undefined;
  /** Groups whose first access is in this scope, by the base of their addresses. */
  groups: Map<Node, OpenGroup> | undefined;
  readonly outer: Scope | undefined;
}

/** Of a float: 0, or 2^least ≤ |value| ≤ 2^most. */
export interface FloatRange {
  readonly least: number;
  readonly most: number;
}

export const scopeIn = (outer: Scope | undefined): Scope => ({
  loads: undefined,
  ranges: undefined,
  impossible: undefined,
  groups: undefined,
  outer,
});

export class ValueBuilder extends IrBuilder {
  protected scope: Scope = scopeIn(undefined);
  /** Something in the region asked whether SSE may be used. */
  protected usesSse = false;

  /** Nodes without operands: i64 by number, if that has 31 bits and a sign, or by bigint, others by text. */
  readonly #constants = new Map<bigint | number | string, Node>();
  readonly #constants32 = new Map<number, Node>();

  /** What `make` loaded from this place by this operation where it reaches. */
  protected once(place: number, name: MemoryOp, make: () => Node): Node {
    for (let scope: Scope | undefined = this.scope; scope; scope = scope.outer) {
      const known = scope.loads?.get(place);
      if (known?.op === 'load' && known.what.name === name) return known;
    }
    const node = make();
    if (this.dead) return node;
    this.scope.loads ??= new Map();
    this.scope.loads.set(place, node);
    return node;
  }

  /** Undefined where nothing is known. */
  rangeOf(float: Node): FloatRange | undefined {
    for (let scope: Scope | undefined = this.scope; scope; scope = scope.outer) {
      const known = scope.ranges?.get(float);
      if (known) return known;
    }
    return undefined;
  }

  /** Whatever follows is reached only with the value in this range. */
  noteRange(float: Node, range: FloatRange): void {
    if (this.dead) return;
    this.scope.ranges ??= new Map();
    this.scope.ranges.set(float, range);
  }

  protected override node(what: NodeOp, type: ValueType, args: readonly Node[], kind: Node['kind']): Node {
    if (kind !== 'pure') return super.node(what, type, args, kind);
    const pivot = pivotOf(args);
    if (pivot === undefined) return super.node(what, type, args, kind);
    for (let user = pivot.users; user; user = user.before) if (isSame(user, what, args) && this.#reaches(user)) return user;
    const made = super.node(what, type, args, kind);
    if (!this.dead) {
      made.scope = this.scope;
      made.before = pivot.users;
      pivot.users = made;
    }
    return made;
  }

  carries(what: NodeOp & { op: 'carries' }, operands: readonly Node[]): Node {
    return this.node(what, 'i64', operands, 'pure');
  }

  #reaches(node: Node): boolean {
    for (let scope: Scope | undefined = this.scope; scope; scope = scope.outer) if (scope === node.scope) return true;
    return false;
  }

  override const64(value: bigint): Node {
    const signed = BigInt.asIntN(64, value);
    if (signed >= -0x80000000n && signed <= 0x7fffffffn) return this.integer(Number(signed));
    const unsigned = BigInt.asUintN(64, value);
    return this.#constant(unsigned, () => super.const64(unsigned));
  }

  override integer(value: number): Node {
    if ((value | 0) !== value) return this.const64(BigInt(value));
    let node = this.#constants.get(value);
    if (node === undefined) {
      node = super.const64(BigInt(value));
      this.#constants.set(value, node);
    }
    return node;
  }

  override const32(value: number): Node {
    let node = this.#constants32.get(value | 0);
    if (node === undefined) {
      node = super.const32(value);
      this.#constants32.set(value | 0, node);
    }
    return node;
  }

  override constV(low: bigint, high: bigint): Node {
    return this.#constant(`${low},${high}`, () => super.constV(low, high));
  }

  override param(local: number, type: ValueType): Node {
    return this.#constant(`parameter ${local}`, () => super.param(local, type));
  }

  #constant(key: bigint | number | string, make: () => Node): Node {
    let node = this.#constants.get(key);
    if (node === undefined) {
      node = make();
      this.#constants.set(key, node);
    }
    return node;
  }

  override numeric(name: NumericOp, a: Node, b?: Node): Node {
    if (b !== undefined) return this.#simplerBinary(name, a, b) ?? super.numeric(name, a, b);
    const value = name === 'i64.eqz' ? withoutExtension(a) : a;
    return this.#simplerUnary(name, value) ?? super.numeric(name, value);
  }

  #simplerUnary(name: NumericOp, { op, what, args }: Node): Node | undefined {
    const inner = args[0] as Node;
    if (op === 'lane') {
      if (name === 'f32.reinterpret_i32' && what.name === 'i32x4.extract_lane')
        return this.lane('f32x4.extract_lane', what.lane, 'f32', inner);
      if (name === 'f64.reinterpret_i64' && what.name === 'i64x2.extract_lane')
        return this.lane('f64x2.extract_lane', what.lane, 'f64', inner);
    }
    if (op !== 'numeric') return undefined;
    switch (name) {
      case 'i64.eqz':
        return what.name === 'i64.extend_i32_u' || what.name === 'i64.extend_i32_s' ? this.numeric('i32.eqz', inner) : undefined;
      case 'i32.wrap_i64':
        return what.name === 'i64.extend_i32_u' ? inner : undefined;
      case 'i64.extend32_s':
        return what.name === 'i64.extend_i32_u' ? this.numeric('i64.extend_i32_s', inner) : undefined;
      case 'f64.reinterpret_i64':
        return what.name === 'i64.reinterpret_f64' ? inner : undefined;
      case 'i64.reinterpret_f64':
        return what.name === 'f64.reinterpret_i64' ? inner : undefined;
      case 'f32.reinterpret_i32':
        return what.name === 'i32.reinterpret_f32' ? inner : undefined;
      case 'i32.reinterpret_f32':
        return what.name === 'f32.reinterpret_i32' ? inner : undefined;
      default:
        return undefined;
    }
  }

  #simplerBinary(name: NumericOp, a: Node, b: Node): Node | undefined {
    const same = a === b ? sameOperands(this, name, a) : undefined;
    if (same) return same;
    switch (name) {
      case 'i64.and':
        return this.#simplerAnd(a, b) ?? onWords(this, name, a, b);
      case 'i64.or':
      case 'i64.xor':
        return onWords(this, name, a, b) ?? (isZero(a) ? b : undefined);
      case 'i64.add':
        return isZero(a) ? b : undefined;
      case 'i64.shr_u':
        return onWords(this, name, a, b);
      case 'i64.eq':
      case 'i64.ne':
      case 'i64.lt_u':
      case 'i64.le_u':
        return comparedWords(this, name, a, b);
      case 'i32.or':
      case 'i32.xor':
        return isZero(a) ? b : isZero(b) ? a : undefined;
      case 'i32.eq':
        // Nothing is staged: what cannot be reached in place is left to the interpreter.
        return a.op === 'guestRef' || b.op === 'guestRef' ? this.const32(0) : undefined;
      default:
        return undefined;
    }
  }

  #simplerAnd(value: Node, mask: Node): Node | undefined {
    if (mask.op !== 'const64') return undefined;
    if (this.#isSseCheck(value, mask.what.value)) {
      this.usesSse = true;
      return this.const64(0n);
    }
    return simplifyAnd(this, value, mask.what.value) ?? this.#word(value, mask.what.value);
  }

  /** A mask of 32 bits: the same out of 32-bit arithmetic. */
  #word(value: Node, mask: bigint): Node | undefined {
    return mask === 0xffffffffn ? asWord({ ir: this, stays: (node) => this.stays(node) }, value) : undefined;
  }

  /** Somebody needs this value as it is later on. */
  protected stays(_node: Node): boolean {
    return false;
  }

  /** CR0.EM, CR0.TS, not CR4.OSFXSR: looked at when the region is entered, and nothing in it changes them. */
  #isSseCheck({ op, what, args }: Node, mask: bigint): boolean {
    if (op === 'load') return what.offset === CR0 && mask === SSE_OFF;
    const inverted = op === 'numeric' && what.name === 'i64.xor' ? args[0] : undefined;
    return inverted?.op === 'load' && inverted.what.offset === CR4 && mask === OSFXSR;
  }

  /** Halves of vectors that were put together here are not taken apart again. */
  override lane(name: SimdLaneOp, lane: number, type: ValueType, ...args: Node[]): Node {
    if (name.startsWith('i32x4') || name.startsWith('f32x4')) return this.#quarter(name, lane, type, args);
    const [vector, value] = args as [Node, Node | undefined];
    const { what } = vector;
    const isPut = what.op === 'lane' && (what.name === 'i64x2.replace_lane' || what.name === 'f64x2.replace_lane');
    if (name === 'i64x2.extract_lane' || name === 'f64x2.extract_lane') {
      const isSplat = what.op === 'simd' && what.name === 'i64x2.splat';
      if (!isPut && !isSplat) return super.lane(name, lane, type, ...args);
      if (isPut && what.lane !== lane) return this.lane(name, lane, type, vector.args[0] as Node);
      const put = vector.args[isSplat ? 0 : 1] as Node;
      if (put.type === type) return put;
      return this.numeric(type === 'f64' ? 'f64.reinterpret_i64' : 'i64.reinterpret_f64', put);
    }
    if (name !== 'i64x2.replace_lane' || value === undefined) return super.lane(name, lane, type, ...args);
    // A scalar with zeros above it: what comes to stand in its place later needs none of it.
    if (lane === 1 && isZero(value) && what.op === 'simd' && what.name === 'i64x2.splat')
      return this.lane(name, 0, type, this.constV(0n, 0n), vector.args[0] as Node);
    const base = isPut && what.lane === lane ? (vector.args[0] as Node) : vector;
    if (value.op === 'numeric' && value.what.name === 'i64.reinterpret_f64')
      return super.lane('f64x2.replace_lane', lane, type, base, value.args[0] as Node);
    return super.lane(name, lane, type, base, value);
  }

  /** The same for quarters. */
  #quarter(name: SimdLaneOp, lane: number, type: ValueType, args: readonly Node[]): Node {
    const [vector, value] = args as [Node, Node | undefined];
    const { what } = vector;
    const isPut = what.op === 'lane' && (what.name === 'i32x4.replace_lane' || what.name === 'f32x4.replace_lane');
    if (value === undefined) {
      if (!isPut) return super.lane(name, lane, type, ...args);
      if (what.lane !== lane) return this.lane(name, lane, type, vector.args[0] as Node);
      const put = vector.args[1] as Node;
      if (put.type === type) return put;
      return this.numeric(type === 'f32' ? 'f32.reinterpret_i32' : 'i32.reinterpret_f32', put);
    }
    const base = isPut && what.lane === lane ? (vector.args[0] as Node) : vector;
    if (value.op === 'numeric' && value.what.name === 'i32.reinterpret_f32')
      return super.lane('f32x4.replace_lane', lane, type, base, value.args[0] as Node);
    return super.lane(name, lane, type, base, value);
  }

  override call(callee: string, type: ValueType, args: readonly Node[], changesState: boolean): Node {
    if (callee === 'mulHighU') return mulHigh(this, args[0] as Node, args[1] as Node);
    if (callee === 'divU128') return this.#divide(args as [Node, Node, Node]);
    return super.call(callee, type, args, changesState);
  }

  /** Quotient of a 128-bit dividend whose upper half is nearly always 0. */
  #divide([high, low, divisor]: readonly [Node, Node, Node]): Node {
    const direct = (): Node => this.trapping('i64.div_u', low, divisor);
    if (high.op === 'const64' && high.what.value === 0n) return direct();
    const quotient = this.fresh('i64');
    this.expect(
      this.numeric('i64.eqz', high),
      () => this.assign(quotient, direct()),
      () => this.assign(quotient, super.call('divU128', 'i64', [high, low, divisor], false)),
    );
    return this.valueOf(quotient);
  }

  /** A variable that paths inside an instruction assign. */
  fresh(type: ValueType): VarCell {
    return { type, local: -1 };
  }

  /** An `if` whose condition nearly always holds. */
  expect(condition: Node, then: () => void, otherwise: () => void): void {
    this.if(condition, then, otherwise);
    const statement = this.current.at(-1);
    if (statement?.s === 'if') statement.likely = true;
  }
}
