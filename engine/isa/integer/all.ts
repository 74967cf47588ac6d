import type { Definition } from '../form.ts';
import { definitions as arithmetic } from './arithmetic.ts';
import { definitions as bits } from './bits.ts';
import { definitions as control } from './control.ts';
import { definitions as decimal } from './decimal.ts';
import { definitions as exchange } from './exchange.ts';
import { definitions as flags } from './flags.ts';
import { definitions as moves } from './moves.ts';
import { definitions as multiply } from './multiply.ts';
import { definitions as shifts } from './shifts.ts';
import { definitions as stack } from './stack.ts';
import { definitions as strings } from './strings.ts';

/** The integer instructions of x86-64-v2. */
export const definitions: readonly Definition[] = [
  ...arithmetic,
  ...moves,
  ...exchange,
  ...shifts,
  ...bits,
  ...multiply,
  ...decimal,
  ...strings,
  ...stack,
  ...control,
  ...flags,
];
