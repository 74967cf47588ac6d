/**
 * Values of 32 bits are computed in i32: V8 knows that its 32-bit instructions clear the upper half, so a chain of them needs no masks, and
 * a rotation is one instruction.
 */
import type { NumericOp } from '../../wasm/opcodes.ts';
import type { IrBuilder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import { bitsOf } from './simplify.ts';

const WORD = 0xffffffffn;
const BITS = 32n;
/** Operands of operands that are computed again in i32. */
const DEPTH = 3;

/** Operators whose lower half depends on the lower halves of their operands only. */
const LOWER: Partial<Record<NumericOp, NumericOp>> = {
  'i64.add': 'i32.add',
  'i64.sub': 'i32.sub',
  'i64.mul': 'i32.mul',
  'i64.and': 'i32.and',
  'i64.or': 'i32.or',
  'i64.xor': 'i32.xor',
};

const BITWISE: Partial<Record<NumericOp, NumericOp>> = { 'i64.and': 'i32.and', 'i64.or': 'i32.or', 'i64.xor': 'i32.xor' };

const UNSIGNED = { 'i64.eq': 'i32.eq', 'i64.ne': 'i32.ne', 'i64.lt_u': 'i32.lt_u', 'i64.le_u': 'i32.le_u' } as const;

/** `stays`: the value is needed as a whole by others as well. */
export interface Words {
  readonly ir: IrBuilder;
  readonly stays: (node: Node) => boolean;
}

const nameOf = (node: Node): NumericOp | undefined => (node.op === 'numeric' ? node.what.name : undefined);
const constantOf = (node: Node | undefined): bigint | undefined => (node?.op === 'const64' ? node.what.value : undefined);

/** The i64 `value & 0xffffffff` out of i32 arithmetic. */
export function asWord(words: Words, value: Node): Node {
  const narrow = words.stays(value) ? undefined : narrowed(words, value, DEPTH);
  return words.ir.numeric('i64.extend_i32_u', narrow ?? words.ir.numeric('i32.wrap_i64', value));
}

/** Operations on words whose result is one; undefined where the operands are others. */
export function onWords(ir: IrBuilder, name: NumericOp, a: Node, b: Node): Node | undefined {
  if (nameOf(a) !== 'i64.extend_i32_u' && nameOf(b) !== 'i64.extend_i32_u') return undefined;
  const mask = constantOf(b);
  if (name === 'i64.shr_u' && mask !== undefined && mask < BITS)
    return ir.numeric('i64.extend_i32_u', ir.numeric('i32.shr_u', a.args[0] as Node, ir.const32(Number(mask))));
  if (name === 'i64.and' && mask !== undefined) {
    const word = a.args[0] as Node;
    if (nameOf(word) === 'i32.wrap_i64') return ir.numeric('i64.and', word.args[0] as Node, ir.const64(mask & WORD));
    return ir.numeric('i64.extend_i32_u', ir.numeric('i32.and', word, ir.const32(Number(BigInt.asIntN(32, mask)))));
  }
  const lower = BITWISE[name];
  if (lower === undefined) return undefined;
  const [wordA, wordB] = [wordOf(ir, a), wordOf(ir, b)];
  return wordA && wordB && ir.numeric('i64.extend_i32_u', ir.numeric(lower, wordA, wordB));
}

/** The lower half of an operation on two operands, computed in i32. */
function narrowed(words: Words, value: Node, depth: number): Node | undefined {
  const { ir } = words;
  const name = nameOf(value);
  const [a, b] = value.args as [Node, Node];
  const lower = name && LOWER[name];
  if (lower) return ir.numeric(lower, low(words, a, depth), low(words, b, depth));
  const by = constantOf(b);
  if (by === undefined || by >= BITS) return undefined;
  if (name === 'i64.shl') return ir.numeric('i32.shl', low(words, a, depth), ir.const32(Number(by)));
  const word = name === 'i64.shr_u' ? wordOf(ir, a) : undefined;
  return word && ir.numeric('i32.shr_u', word, ir.const32(Number(by)));
}

/** What an i64 has in its lower half, as an i32. */
function low(words: Words, node: Node, depth: number): Node {
  const { ir } = words;
  const constant = constantOf(node);
  if (constant !== undefined) return ir.const32(Number(BigInt.asIntN(32, constant)));
  const name = nameOf(node);
  if (name === 'i64.extend_i32_u' || name === 'i64.extend_i32_s') return node.args[0] as Node;
  if (name === 'i64.extend32_s') return low(words, node.args[0] as Node, depth);
  const narrow = depth > 0 && !words.stays(node) ? narrowed(words, node, depth - 1) : undefined;
  return narrow ?? ir.numeric('i32.wrap_i64', node);
}

/** An i64 without an upper half as an i32; undefined for others. */
function wordOf(ir: IrBuilder, node: Node): Node | undefined {
  if (nameOf(node) === 'i64.extend_i32_u') return node.args[0];
  const constant = constantOf(node);
  if (constant !== undefined) return constant <= WORD ? ir.const32(Number(BigInt.asIntN(32, constant))) : undefined;
  return bitsOf(node) <= 32 ? ir.numeric('i32.wrap_i64', node) : undefined;
}

/** Comparisons of words that are extended in any case; undefined where the operands are others. */
export function comparedWords(ir: IrBuilder, name: keyof typeof UNSIGNED, a: Node, b: Node): Node | undefined {
  if (nameOf(a) !== 'i64.extend_i32_u' && nameOf(b) !== 'i64.extend_i32_u') return undefined;
  const [wordA, wordB] = [wordOf(ir, a), wordOf(ir, b)];
  return wordA && wordB && ir.numeric(UNSIGNED[name], wordA, wordB);
}
