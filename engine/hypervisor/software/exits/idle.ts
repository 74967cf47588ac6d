/** Instructions that wait, and the end of a guest. */
import { COUNTER } from '../../index.ts';
import { ACTIVITY } from '../../processor/index.ts';
import type { ExitHandler } from './context.ts';

/** The vCPU stands until something wakes it; whether that is at once, its loop sees. */
export const hlt: ExitHandler = (x) => {
  x.observation.counters.add(x.id, COUNTER['halt-exits']);
  x.skip();
  x.core.s.activity = ACTIVITY.halted;
  return undefined;
};

/** A spin lock's owner does not run: another vCPU should get the host's processor. */
export const pauseLoop: ExitHandler = (x) => {
  x.skip();
  return x.vcpus > 1 ? 'pause' : undefined;
};

export const tripleFault: ExitHandler = (x) => {
  x.core.s.activity = ACTIVITY.shutdown;
  return undefined;
};
