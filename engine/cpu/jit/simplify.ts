/** Algebra of regions beyond the folding of constants: operands that are the same, values known to be small, products and quotients. */
import { type IrBuilder, isComparison } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';

const HALF = 32n;
const LOADED: Record<string, number> = { 'i64.load8_u': 8, 'i64.load16_u': 16, 'i64.load32_u': 32 };
/** Operands looked at to bound a value. */
const DEPTH = 6;

const constantOf = ({ op, what }: Node): bigint | undefined => (op === 'const64' ? what.value : undefined);
const lengthOf = (value: bigint): number => {
  const high = Number(value >> HALF);
  return high === 0 ? 32 - Math.clz32(Number(value)) : 64 - Math.clz32(high);
};
/** By the number of lowest bits: a mask of them. */
const MASKS = Array.from({ length: 65 }, (_, bits) => (1n << BigInt(bits)) - 1n);

/** Bits of an i64 that may be set, counted from bit 0: 64 where nothing is known. */
export function bitsOf(node: Node, depth = DEPTH): number {
  const { op, what, args } = node;
  if (op === 'const64') return lengthOf(what.value);
  if (op === 'load') return LOADED[what.name] ?? 64;
  if (op === 'guestLoad') return Math.min(what.bits, 64);
  if (op === 'select' && depth > 0) return Math.max(bitsOf(args[0] as Node, depth - 1), bitsOf(args[1] as Node, depth - 1));
  if (op !== 'numeric' || depth === 0) return 64;
  const a = args[0] as Node;
  const b = args[1];
  const bits = (of: Node | undefined): number => (of === undefined ? 64 : bitsOf(of, depth - 1));
  switch (what.name) {
    case 'i64.extend_i32_u':
      return bitsOfWord(a);
    case 'i64.and':
      return Math.min(bits(a), bits(b));
    case 'i64.or':
    case 'i64.xor':
      return Math.max(bits(a), bits(b));
    case 'i64.shr_u': {
      const by = b && constantOf(b);
      return by === undefined ? bits(a) : Math.max(0, bits(a) - Number(by & 63n));
    }
    case 'i64.shl': {
      const by = b && constantOf(b);
      return by === undefined ? 64 : Math.min(64, bits(a) + Number(by & 63n));
    }
    case 'i64.mul':
      return Math.min(64, bits(a) + bits(b));
    case 'i64.add':
      return Math.min(64, Math.max(bits(a), bits(b)) + 1);
    default:
      return 64;
  }
}

/** The same for an i32. */
function bitsOfWord({ op, what, args }: Node): number {
  if (op !== 'numeric') return 32;
  if (isComparison(what.name)) return 1;
  const by = args[1]?.what.op === 'const32' ? args[1].what.value : undefined;
  if (by === undefined) return 32;
  if (what.name === 'i32.and') return 32 - Math.clz32(by);
  return what.name === 'i32.shr_u' ? 32 - (by & 31) : 32;
}

const EXTENDED: Record<string, number> = { 'i64.extend8_s': 8, 'i64.extend16_s': 16, 'i64.extend32_s': 32 };

/** A value that is 0 exactly where this one is. */
export function withoutExtension(node: Node): Node {
  const from = node.op === 'numeric' ? EXTENDED[node.what.name] : undefined;
  const value = node.args[0];
  return from !== undefined && value !== undefined && bitsOf(value) <= from ? value : node;
}

/** What a binary operator leaves of operands that are one value; undefined where it must be computed. */
export function sameOperands(ir: IrBuilder, name: string, a: Node): Node | undefined {
  switch (name) {
    case 'i64.xor':
    case 'i64.sub':
      return ir.const64(0n);
    case 'i64.and':
    case 'i64.or':
      return a;
    case 'i64.eq':
    case 'i64.le_u':
      return ir.const32(1);
    case 'i64.ne':
    case 'i64.lt_u':
    case 'i64.lt_s':
      return ir.const32(0);
    default:
      return undefined;
  }
}

/** Masks that change nothing, and masks of masks. */
export function simplifyAnd(ir: IrBuilder, value: Node, mask: bigint): Node | undefined {
  const bits = bitsOf(value);
  const all = MASKS[bits] as bigint;
  if (bits < 64 && (mask & all) === all) return value;
  if (value.op !== 'numeric' || value.what.name !== 'i64.and') return undefined;
  const inner = constantOf(value.args[1] as Node);
  return inner === undefined ? undefined : ir.numeric('i64.and', value.args[0] as Node, ir.const64(inner & mask));
}

/** Upper half of the unsigned product of two i64, without a call. */
export function mulHigh(ir: IrBuilder, a: Node, b: Node): Node {
  const [bitsA, bitsB] = [bitsOf(a), bitsOf(b)];
  if (bitsA + bitsB <= 64) return ir.const64(0n);
  const shift = ir.const64(HALF);
  const low = (of: Node): Node => ir.numeric('i64.and', of, ir.const64(0xffffffffn));
  const high = (of: Node, bits: number): Node => (bits <= 32 ? ir.const64(0n) : ir.numeric('i64.shr_u', of, shift));
  const mul = (x: Node, y: Node): Node => {
    if (constantOf(x) === 0n || constantOf(y) === 0n) return ir.const64(0n);
    return ir.numeric('i64.mul', x, y);
  };
  const add = (x: Node, y: Node): Node => (constantOf(x) === 0n ? y : ir.numeric('i64.add', x, y));
  const [aLow, aHigh, bLow, bHigh] = [low(a), high(a, bitsA), low(b), high(b, bitsB)];
  const crossA = add(mul(aHigh, bLow), ir.numeric('i64.shr_u', mul(aLow, bLow), shift));
  const crossB = add(mul(aLow, bHigh), low(crossA));
  const top = add(mul(aHigh, bHigh), ir.numeric('i64.shr_u', crossA, shift));
  return ir.numeric('i64.add', top, ir.numeric('i64.shr_u', crossB, shift));
}
