/** What can be watched of a machine while it runs: counters and probes, in its shared memory. */
import type { MachineMemory } from '../../memory/index.ts';
import { Counters } from './counters.ts';
import { Probes } from './probes.ts';

export interface Observation {
  readonly counters: Counters;
  readonly probes: Probes;
}

/** This thread's view. Takes its place from the arena: every thread calls it at the same point, the one that only watches too. */
export function createObservation(memory: MachineMemory): Observation {
  return { counters: new Counters(memory), probes: new Probes(memory) };
}
