import { addressSpaceRoutines } from './address-space.ts';
import { arithmeticRoutines } from './arithmetic.ts';
import { counterRoutines } from './counters.ts';
import { eptRoutines } from './ept.ts';
import { floatRoutines } from './float.ts';
import { gateRoutines } from './gates32.ts';
import { lockRoutines } from './locks.ts';
import { lookupRoutines } from './lookup.ts';
import { memoryRoutines } from './memory.ts';
import { pagingRoutines } from './paging.ts';
import { privilegeRoutines } from './privilege.ts';
import { regionRoutines } from './regions.ts';
import type { RoutineDefinition } from './routine.ts';
import { saveAreaRoutines } from './save-area.ts';
import { stringRoutines } from './strings.ts';
import { systemRoutines } from './system.ts';
import { vectorFloatRoutines } from './vector-float.ts';
import { x87Routines } from './x87/all.ts';

/** All wasm routines of the processor; any may call any. */
export const ROUTINES: readonly RoutineDefinition[] = [
  ...arithmeticRoutines,
  ...systemRoutines,
  ...eptRoutines,
  ...pagingRoutines,
  ...memoryRoutines,
  ...stringRoutines,
  ...floatRoutines,
  ...vectorFloatRoutines,
  ...lockRoutines,
  ...regionRoutines,
  ...privilegeRoutines,
  ...gateRoutines,
  ...lookupRoutines,
  ...counterRoutines,
  ...addressSpaceRoutines,
  ...saveAreaRoutines,
  ...x87Routines,
];
