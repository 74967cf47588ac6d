/** All SSE and MMX definitions (MMX, SSE to SSE4.2 without POPCNT and CRC32). */
import type { Definition } from '../form.ts';
import { floatArithmetic } from './arithmetic.ts';
import { control } from './control.ts';
import { conversions } from './convert.ts';
import { immediateShuffles } from './immediate.ts';
import { moves } from './move.ts';
import { packedIntegers } from './packed.ts';
import { packedLayouts } from './packed-layout.ts';
import { stringCompares } from './strings.ts';

export const definitions: readonly Definition[] = [
  ...moves,
  ...floatArithmetic,
  ...conversions,
  ...packedIntegers,
  ...packedLayouts,
  ...immediateShuffles,
  ...stringCompares,
  ...control,
];
