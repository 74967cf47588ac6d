/** Looks at running machines once a second while somebody watches. */
import { onUnmounted, shallowRef, triggerRef } from 'vue';
import { engine } from '../client/session.ts';
import { countersOf, type Rates, ratesBetween, type Sample } from './samples.ts';

const PERIOD_MILLISECONDS = 1000;
/** How many seconds are kept of each machine. */
const KEPT = 600;

export interface Watched {
  last: Sample;
  readonly rates: Rates[];
  readonly accel: string;
}

/** `names` is called at each look: machines come and go. */
export function useSampler(names: () => readonly string[]) {
  const machines = shallowRef(new Map<string, Watched>());
  let gone = false;

  async function sampleOf(name: string): Promise<{ sample: Sample; accel: string } | undefined> {
    try {
      const client = engine(name);
      const [counted, status] = await Promise.all([client.machineCounters({}), client.machineStatus({})]);
      const sample: Sample = {
        at: Date.now() / 1000,
        guestSeconds: counted.guestNanoseconds / 1e9,
        counters: countersOf(counted),
        instructions: status.vcpus.reduce((sum, vcpu) => sum + vcpu.instructions, 0),
        hostCpuSeconds: status.hostCpuMicroseconds / 1e6,
        residentBytes: status.residentBytes,
      };
      return { sample, accel: counted.accel };
    } catch {
      return undefined; // it ended while it was asked
    }
  }

  async function look(): Promise<void> {
    const wanted = names();
    const found = await Promise.all(wanted.map(async (name) => ({ name, now: await sampleOf(name) })));
    for (const { name, now } of found) {
      if (now === undefined) continue;
      const known = machines.value.get(name);
      const rates = known && ratesBetween(known.last, now.sample);
      if (known === undefined || rates === undefined) machines.value.set(name, { last: now.sample, rates: [], accel: now.accel });
      else {
        known.last = now.sample;
        known.rates.push(rates);
        if (known.rates.length > KEPT) known.rates.shift();
      }
    }
    for (const name of machines.value.keys()) if (!wanted.includes(name)) machines.value.delete(name);
    triggerRef(machines);
    if (!gone) setTimeout(() => void look(), PERIOD_MILLISECONDS);
  }
  void look();
  onUnmounted(() => {
    gone = true;
  });
  return machines;
}

/** Hand a text to the person as a file. */
export function saveText(name: string, text: string, type: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
