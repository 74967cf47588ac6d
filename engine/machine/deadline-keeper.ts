/**
 * Who serves the machine's deadlines while vCPUs sleep: the thread of vCPU 0. It sleeps until the next deadline; every other thread wakes
 * it after arming an earlier one. A running vCPU serves what is due between two runs, whichever thread it is on.
 *
 * One f64 of shared memory says before which deadline, in machine ns, the keeper wants to be told of an earlier one: the one it sleeps or
 * runs towards; minus infinity while it looks at them anyway.
 */
import { REQUEST, type Requests } from '../base/index.ts';
import type { MachineMemory } from '../memory/index.ts';

export interface DeadlineKeeper {
  /** The thread is about to sleep: for how many milliseconds it may. */
  beforeSleep(): number;
  afterSleep(): void;
  /** The thread is about to run a vCPU: the deadline that bounds the run, in machine ns. Earlier ones of other threads end it. */
  beforeRun(): number;
  afterRun(): void;
  /** After device work on a thread that does not keep deadlines itself. */
  nudge(): void;
}

export interface KeeperOptions {
  readonly memory: MachineMemory;
  /** Byte address of the keeper's 8 bytes, zero at first. */
  readonly place: number;
  readonly requests: Requests;
  /** Whether this thread runs vCPU 0. */
  readonly keeps: boolean;
  /** All vCPUs share one thread, which waits on the word of vCPU 0 alone. */
  readonly roundRobin: boolean;
}

export function createDeadlineKeeper({ memory, place, requests, keeps, roundRobin }: KeeperOptions): DeadlineKeeper {
  const { views, deadlines, clock } = memory;
  const until = new Float64Array(views.buffer as ArrayBuffer, place, 1);
  const nudge = (): void => {
    if (keeps) return;
    if (roundRobin || deadlines.next() < (until[0] as number)) requests.raiseOne(0, REQUEST.sync);
  };
  const looking = (): void => {
    if (keeps) until[0] = Number.NEGATIVE_INFINITY;
  };
  return {
    beforeSleep: () => {
      if (!keeps) {
        nudge();
        return Number.POSITIVE_INFINITY;
      }
      // Said before looking: whoever arms a deadline after the look finds a sleeper to wake.
      until[0] = Number.POSITIVE_INFINITY;
      return clock.hostUntil(deadlines.next()) / 1e6;
    },
    afterSleep: looking,
    beforeRun: () => {
      if (!keeps) return deadlines.next();
      until[0] = Number.POSITIVE_INFINITY;
      const next = deadlines.next();
      until[0] = next;
      return next;
    },
    afterRun: looking,
    nudge,
  };
}
