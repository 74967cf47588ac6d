/** What the back end `bare` offers. Apart from the machine, so that who only asks loads no processor. */
import { CPU_MODEL_NAMES } from '../../cpu/index.ts';
import type { Capabilities } from '../index.ts';
import { processorCapabilities } from '../processor/capabilities.ts';

const JIT_COUNTERS = [
  ...(['jit-regions', 'jit-modules', 'jit-bytes', 'jit-refused', 'jit-instructions', 'jit-microseconds'] as const),
  ...(['jit-live', 'jit-live-bytes', 'jit-resets', 'jit-entries', 'jit-chains', 'jit-retired', 'jit-all-retired'] as const),
  ...(['jit-missing', 'jit-asked', 'jit-stopped', 'jit-faulted'] as const),
  ...(['jit-far', 'jit-far-live', 'jit-far-live-bytes', 'jit-far-entries', 'jit-far-elsewhere'] as const),
  ...(['jit-far-written', 'jit-far-anew', 'jit-far-reset', 'jit-far-failed', 'jit-far-crowded'] as const),
];

const DISK_COUNTERS = [
  ...(['disk-reads', 'disk-read-bytes', 'disk-writes', 'disk-write-bytes'] as const),
  ...(['disk-flushes', 'disk-discards', 'disk-failures'] as const),
];

/** What this back end offers; it needs nothing of the host but V8. */
export function bareCapabilities(): Capabilities {
  return {
    ...processorCapabilities,
    backend: 'bare',
    models: CPU_MODEL_NAMES,
    // Without a hypervisor below it there are no exits: only what also happens on a processor is counted.
    counters: [
      'halt-exits',
      'halt-wakeup',
      'io-exits',
      'mmio-exits',
      'irq-injections',
      'remote-tlb-flush',
      'unknown-ports',
      ...JIT_COUNTERS,
      ...DISK_COUNTERS,
    ],
    probes: ['pio', 'mmio', 'apic', 'pic', 'ioapic', 'inject'],
    vmcsFields: {},
  };
}
