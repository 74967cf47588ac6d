/** The back end `bare`: a machine straight on the software processor. */
import { entryChecks } from '../../cpu/index.ts';
import type { EntryCheck, Machine } from '../index.ts';
import { createProcessorBase, createProcessorMachine, type ProcessorMachineOptions } from '../processor/index.ts';
import { bareCapabilities } from './capabilities.ts';
import { BareVcpu } from './vcpu.ts';

/** Make this thread's view of a machine. The first thread then calls `reset` once. Refuses a model or a number of vCPUs it does not offer. */
export function createBareMachine(options: ProcessorMachineOptions): Machine {
  const base = createProcessorBase(options, {
    capabilities: bareCapabilities(),
    tscOffset: () => 0n,
    withNmi: 0,
    countAccesses: true,
  });
  const vcpus = Array.from({ length: options.memory.vcpus }, (_, id) => new BareVcpu(base.vcpuParts(id)));
  base.host.entryFailed = (vcpu, rule) => {
    const checks: EntryCheck[] = entryChecks(base.processor.vcpu(vcpu));
    // Some of the guest's state is judged while it is loaded, by no rule of the lists.
    const named = checks.at(-1)?.ok === false ? checks : [...checks, { stage: 'guest' as const, rule, ok: false, fields: [] }];
    (vcpus[vcpu] as BareVcpu).entryFailure = named;
  };
  return createProcessorMachine(base, vcpus, {});
}
