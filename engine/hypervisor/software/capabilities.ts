/** What the back end `software` offers. Apart from the machine, so that who only asks loads no processor. */
import { CPU_MODEL_NAMES, claims, cpuModel, VMCS } from '../../cpu/index.ts';
import { type Capabilities, COUNTER } from '../index.ts';
import { processorCapabilities } from '../processor/capabilities.ts';

/** Frequencies make no difference to what a model claims. */
const HZ = 1_000_000_000;
const NO_VMX = CPU_MODEL_NAMES.filter((name) => {
  const model = cpuModel(name, { tscHz: HZ, apicHz: HZ });
  return model !== undefined && !claims.vmx(model);
});

/** What this back end offers; it needs nothing of the host but V8. */
export function softwareCapabilities(): Capabilities {
  return {
    ...processorCapabilities,
    backend: 'software',
    // A guest that is a hypervisor itself runs on `bare`.
    models: NO_VMX,
    counters: counted,
    probes: [
      'entry',
      'exit',
      'pio',
      'mmio',
      'cr',
      'msr',
      'apic',
      'pic',
      'ioapic',
      'inject',
      'page-fault',
      'hypercall',
      'vmread',
      'vmwrite',
    ],
    vmcsFields: Object.fromEntries(Object.values(VMCS).map(({ name, encoding }) => [name, encoding])),
  };
}

/**
 * Every counter. Some stay 0 because the thing cannot happen: guests keep their floating-point state (`fpu-reload`), INVLPG does not
 * exit under EPT (`invlpg`), the interrupt controllers are in the core (`request-irq-exits`), and there is no shadow paging
 * (`mmu-flooded`, `mmu-pte-updated`, `mmu-pte-write`, `mmu-unsync-page`).
 */
const counted = Object.keys(COUNTER) as (keyof typeof COUNTER)[];
