/** What the servers show of a machine's inside, in the words of the hypervisor. */
import { COUNTER, COUNTER_GROUPS, type CounterName } from '../hypervisor/index.ts';
import type { MachineControl } from './control.ts';

export {
  argumentTexts,
  decodeField,
  describeField,
  type EntryCheck,
  type Histogram,
  type VmcsImage,
  type WalkEntry as WalkedEntry,
} from '../hypervisor/index.ts';

/** All counters by group; null where the back end does not have the fact. */
export function countersOf({
  memory,
  observation,
  capabilities,
}: Pick<MachineControl, 'memory' | 'observation' | 'capabilities'>) {
  const { counters } = observation;
  const kept = new Set<string>(capabilities.counters);
  return COUNTER_GROUPS.map(({ name, perVcpu, counters: docs }) => {
    const values = (read: (cell: number) => number): Record<string, number | null> =>
      Object.fromEntries(
        Object.keys(docs).map((counter) => [counter, kept.has(counter) ? read(COUNTER[counter as CounterName]) : null]),
      );
    const vcpus = Array.from({ length: memory.vcpus }, (_, vcpu) => vcpu);
    const sets = perVcpu
      ? vcpus.map((vcpu) => ({ vcpu, counters: values((cell) => counters.of(vcpu, cell)) }))
      : [{ vcpu: null, counters: values((cell) => counters.total(cell)) }];
    return { group: name, sets };
  });
}
