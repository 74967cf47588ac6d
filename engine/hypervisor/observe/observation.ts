/** What can be watched of a machine while it runs: counters and probes, in its shared memory. */
import type { MachineMemory } from '../../memory/index.ts';
import { Counters } from './counters.ts';
import { ExitImages } from './exit-images.ts';
import { Listeners } from './listeners.ts';
import { Probes } from './probes.ts';

export interface Observation {
  readonly counters: Counters;
  readonly probes: Probes;
  readonly listeners: Listeners;
  readonly images: ExitImages;
}

/**
 * This thread's view. Takes its place from the arena: every thread calls it at the same point, the one that only watches too.
 * `vmcsFields`: as in the capabilities of the machine's back end.
 */
export function createObservation(memory: MachineMemory, vmcsFields: Readonly<Record<string, number>> = {}): Observation {
  const listeners = new Listeners(memory, vmcsFields);
  const counters = new Counters(memory);
  const images = new ExitImages(memory);
  return { counters, probes: new Probes(memory, listeners, images), listeners, images };
}
