/**
 * Memory operands of 64-bit code whose address is nothing but the sum of a base and a displacement, or of an index as well: hot handlers exist
 * once more for each of these shapes, without address mask, segment and limits.
 */
import type { Decoded } from '../../isa/decoded.ts';

export const SIMPLE_SHAPES = ['plain', 'indexed'] as const;
export type SimpleShape = (typeof SIMPLE_SHAPES)[number];
export type AddressShape = 'general' | SimpleShape;
/** By handler number: the handler to take for an address of that shape. */
export type ShapedHandlers = Readonly<Record<SimpleShape, readonly number[]>>;

/** Segments from here on have bases in 64-bit mode. */
const FS = 4;
/** With the offset of its next instruction in its page, a greater displacement would not fit a record (records.ts). */
export const GREATEST_RELATIVE = 0x7fffffff - 8192;

/** Shape of the memory operand of an instruction of 64-bit code that has one. */
export function addressShape(decoded: Decoded): AddressShape {
  if (decoded.variant.facts.addressWidth !== 64 || decoded.segment >= FS) return 'general';
  if (decoded.ripRelative && decoded.displacement > GREATEST_RELATIVE) return 'general';
  return decoded.index < 0 ? 'plain' : 'indexed';
}
