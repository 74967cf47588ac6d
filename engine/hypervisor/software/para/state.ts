/** What KVM keeps for the paravirtual services of one vCPU. Saved beside the processor; nothing of it when no guest asked. */
import { defineState, u32, u64 } from '../../../state/index.ts';

export const paraState = defineState('para', {
  wallClock: u64({ id: 1, doc: 'MSR_KVM_WALL_CLOCK: where the guest wants the civil time of its start', kvm: 'msr 0x4b564d00' }),
  systemTime: u64({ id: 2, doc: 'MSR_KVM_SYSTEM_TIME: where it wants its clock; bit 0 on', kvm: 'msr 0x4b564d01' }),
  stealTime: u64({ id: 3, doc: 'MSR_KVM_STEAL_TIME: where it wants the time taken from it; bit 0 on', kvm: 'msr 0x4b564d03' }),
  pvEoi: u64({ id: 4, doc: 'MSR_KVM_PV_EOI_EN: where it ends interrupts without an exit; bit 0 on', kvm: 'msr 0x4b564d04' }),
  stolen: u64({ id: 5, doc: 'Nanoseconds taken from the vCPU while it could have run' }),
  eoiOffered: u32({ id: 6, range: [0, 1], doc: '1: the interrupt in service may be ended in memory' }),
  kicked: u32({ id: 7, range: [0, 1], doc: '1: another vCPU ended the next, or present, HLT' }),
});

export type ParaState = ReturnType<(typeof paraState)['bind']>;
