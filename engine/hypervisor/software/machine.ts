/** The back end `software`: the guest in VMX non-root operation on our own processor, and this program its hypervisor. */
import { EngineError, REQUEST } from '../../base/index.ts';
import {
  type CompilerPort,
  claims,
  cpuModel,
  createProcessor,
  FIELD,
  type InterpreterImage,
  type JitSetting,
  VmxMonitor,
  withVmx,
} from '../../cpu/index.ts';
import { type MachineMemory, PHYS, PHYSICAL_END } from '../../memory/index.ts';
import { COUNTER, createObservation, IoEvents, type Machine, type MachineOptions, PROBE } from '../index.ts';
import { ProcessorHost, restoreMachine, saveMachine } from '../processor/index.ts';
import { APIC_HZ, DEFAULT_TSC_HZ, MAX_VCPUS, NO_VMX } from './capabilities.ts';
import { writeMsrBitmap } from './controls.ts';
import { Mmu } from './mmu/mmu.ts';
import { Para, paraStates } from './para/para.ts';
import { SoftwareVcpu } from './vcpu.ts';

const PAGE = 4096;

export interface SoftwareOptions extends MachineOptions {
  readonly interpreter: InterpreterImage;
  readonly jit?: JitSetting;
  /** Compiles hot code beside the vCPUs of this thread. */
  readonly compiler?: CompilerPort;
}

/** Pages a vCPU's VMX operation needs, in one piece. */
const REGION = { vmxon: 0, vmcs: PAGE, msrBitmap: 2 * PAGE, hostPaging: 3 * PAGE } as const;
const REGIONS_BYTES = 4 * PAGE;

/** The processor's physical addresses are those of the machine's memory: all of it is RAM, and nothing else is there. */
function hostPages(memory: MachineMemory): number {
  const table = memory.arena.take('host-pages', (PHYSICAL_END / PAGE) * 4, PAGE);
  const { u32 } = memory;
  const first = table >>> 2;
  for (let page = 0; page < memory.u8.length / PAGE; page++) u32[first + page] = ((page * PAGE) | PHYS.RAM) >>> 0;
  return table;
}

/** Make this thread's view of a machine. The first thread then calls `reset` once. Refuses a model or a number of vCPUs it does not offer. */
export function createSoftwareMachine(options: SoftwareOptions): Machine {
  const { memory } = options;
  const refuse = (capability: string): never => {
    throw new EngineError('capability-missing', { capability, backend: 'software' });
  };
  if (memory.vcpus > MAX_VCPUS) refuse(`${memory.vcpus} vCPUs`);
  const tscHz = options.tscHz ?? DEFAULT_TSC_HZ;
  const model = NO_VMX.includes(options.model) ? cpuModel(options.model, { tscHz, apicHz: APIC_HZ }) : undefined;
  if (model === undefined) return refuse(`the model ${options.model}`);
  const observation = options.observation ?? createObservation(memory);
  const { counters } = observation;
  const busTable = hostPages(memory);
  const regions = memory.arena.take('vmx', memory.vcpus * REGIONS_BYTES, PAGE);
  const pagesOf = (vcpu: number) => regions + vcpu * REGIONS_BYTES;
  const tscOffset = (vcpu: number): bigint => {
    const at = pagesOf(vcpu) + REGION.vmcs + FIELD.tscOffset * 4;
    return memory.dv.getBigUint64(at, true);
  };
  const mmu = new Mmu(memory, observation);
  const states = paraStates(memory);
  // A kick: whatever other threads want, the guest exits for it.
  const host = new ProcessorHost(memory, { tscHz, observation, tscOffset, withNmi: REQUEST.interrupt, countAccesses: false });
  const flushed = (vcpu: number): void => counters.add(vcpu, COUNTER['remote-tlb-flush']);
  const processor = createProcessor({
    machine: memory,
    vcpus: memory.vcpus,
    model: withVmx(model),
    host: host.cpuHost,
    interpreter: options.interpreter,
    jit: options.jit ?? 'off',
    ...(options.compiler && { compiler: options.compiler }),
    busTable,
    monitored: true,
    shootdown: (vcpu) => {
      flushed(vcpu);
      host.requests.synchronize(-1, REQUEST.flushTlb, vcpu);
    },
    exclusive: { begin: (vcpu) => host.runAlone(vcpu), end: () => host.requests.endExclusive() },
  });
  host.connect(processor, model.physicalBits);
  const { requests, irqchip } = host;
  const vcpus = Array.from({ length: memory.vcpus }, (_, id) => {
    const core = processor.vcpu(id);
    const pages = pagesOf(id);
    return new SoftwareVcpu({
      core,
      requests,
      irqchip,
      observation,
      memory,
      vcpus: memory.vcpus,
      monitor: new VmxMonitor(core, { vmxon: pages + REGION.vmxon, vmcs: pages + REGION.vmcs }, (access, field, value) => {
        const { probes } = observation;
        const probe = access === 'read' ? 'vmread' : 'vmwrite';
        if (probes.on(id, PROBE[probe])) probes.fire(id, probe, { field, value });
      }),
      host,
      mmu,
      para: new Para({
        id,
        memory,
        requests,
        irqchip,
        tscHz,
        states,
        tscOffset: () => tscOffset(id),
        calendar: options.calendar,
      }),
      model,
      controls: {
        vpid: id + 1,
        msrBitmap: pages + REGION.msrBitmap,
        virtualApic: irqchip.lapics.of(id).state.base,
        hostPaging: pages + REGION.hostPaging,
        eptPointer: mmu.eptPointer,
        cr4: model.cr4,
        rdtscp: claims.rdtscp(model),
        invpcid: claims.invpcid(model),
      },
    });
  });
  observation.probes.fieldReader = (vcpu, encoding) => vcpus[vcpu]?.field(encoding);
  // Whoever changes the map stands at a safe point itself: in a host call, or outside of run().
  memory.slots.mapChange = (change) => {
    counters.add(-1, COUNTER['remote-tlb-flush']);
    requests.exclusive(-1, REQUEST.flushTlb, () => {
      // Dirty flags go with the tables, and pages are found by the map as it was.
      mmu.harvestAll();
      change();
      mmu.zap();
    });
  };
  memory.dirtyLog.harvestWrites = (slot) => mmu.harvest(slot);
  memory.dirtyLog.flushWrites = () => {
    counters.add(-1, COUNTER['remote-tlb-flush']);
    requests.synchronize(-1, REQUEST.flushTlb);
  };
  return {
    backend: 'software',
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
      for (const vcpu of vcpus) {
        const bitmap = pagesOf(vcpu.id) + REGION.msrBitmap;
        writeMsrBitmap(memory.u8.subarray(bitmap, bitmap + PAGE));
        vcpu.start();
      }
    },
    save: () => saveMachine({ irqchip, vcpus }),
    restore: (saved) => restoreMachine(saved, { irqchip, vcpus }),
  };
}
