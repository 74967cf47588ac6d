import { assemble } from '../../isa/assemble.ts';
import { createMachineMemory, type MachineMemory } from '../../memory/index.ts';
import type { Capabilities, Machine, Vcpu } from '../index.ts';

/** A back end under test. */
export interface Backend {
  capabilities(): Capabilities;
  /** A machine over `memory`, not yet reset. */
  create(memory: MachineMemory): Machine;
}

const RAM = 4 * 2 ** 20;
const CODE = 0x1000;

/** A machine of two vCPUs with 4 MiB, at power-on, and what tests do with it. Time is the test's. */
export function bench(backend: Backend) {
  const time = { ns: 0 };
  const memory = createMachineMemory({ ramBytes: RAM, vcpus: 2, arenaBytes: 128 * 2 ** 20, hostNow: () => time.ns });
  const machine = backend.create(memory);
  machine.setSlot({ slot: 0, gpa: 0, size: RAM, hva: memory.map.ramBase });
  machine.reset();
  memory.clock.start();
  const vcpuAt = (id: number) => machine.vcpus[id] as Vcpu;
  const code = (address: number, bits: 16 | 32 | 64, text: string) => {
    memory.dma.write(address, assemble(text, { code: bits, origin: BigInt(address) }).bytes);
  };
  const start = (vcpu: Vcpu, address: number) => {
    const zero = Object.fromEntries(Object.keys(vcpu.get('regs')).map((name) => [name, 0n]));
    const stack = 0x8000n + BigInt(vcpu.id) * 0x1000n;
    vcpu.set('regs', { ...vcpu.get('regs'), ...zero, rip: BigInt(address), rsp: stack, rflags: 2n });
    vcpu.set('mp_state', { mp_state: 0 });
  };
  return {
    machine,
    time,
    vcpuAt,
    vcpu: vcpuAt(0),
    code,
    regs: () => vcpuAt(0).get('regs'),
    /** 16-bit code at 1000h (2000h for vCPU 1), all segments at 0; data segments reach 4 GiB. */
    real: (text: string, id = 0) => {
      const vcpu = vcpuAt(id);
      code(CODE * (id + 1), 16, text);
      const sregs = vcpu.get('sregs');
      const cs = { ...sregs.cs, base: 0n, selector: 0 };
      const ds = { ...sregs.ds, limit: 0xffffffff, g: 1 };
      vcpu.set('sregs', { ...sregs, cs, ds, cr0: 0x10n });
      start(vcpu, CODE * (id + 1));
    },
    /** 32-bit protected mode, flat, no paging. */
    flat: (text: string) => {
      const vcpu = vcpuAt(0);
      code(CODE, 32, text);
      const sregs = vcpu.get('sregs');
      const flat = {
        ...sregs.ds,
        base: 0n,
        limit: 0xffffffff,
        selector: 0x10,
        type: 3,
        s: 1,
        dpl: 0,
        present: 1,
        db: 1,
        g: 1,
        l: 0,
        unusable: 0,
      };
      const cs = { ...flat, selector: 8, type: 11 };
      vcpu.set('sregs', { ...sregs, cs, ds: flat, es: flat, ss: flat, cr0: 0x11n });
      start(vcpu, CODE);
    },
    /** A real-mode interrupt handler. */
    isr: (vector: number, text: string) => {
      const at = 0x3000 + vector * 0x20;
      code(at, 16, text);
      memory.dma.write32(vector * 4, at);
    },
    /** Enable a local APIC by its spurious-interrupt register. */
    apicOn: (id: number) => machine.irqchip.lapics.mmioWrite(id, 0xfee0_00f0, 4, 0x1ff),
    advance: (ns: number) => {
      time.ns += ns;
      memory.lock.run(() => memory.deadlines.serve(memory.clock.now()));
    },
  };
}

/** Run on through requests of other threads: a change of the map asks every vCPU to return once. */
export function finish(vcpu: Vcpu, limit = 1000): void {
  for (let turn = 0; turn < 10; turn++) if (vcpu.run(limit).reason !== 'request') return;
}
