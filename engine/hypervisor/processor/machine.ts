/** A machine on our own processor, without what stands between it and the guest: model, cores, safe points of the map, life cycle. */
import { EngineError, REQUEST } from '../../base/index.ts';
import {
  type CompilerPort,
  type CpuModel,
  cpuModel,
  createProcessor,
  type InterpreterImage,
  type JitSetting,
  type Processor,
  type ProcessorOptions,
} from '../../cpu/index.ts';
import {
  type Capabilities,
  COUNTER,
  createObservation,
  IoEvents,
  type Machine,
  type MachineOptions,
  type Observation,
} from '../index.ts';
import { ProcessorHost, type ProcessorHostOptions } from './host.ts';
import { restoreMachine, saveMachine } from './saved.ts';
import type { ProcessorVcpu, ProcessorVcpuParts } from './vcpu.ts';

/** The local APIC's bus clock: one tick per ns. */
const APIC_HZ = 1_000_000_000;
const DEFAULT_TSC_HZ = 1_000_000_000;

export interface ProcessorMachineOptions extends MachineOptions {
  /** Absent: this thread runs no vCPU. */
  readonly interpreter?: InterpreterImage | undefined;
  readonly jit?: JitSetting;
  /** Compiles hot code beside the vCPUs of this thread. */
  readonly compiler?: CompilerPort;
  /** As in `ProcessorOptions`. */
  readonly codeBytes?: number;
  readonly collectGarbage?: () => void;
}

/** How a back end uses the processor. */
export interface ProcessorUse extends Pick<ProcessorHostOptions, 'tscOffset' | 'withNmi' | 'countAccesses' | 'guestLeaf'> {
  readonly capabilities: Pick<Capabilities, 'backend' | 'maxVcpus' | 'models'>;
  readonly processor?: Pick<ProcessorOptions, 'busTable' | 'monitored'>;
  /** The processor's model where it is not the guest's. */
  processorModel?(guest: CpuModel): CpuModel;
}

export interface ProcessorBase {
  readonly options: ProcessorMachineOptions;
  readonly backend: Capabilities['backend'];
  /** The guest's processor. */
  readonly model: CpuModel;
  readonly tscHz: number;
  readonly observation: Observation;
  readonly host: ProcessorHost;
  readonly processor: Processor;
  /** What the vCPU with this number is made of. */
  vcpuParts(id: number): ProcessorVcpuParts;
}

/** Refuses a model or a number of vCPUs that the back end does not offer. */
export function createProcessorBase(options: ProcessorMachineOptions, use: ProcessorUse): ProcessorBase {
  const { memory } = options;
  const { backend, maxVcpus, models } = use.capabilities;
  const refuse = (capability: string): never => {
    throw new EngineError('capability-missing', { capability, backend });
  };
  if (memory.vcpus > maxVcpus) refuse(`${memory.vcpus} vCPUs`);
  const tscHz = options.tscHz ?? DEFAULT_TSC_HZ;
  const model = models.includes(options.model) ? cpuModel(options.model, { tscHz, apicHz: APIC_HZ }) : undefined;
  if (model === undefined) return refuse(`the model ${options.model}`);
  const observation = options.observation ?? createObservation(memory);
  // Each needs the other: the processor calls the host only while it runs.
  const host = new ProcessorHost(memory, { ...use, tscHz, observation });
  const processor = createProcessor({
    machine: memory,
    vcpus: memory.vcpus,
    model: use.processorModel?.(model) ?? model,
    host: host.cpuHost,
    ...(options.interpreter && { interpreter: options.interpreter }),
    jit: options.jit ?? 'off',
    ...(options.compiler && { compiler: options.compiler }),
    ...(options.codeBytes && { codeBytes: options.codeBytes }),
    ...(options.collectGarbage && { collectGarbage: options.collectGarbage }),
    ...use.processor,
    shootdown: (vcpu) => {
      observation.counters.add(vcpu, COUNTER['remote-tlb-flush']);
      host.requests.synchronize(-1, REQUEST.flushTlb, vcpu);
    },
    exclusive: { begin: (vcpu) => host.runAlone(vcpu), end: () => host.requests.endExclusive() },
  });
  host.connect(processor, model.physicalBits);
  const { requests, irqchip } = host;
  const vcpuParts = (id: number) => ({ core: processor.vcpu(id), requests, irqchip, observation, memory });
  return { options, backend, model, tscHz, observation, host, processor, vcpuParts };
}

/** What a back end does beside the processor. */
export interface ProcessorHooks {
  /** Runs a change of the map while no vCPU runs; absent: only the change. */
  mapChange?(change: () => void): void;
  /** After processors and interrupt controllers are at power-on. */
  reset?(): void;
}

export function createProcessorMachine(base: ProcessorBase, vcpus: readonly ProcessorVcpu[], hooks: ProcessorHooks): Machine {
  const { memory } = base.options;
  const { requests, irqchip } = base.host;
  const flushed = (): void => base.observation.counters.add(-1, COUNTER['remote-tlb-flush']);
  // Whoever changes the map stands at a safe point itself: in a host call, or outside of run().
  memory.slots.mapChange = (change) => {
    flushed();
    requests.exclusive(-1, REQUEST.flushTlb, () => (hooks.mapChange ? hooks.mapChange(change) : change()));
  };
  memory.dirtyLog.flushWrites = () => {
    flushed();
    requests.synchronize(-1, REQUEST.flushTlb);
  };
  return {
    backend: base.backend,
    memory,
    requests,
    irqchip,
    ioEvents: new IoEvents(memory, irqchip),
    vcpus,
    setSlot: (slot) => memory.slots.setSlot(slot),
    dirtyLog: (slot) => memory.dirtyLog.collect(slot),
    reset: () => {
      base.processor.reset();
      irqchip.reset();
      hooks.reset?.();
    },
    save: () => saveMachine({ irqchip, vcpus }),
    restore: (saved) => restoreMachine(saved, { irqchip, vcpus }),
  };
}
