/** The back end `bare`: a machine straight on the software processor. */
import { EngineError, REQUEST } from '../../base/index.ts';
import {
  type CompilerPort,
  cpuModel,
  createProcessor,
  entryChecks,
  type InterpreterImage,
  type JitSetting,
} from '../../cpu/index.ts';
import { COUNTER, createObservation, type EntryCheck, IoEvents, type Machine, type MachineOptions } from '../index.ts';
import { ProcessorHost, restoreMachine, saveMachine } from '../processor/index.ts';
import { MAX_VCPUS } from './capabilities.ts';
import { BareVcpu } from './vcpu.ts';

/** The local APIC's bus clock: one tick per ns. */
const APIC_HZ = 1_000_000_000;
const DEFAULT_TSC_HZ = 1_000_000_000;

export interface BareOptions extends MachineOptions {
  readonly interpreter: InterpreterImage;
  readonly jit?: JitSetting;
  /** Compiles hot code beside the vCPUs of this thread. */
  readonly compiler?: CompilerPort;
}

/** Make this thread's view of a machine. The first thread then calls `reset` once. Refuses a model or a number of vCPUs it does not offer. */
export function createBareMachine(options: BareOptions): Machine {
  const { memory } = options;
  if (memory.vcpus > MAX_VCPUS)
    throw new EngineError('capability-missing', { capability: `${memory.vcpus} vCPUs`, backend: 'bare' });
  const tscHz = options.tscHz ?? DEFAULT_TSC_HZ;
  const model = cpuModel(options.model, { tscHz, apicHz: APIC_HZ });
  if (model === undefined)
    throw new EngineError('capability-missing', { capability: `the model ${options.model}`, backend: 'bare' });
  // Each needs the other: the processor calls the host only while it runs.
  const observation = options.observation ?? createObservation(memory);
  const { counters } = observation;
  const host = new ProcessorHost(memory, { tscHz, observation, tscOffset: () => 0n, withNmi: 0, countAccesses: true });
  const processor = createProcessor({
    machine: memory,
    vcpus: memory.vcpus,
    model,
    host: host.cpuHost,
    interpreter: options.interpreter,
    jit: options.jit ?? 'off',
    ...(options.compiler && { compiler: options.compiler }),
    shootdown: (vcpu) => {
      counters.add(vcpu, COUNTER['remote-tlb-flush']);
      host.requests.synchronize(-1, REQUEST.flushTlb, vcpu);
    },
    exclusive: { begin: (vcpu) => host.runAlone(vcpu), end: () => host.requests.endExclusive() },
  });
  host.connect(processor, model.physicalBits);
  const { requests, irqchip } = host;
  const vcpus = Array.from({ length: memory.vcpus }, (_, id) => {
    return new BareVcpu({ core: processor.vcpu(id), requests, irqchip, observation, memory });
  });
  host.entryFailed = (vcpu, rule) => {
    const checks: EntryCheck[] = entryChecks(processor.vcpu(vcpu));
    // Some of the guest's state is judged while it is loaded, by no rule of the lists.
    const named = checks.at(-1)?.ok === false ? checks : [...checks, { stage: 'guest' as const, rule, ok: false, fields: [] }];
    (vcpus[vcpu] as BareVcpu).entryFailure = named;
  };
  // Whoever changes the map stands at a safe point itself: in a host call, or outside of run().
  memory.slots.mapChange = (change) => requests.exclusive(-1, REQUEST.flushTlb, change);
  memory.dirtyLog.flushWrites = () => requests.synchronize(-1, REQUEST.flushTlb);
  return {
    backend: 'bare',
    memory,
    requests,
    irqchip,
    ioEvents: new IoEvents(memory, irqchip),
    vcpus,
    setSlot: (slot) => memory.slots.setSlot(slot),
    dirtyLog: (slot) => memory.dirtyLog.collect(slot),
    reset: () => {
      processor.reset();
      irqchip.reset();
    },
    save: () => saveMachine({ irqchip, vcpus }),
    restore: (saved) => restoreMachine(saved, { irqchip, vcpus }),
  };
}
