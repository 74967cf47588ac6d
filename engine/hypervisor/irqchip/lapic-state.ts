/** State of a local APIC: the register page as KVM has it, and what KVM keeps beside it. Source: SDM vol. 3, chapter 10. */
import { array, defineState, i64, u8, u32, u64 } from '../../state/index.ts';

/** Byte offsets of registers in the page (SDM table 10-1). */
export const REG = {
  id: 0x20,
  version: 0x30,
  tpr: 0x80,
  apr: 0x90,
  ppr: 0xa0,
  eoi: 0xb0,
  ldr: 0xd0,
  dfr: 0xe0,
  svr: 0xf0,
  isr: 0x100,
  tmr: 0x180,
  irr: 0x200,
  esr: 0x280,
  icr: 0x300,
  icr2: 0x310,
  lvtTimer: 0x320,
  lvtThermal: 0x330,
  lvtCounter: 0x340,
  lvt0: 0x350,
  lvt1: 0x360,
  lvtError: 0x370,
  initialCount: 0x380,
  currentCount: 0x390,
  divide: 0x3e0,
  selfIpi: 0x3f0,
} as const;

/** Delivery modes (SDM 10.5.1, 10.6.1). */
export const MODE = { fixed: 0, lowest: 1, smi: 2, nmi: 4, init: 5, startup: 6, extInt: 7 } as const;

/** IA32_APIC_BASE (SDM 10.4.4). */
export const APIC_BASE = { bsp: 1n << 8n, x2apic: 1n << 10n, enabled: 1n << 11n } as const;
export const APIC_DEFAULT = 0xfee0_0000n;
export const LVT_MASKED = 1 << 16;
/** Version 14h with six LVT entries. */
export const VERSION = 0x0005_0014;

const page = Array<number>(256).fill(0);
page[REG.version >>> 2] = VERSION;
page[REG.dfr >>> 2] = 0xffffffff;
page[REG.svr >>> 2] = 0xff;
for (const entry of [REG.lvtTimer, REG.lvtThermal, REG.lvtCounter, REG.lvt0, REG.lvt1, REG.lvtError])
  page[entry >>> 2] = LVT_MASKED;

export const lapicState = defineState('lapic', {
  regs: array('u32', 256, {
    id: 1,
    reset: page,
    doc: 'Register page, one register per 16 bytes; 900h bytes on are unused',
    kvm: 'kvm_lapic_state.regs',
  }),
  apicBase: u64({ id: 2, reset: APIC_DEFAULT | APIC_BASE.enabled, doc: 'IA32_APIC_BASE', kvm: 'kvm_sregs.apic_base' }),
  tscDeadline: u64({ id: 3, doc: 'IA32_TSC_DEADLINE', kvm: 'msr 0x6e0' }),
  due: i64({ id: 4, reset: -1n, range: [-1n, 1n << 62n], doc: 'Machine time in ns when the timer expires; -1: not counting' }),
  pendingErrors: u32({ id: 5, mask: 0xff, doc: 'Errors not yet shown in the error status register' }),
  sipiVector: u8({ id: 6, doc: 'Vector of the last start-up IPI', kvm: 'kvm_vcpu_events.sipi_vector' }),
  arbitration: u32({ id: 7, doc: 'How many lowest-priority interrupts this APIC took: the least decides between equals' }),
  nmiQueued: u32({
    id: 8,
    range: [0, 1],
    doc: 'A second NMI waits behind the one that is pending',
    kvm: 'kvm_vcpu_events.nmi.pending',
  }),
});

export type LapicState = ReturnType<(typeof lapicState)['bind']>;
