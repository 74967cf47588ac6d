/** Values of a region: equal ones are one node as far as the first reaches, and what is known of them is not computed. */
import type { ValueType } from '../../wasm/code.ts';
import type { NumericOp, SimdLaneOp } from '../../wasm/opcodes.ts';
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

const IDENTITY_LEFT_ZERO = new Set<NumericOp>(['i64.add', 'i64.or', 'i64.xor', 'i32.or', 'i32.xor']);
const isZero = ({ what }: Node): boolean =>
  (what.op === 'const64' && what.value === 0n) || (what.op === 'const32' && what.value === 0);

export interface Scope {
  /** Loads of what stays, by operation and place. */
  readonly loads: Map<string, Node>;
  /** What is known of floats. */
  readonly ranges: Map<Node, FloatRange>;
  /** Conditions that are false wherever this scope reaches: the path on which they hold has left. */
  readonly impossible: Set<Node>;
  /** Groups whose first access is in this scope, by the base of their addresses. */
  readonly groups: Map<Node, OpenGroup>;
  readonly outer: Scope | undefined;
}

/** Of a float: 0, or 2^least ≤ |value| ≤ 2^most. */
export interface FloatRange {
  readonly least: number;
  readonly most: number;
}

export const scopeIn = (outer: Scope | undefined): Scope => ({
  loads: new Map(),
  ranges: new Map(),
  impossible: new Set(),
  groups: new Map(),
  outer,
});

export class ValueBuilder extends IrBuilder {
  protected scope: Scope = scopeIn(undefined);
  /** Something in the region asked whether SSE may be used. */
  protected usesSse = false;

  /** Nodes without operands: i64 by bigint, i32 by number, others by text. */
  readonly #constants = new Map<bigint | number | string, Node>();

  /** What `make` loaded under this key where it reaches. */
  protected once(key: string, make: () => Node): Node {
    for (let scope: Scope | undefined = this.scope; scope; scope = scope.outer) {
      const known = scope.loads.get(key);
      if (known) return known;
    }
    const node = make();
    if (!this.dead) this.scope.loads.set(key, node);
    return node;
  }

  /** Undefined where nothing is known. */
  rangeOf(float: Node): FloatRange | undefined {
    for (let scope: Scope | undefined = this.scope; scope; scope = scope.outer) {
      const known = scope.ranges.get(float);
      if (known) return known;
    }
    return undefined;
  }

  /** Whatever follows is reached only with the value in this range. */
  noteRange(float: Node, range: FloatRange): void {
    if (!this.dead) this.scope.ranges.set(float, range);
  }

  protected override node(what: NodeOp, type: ValueType, args: readonly Node[], kind: Node['kind']): Node {
    if (kind !== 'pure') return super.node(what, type, args, kind);
    const pivot = pivotOf(args);
    if (pivot === undefined) return super.node(what, type, args, kind);
    const known = pivot.users?.find((user) => isSame(user, what, args) && this.#reaches(user));
    if (known !== undefined) return known;
    const made = super.node(what, type, args, kind);
    if (!this.dead) {
      made.scope = this.scope;
      pivot.users ??= [];
      pivot.users.push(made);
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
    const unsigned = BigInt.asUintN(64, value);
    return this.#constant(unsigned, () => super.const64(unsigned));
  }

  override const32(value: number): Node {
    return this.#constant(value | 0, () => super.const32(value));
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

  override numeric(name: NumericOp, ...args: Node[]): Node {
    // Nothing is staged: what cannot be reached in place is left to the interpreter.
    if (name === 'i32.eq' && args.some((arg) => arg.what.op === 'guestRef')) return this.const32(0);
    if (name === 'i64.and' && this.#isSseCheck(args[0] as Node, args[1] as Node)) {
      this.usesSse = true;
      return this.const64(0n);
    }
    if (args.length === 2 && args[0] === args[1]) {
      const same = sameOperands(this, name, args[0] as Node);
      if (same) return same;
    }
    if (name === 'i64.and' && args[1]?.what.op === 'const64') {
      const simpler = simplifyAnd(this, args[0] as Node, args[1].what.value) ?? this.#word(args as [Node, Node]);
      if (simpler) return simpler;
    }
    if (name === 'i64.eqz') args = [withoutExtension(args[0] as Node)];
    const word = comparedWords(this, name, args) ?? onWords(this, name, args);
    if (word) return word;
    if (IDENTITY_LEFT_ZERO.has(name) && isZero(args[0] as Node)) return args[1] as Node;
    if ((name === 'i32.or' || name === 'i32.xor') && isZero(args[1] as Node)) return args[0] as Node;
    const bits = args[0]?.what;
    if (name === 'f64.reinterpret_i64' && bits?.op === 'numeric' && bits.name === 'i64.reinterpret_f64')
      return args[0]?.args[0] as Node;
    if (name === 'i64.reinterpret_f64' && bits?.op === 'numeric' && bits.name === 'f64.reinterpret_i64')
      return args[0]?.args[0] as Node;
    if (name === 'i32.wrap_i64' && bits?.op === 'numeric' && bits.name === 'i64.extend_i32_u') return args[0]?.args[0] as Node;
    if (name === 'i64.extend32_s' && bits?.op === 'numeric' && bits.name === 'i64.extend_i32_u')
      return this.numeric('i64.extend_i32_s', args[0]?.args[0] as Node);
    if (name === 'f32.reinterpret_i32' && bits?.op === 'numeric' && bits.name === 'i32.reinterpret_f32')
      return args[0]?.args[0] as Node;
    if (name === 'i32.reinterpret_f32' && bits?.op === 'numeric' && bits.name === 'f32.reinterpret_i32')
      return args[0]?.args[0] as Node;
    if (name === 'f32.reinterpret_i32' && bits?.op === 'lane' && bits.name === 'i32x4.extract_lane')
      return this.lane('f32x4.extract_lane', bits.lane, 'f32', args[0]?.args[0] as Node);
    if (name === 'f64.reinterpret_i64' && bits?.op === 'lane' && bits.name === 'i64x2.extract_lane')
      return this.lane('f64x2.extract_lane', bits.lane, 'f64', args[0]?.args[0] as Node);
    return super.numeric(name, ...args);
  }

  /** A mask of 32 bits: the same out of 32-bit arithmetic. */
  #word([value, mask]: readonly [Node, Node]): Node | undefined {
    const isWord = mask.what.op === 'const64' && mask.what.value === 0xffffffffn;
    return isWord ? asWord({ ir: this, stays: (node) => this.stays(node) }, value) : undefined;
  }

  /** Somebody needs this value as it is later on. */
  protected stays(_node: Node): boolean {
    return false;
  }

  /** CR0.EM, CR0.TS, not CR4.OSFXSR: looked at when the region is entered, and nothing in it changes them. */
  #isSseCheck({ what, args }: Node, mask: Node): boolean {
    if (mask.what.op !== 'const64') return false;
    if (what.op === 'load') return what.offset === CR0 && mask.what.value === SSE_OFF;
    const inverted = what.op === 'numeric' && what.name === 'i64.xor' ? args[0]?.what : undefined;
    return inverted?.op === 'load' && inverted.offset === CR4 && mask.what.value === OSFXSR;
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
    if (value.what.op === 'numeric' && value.what.name === 'i64.reinterpret_f64')
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
    if (value.what.op === 'numeric' && value.what.name === 'i32.reinterpret_f32')
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
    if (high.what.op === 'const64' && high.what.value === 0n) return direct();
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
