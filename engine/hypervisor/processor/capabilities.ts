/** What our own processor offers under every back end. Apart from the machine, so that who only asks loads no processor. */
import { RAM_BYTES, SLOTS } from '../../memory/index.ts';
import { type Capabilities, GROUP_ORDER } from '../index.ts';

export const processorCapabilities = {
  available: true,
  maxVcpus: 16,
  maxRamBytes: RAM_BYTES.maximum,
  slots: SLOTS,
  groups: GROUP_ORDER,
  dirtyLog: true,
  readonlySlots: true,
  x2apic: true,
  ioEvents: true,
  roundRobin: true,
  exactPositions: true,
} as const satisfies Partial<Capabilities>;
