/** Parts of what a slot holds: bytes of general registers, lanes of vectors. */
import type { MemoryOp } from '../../wasm/opcodes.ts';
import type { IrBuilder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';

/** `bits`: 8, 16, 32 or 64, which lie within eight bytes; `byte`: where they begin. */
export interface SlotPart {
  readonly bits: number;
  readonly signed: boolean;
  readonly byte: number;
}

const LOADED: Partial<Record<MemoryOp, readonly [bits: number, signed: boolean]>> = {
  'i64.load8_u': [8, false],
  'i64.load16_u': [16, false],
  'i64.load32_u': [32, false],
  'i64.load8_s': [8, true],
  'i64.load16_s': [16, true],
  'i64.load32_s': [32, true],
  'i64.load': [64, false],
};
const STORED: Partial<Record<MemoryOp, number>> = { 'i64.store8': 8, 'i64.store16': 16, 'i64.store32': 32, 'i64.store': 64 };

/** What an operation reads; undefined for one that reads no slot. */
export function loadedPart(name: MemoryOp, byte: number): SlotPart | undefined {
  const shape = LOADED[name];
  return shape && { bits: shape[0], signed: shape[1], byte };
}

export function storedPart(name: MemoryOp, byte: number): SlotPart | undefined {
  const bits = STORED[name];
  return bits === undefined ? undefined : { bits, signed: false, byte };
}

/** i64: the part, extended. */
export function partOf(ir: IrBuilder, whole: Node, { bits, signed, byte }: SlotPart): Node {
  const isVector = whole.type === 'v128';
  if (isVector && bits === 32 && !signed)
    return ir.numeric('i64.extend_i32_u', ir.lane('i32x4.extract_lane', byte >> 2, 'i32', whole));
  const half = isVector ? ir.lane('i64x2.extract_lane', byte >> 3, 'i64', whole) : whole;
  const within = byte & 7;
  const value = within === 0 ? half : ir.numeric('i64.shr_u', half, ir.const64(BigInt(8 * within)));
  if (bits === 64) return value;
  if (signed) return ir.numeric(`i64.extend${bits as 8 | 16 | 32}_s`, value);
  return ir.numeric('i64.and', value, ir.const64((1n << BigInt(bits)) - 1n));
}

/** What the slot holds when the part has become `value`. */
export function withPart(ir: IrBuilder, old: Node, { bits, byte, value }: SlotPart & { readonly value: Node }): Node {
  if (old.type !== 'v128') return inserted(ir, old, { bits, byte, value });
  if (bits === 32) return ir.lane('i32x4.replace_lane', byte >> 2, 'v128', old, ir.numeric('i32.wrap_i64', value));
  const lane = byte >> 3;
  const before = (): Node => ir.lane('i64x2.extract_lane', lane, 'i64', old);
  const half = bits === 64 ? value : inserted(ir, before(), { bits, byte: byte & 7, value });
  return ir.lane('i64x2.replace_lane', lane, 'v128', old, half);
}

function inserted(ir: IrBuilder, old: Node, { bits, byte, value }: Omit<SlotPart, 'signed'> & { readonly value: Node }): Node {
  const mask = (1n << BigInt(bits)) - 1n;
  const shift = BigInt(8 * byte);
  const low = ir.numeric('i64.and', value, ir.const64(mask));
  const placed = byte === 0 ? low : ir.numeric('i64.shl', low, ir.const64(shift));
  return ir.numeric('i64.or', ir.numeric('i64.and', old, ir.const64(~(mask << shift))), placed);
}
