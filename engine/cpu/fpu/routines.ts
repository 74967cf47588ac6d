import type { SlowRoutineBody } from '../context.ts';
import { raiseUd } from '../system/faults.ts';
import { sseRoutine } from './sse-routine.ts';

const missing: SlowRoutineBody = () => raiseUd();
export const floatRoutines = {
  sse: sseRoutine as SlowRoutineBody,
  x87: missing,
  fxsave: missing,
  fxrstor: missing,
  xsave: missing,
  xrstor: missing,
};
