/** The decoder over all definitions. Contract: decoder.ts. */
import { definitions } from './all.ts';
import { createDecoder } from './decoder.ts';

export type { DecodeMode } from './variants.ts';

export const decode = createDecoder(definitions);
