/** Quick forms of x87 operations; `ir/quick-calls.ts` says which calls they stand for. */
import type { RoutineDefinition } from '../routine.ts';
import { arctangentRoutines } from './arctangent.ts';
import { arithmeticRoutines } from './arithmetic.ts';
import { compareRoutines } from './compare.ts';
import { logarithmRoutines } from './logarithm.ts';
import { remainderRoutines } from './remainder.ts';
import { roundingRoutines } from './rounding.ts';
import { transferRoutines } from './transfer.ts';
import { trigonometricRoutines } from './trigonometric.ts';

export const x87Routines: readonly RoutineDefinition[] = [
  ...roundingRoutines,
  ...arithmeticRoutines,
  ...compareRoutines,
  ...transferRoutines,
  ...trigonometricRoutines,
  ...logarithmRoutines,
  ...arctangentRoutines,
  ...remainderRoutines,
];
