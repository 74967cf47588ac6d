/** The back end `software`: the guest in VMX non-root operation on our own processor, and this program its hypervisor. */
import { REQUEST } from '../../base/index.ts';
import { claims, cpuidView, FIELD, VmxMonitor, withVmx } from '../../cpu/index.ts';
import { type MachineMemory, PHYS, PHYSICAL_END } from '../../memory/index.ts';
import { type Machine, PROBE } from '../index.ts';
import {
  createProcessorBase,
  createProcessorMachine,
  type ProcessorBase,
  type ProcessorMachineOptions,
} from '../processor/index.ts';
import { softwareCapabilities } from './capabilities.ts';
import { writeMsrBitmap } from './controls.ts';
import { IMAGE_WORDS } from './exit-images.ts';
import { guestLeaf } from './exits/cpuid.ts';
import { Mmu } from './mmu/mmu.ts';
import { Para, paraStates } from './para/para.ts';
import { SoftwareVcpu } from './vcpu.ts';

const PAGE = 4096;

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
export function createSoftwareMachine(options: ProcessorMachineOptions): Machine {
  const { memory } = options;
  const regions = memory.arena.take('vmx', memory.vcpus * REGIONS_BYTES, PAGE);
  const pagesOf = (vcpu: number) => regions + vcpu * REGIONS_BYTES;
  const tscOffset = (vcpu: number): bigint => {
    const at = pagesOf(vcpu) + REGION.vmcs + FIELD.tscOffset * 4;
    return memory.dv.getBigUint64(at, true);
  };
  const base: ProcessorBase = createProcessorBase(options, {
    capabilities: softwareCapabilities(),
    tscOffset,
    // A kick: whatever other threads want, the guest exits for it.
    withNmi: REQUEST.interrupt,
    countAccesses: false,
    guestLeaf: (vcpu, at) => guestLeaf(base.model, at, cpuidView(base.processor.vcpu(vcpu))),
    processor: { busTable: hostPages(memory), monitored: true },
    processorModel: withVmx,
  });
  const { model, observation, host, tscHz } = base;
  const { irqchip, requests } = host;
  const mmu = new Mmu(memory, observation);
  const states = paraStates(memory);
  const vcpus = Array.from({ length: memory.vcpus }, (_, id) => {
    const parts = base.vcpuParts(id);
    const pages = pagesOf(id);
    const watch = (access: 'read' | 'write', field: number, value: bigint): void => {
      const { probes } = observation;
      const probe = access === 'read' ? 'vmread' : 'vmwrite';
      if (probes.on(id, PROBE[probe])) probes.fire(id, probe, { field, value });
    };
    const para = { id, memory, requests, irqchip, tscHz, states, tscOffset: () => tscOffset(id), calendar: options.calendar };
    return new SoftwareVcpu({
      ...parts,
      vcpus: memory.vcpus,
      monitor: new VmxMonitor(parts.core, { vmxon: pages + REGION.vmxon, vmcs: pages + REGION.vmcs }, watch),
      host,
      mmu,
      para: new Para(para),
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
  observation.images.source = {
    words: IMAGE_WORDS,
    region: (vcpu) => {
      vcpus[vcpu]?.monitor.writeState();
      return pagesOf(vcpu) + REGION.vmcs;
    },
  };
  memory.dirtyLog.harvestWrites = (slot) => mmu.harvest(slot);
  return createProcessorMachine(base, vcpus, {
    mapChange: (change) => {
      // Dirty flags go with the tables, and pages are found by the map as it was.
      mmu.harvestAll();
      change();
      mmu.zap();
    },
    reset: () => {
      for (const vcpu of vcpus) {
        const bitmap = pagesOf(vcpu.id) + REGION.msrBitmap;
        writeMsrBitmap(memory.u8.subarray(bitmap, bitmap + PAGE));
        vcpu.start();
      }
    },
  });
}
