/** The decoder over all definitions. Contract: decoder.ts. */
import { definitions } from './all.ts';
import { createDecoder } from './decoder.ts';

export { Decoded, HIGH_BYTE } from './decoded.ts';
export type { DecodeFailure } from './decoder.ts';
export { PREFIX } from './table.ts';
export type { DecodeMode, Variant, VariantOperand } from './variants.ts';

export const decode = createDecoder(definitions);
