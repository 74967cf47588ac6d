/** The slow routines of floating point by their names in `SLOW` (engine/isa/fields.ts). */
import type { SlowContext, SlowRoutineBody } from '../context.ts';
import { fxrstor, fxsave, xrstor, xsave } from './save-area.ts';
import { sseRoutine } from './sse-routine.ts';
import { x87Routine } from './x87/routine.ts';

type FloatSlowName = 'sse' | 'x87' | 'fxsave' | 'fxrstor' | 'xsave' | 'xrstor';

/** A routine over a save area: linear address, 1 for the 64-bit format. */
const overArea =
  (body: (c: SlowContext, address: bigint, wide: boolean) => void): SlowRoutineBody =>
  (c, address, wide) => {
    body(c, address, wide !== 0n);
    return undefined;
  };

export const floatRoutines: Readonly<Record<FloatSlowName, SlowRoutineBody>> = {
  sse: sseRoutine,
  x87: x87Routine,
  fxsave: overArea(fxsave),
  fxrstor: overArea(fxrstor),
  xsave: overArea(xsave),
  xrstor: overArea(xrstor),
};
