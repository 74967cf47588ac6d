/** kvmstat's columns and the counters they show, by the names that illumos KVM's README gives them. */
export const KVMSTAT = {
  exits: 'exits',
  haltx: 'halt-exits',
  irqx: 'irq-exits',
  irqwx: 'irq-window-exits',
  iox: 'io-exits',
  mmiox: 'mmio-exits',
  irqs: 'irq-injections',
  emul: 'insn-emulation',
  eptv: 'ept-violations',
} as const;
