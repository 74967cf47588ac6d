import type { MemoryOp, NumericOp } from '../../wasm/opcodes.ts';
import type { Node } from './node.ts';

type Folded =
  | { readonly node: Node }
  | { readonly type: 'i64'; readonly value: bigint }
  | { readonly type: 'i32'; readonly value: number };

const i64 = (value: bigint): Folded => ({ type: 'i64', value: BigInt.asUintN(64, value) });
const truth = (value: boolean): Folded => ({ type: 'i32', value: value ? 1 : 0 });
const signed = (value: bigint): bigint => BigInt.asIntN(64, value);

const BINARY64: Partial<Record<NumericOp, (a: bigint, b: bigint) => Folded>> = {
  'i64.add': (a, b) => i64(a + b),
  'i64.sub': (a, b) => i64(a - b),
  'i64.mul': (a, b) => i64(a * b),
  'i64.and': (a, b) => i64(a & b),
  'i64.or': (a, b) => i64(a | b),
  'i64.xor': (a, b) => i64(a ^ b),
  'i64.shl': (a, b) => i64(a << (b & 63n)),
  'i64.shr_u': (a, b) => i64(a >> (b & 63n)),
  'i64.shr_s': (a, b) => i64(signed(a) >> (b & 63n)),
  'i64.eq': (a, b) => truth(a === b),
  'i64.ne': (a, b) => truth(a !== b),
  'i64.lt_u': (a, b) => truth(a < b),
  'i64.le_u': (a, b) => truth(a <= b),
  'i64.lt_s': (a, b) => truth(signed(a) < signed(b)),
};

const UNARY64: Partial<Record<NumericOp, (a: bigint) => Folded>> = {
  'i64.eqz': (a) => truth(a === 0n),
  'i32.wrap_i64': (a) => ({ type: 'i32', value: Number(BigInt.asIntN(32, a)) }),
  'i64.extend32_s': (a) => i64(BigInt.asIntN(32, a)),
  'i64.extend16_s': (a) => i64(BigInt.asIntN(16, a)),
  'i64.extend8_s': (a) => i64(BigInt.asIntN(8, a)),
};

const IDENTITY_RIGHT_ZERO = new Set<NumericOp>(['i64.add', 'i64.sub', 'i64.or', 'i64.xor', 'i64.shl', 'i64.shr_u', 'i64.shr_s']);

/** The value of a numeric operator over constants, or the operand it leaves unchanged; undefined when it must be computed. */
export function foldNumeric(name: NumericOp, first: Node, second?: Node): Folded | undefined {
  const { op, what } = first;
  if (second === undefined) {
    if (op === 'const64') return UNARY64[name]?.(what.value);
    return op === 'const32' ? fold32(name, what.value) : undefined;
  }
  if (second.op === 'const32') return op === 'const32' ? fold32Binary(name, what.value, second.what.value) : undefined;
  if (second.op !== 'const64') return undefined;
  const b = second.what.value;
  if (op === 'const64') return BINARY64[name]?.(what.value, b);
  if (b === 0n && IDENTITY_RIGHT_ZERO.has(name)) return { node: first };
  if (name !== 'i64.and') return undefined;
  if (b === 0n) return i64(0n);
  return b === 0xffffffffffffffffn ? { node: first } : foldMask(first, b);
}

const LOADED: Partial<Record<MemoryOp, bigint>> = { 'i64.load8_u': 8n, 'i64.load16_u': 16n, 'i64.load32_u': 32n };

/** A mask over a value that already fits it changes nothing. */
function foldMask(value: Node, mask: bigint): Folded | undefined {
  if (value.op === 'load') {
    const bits = LOADED[value.what.name];
    if (bits !== undefined && (mask & ((1n << bits) - 1n)) === (1n << bits) - 1n) return { node: value };
  }
  if (value.op === 'numeric' && value.what.name === 'i64.extend_i32_u' && (mask & 0xffffffffn) === 0xffffffffn)
    return { node: value };
  if (value.op === 'numeric' && value.what.name === 'i64.and') {
    const inner = value.args[1];
    if (inner?.op === 'const64' && (inner.what.value & mask) === inner.what.value) return { node: value };
  }
  return undefined;
}

function fold32(name: NumericOp, a: number): Folded | undefined {
  if (name === 'i32.eqz') return truth(a === 0);
  if (name === 'i64.extend_i32_u') return i64(BigInt(a >>> 0));
  if (name === 'i64.extend_i32_s') return i64(BigInt(a));
  return undefined;
}

function fold32Binary(name: NumericOp, a: number, b: number): Folded | undefined {
  if (name === 'i32.and') return { type: 'i32', value: a & b };
  if (name === 'i32.or') return { type: 'i32', value: a | b };
  if (name === 'i32.xor') return { type: 'i32', value: a ^ b };
  if (name === 'i32.add') return { type: 'i32', value: (a + b) | 0 };
  return undefined;
}
