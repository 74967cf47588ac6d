/** Quick forms of x87 operations; `ir/quick-calls.ts` says which calls they stand for. */
import type { RoutineDefinition } from '../routine.ts';
import { arithmeticRoutines } from './arithmetic.ts';
import { compareRoutines } from './compare.ts';
import { roundingRoutines } from './rounding.ts';
import { transferRoutines } from './transfer.ts';

export const x87Routines: readonly RoutineDefinition[] = [
  ...roundingRoutines,
  ...arithmeticRoutines,
  ...compareRoutines,
  ...transferRoutines,
];
