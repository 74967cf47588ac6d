import { createMachineMemory } from '../../../memory/index.ts';
import { Irqchip } from '../irqchip.ts';

/** Interrupt controllers of a machine without processors: signals are recorded, time is the test's. */
export function chips(vcpus = 2) {
  const time = { ns: 0 };
  const machine = createMachineMemory({ ramBytes: 2 ** 20, vcpus, arenaBytes: 2 ** 20, hostNow: () => time.ns });
  machine.clock.start();
  machine.lock.acquire();
  const signals: number[] = Array(vcpus).fill(0);
  const tsc = { offset: 0n };
  const irqchip = new Irqchip(machine, {
    signal: (vcpu, bits) => {
      signals[vcpu] = (signals[vcpu] as number) | bits;
    },
    guestTsc: () => BigInt(Math.floor(machine.clock.now())) * 2n + tsc.offset,
    tscHz: 2e9,
    physicalBits: 40,
  });
  irqchip.reset();
  const { bus } = machine;
  return {
    machine,
    irqchip,
    time,
    tsc,
    /** Bits raised for a vCPU since asked last. */
    signalled: (vcpu: number) => {
      const bits = signals[vcpu] as number;
      signals[vcpu] = 0;
      return bits;
    },
    advance: (ns: number) => {
      time.ns += ns;
      machine.deadlines.serve(machine.clock.now());
    },
    inb: (port: number) => bus.portRead(0, port, 1),
    outb: (port: number, value: number) => bus.portWrite(0, port, 1, value),
    apic: (vcpu: number) => ({
      read: (at: number) => irqchip.lapics.mmioRead(vcpu, 0xfee0_0000 + at, 4),
      write: (at: number, value: number) => irqchip.lapics.mmioWrite(vcpu, 0xfee0_0000 + at, 4, value),
    }),
    ioapicWrite: (register: number, value: number) => {
      bus.mmioWrite(0, 0xfec0_0000, 4, register);
      bus.mmioWrite(0, 0xfec0_0010, 4, value);
    },
    ioapicRead: (register: number) => {
      bus.mmioWrite(0, 0xfec0_0000, 4, register);
      return bus.mmioRead(0, 0xfec0_0010, 4);
    },
  };
}

export type Chips = ReturnType<typeof chips>;

/** Both 8259 as Linux sets them: vectors 30h and 38h, everything unmasked. */
export function initializePics({ outb }: Chips, icw4 = 1): void {
  for (const [port, base, wiring] of [
    [0x20, 0x30, 4],
    [0xa0, 0x38, 2],
  ] as const) {
    outb(port, 0x11);
    outb(port + 1, base);
    outb(port + 1, wiring);
    outb(port + 1, icw4);
    outb(port + 1, 0);
  }
}
