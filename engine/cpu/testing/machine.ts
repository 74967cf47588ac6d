/** A small machine for processor tests: RAM from address 0, a host that records port and MMIO accesses, and the tiers to run on it. */
import { createMachineMemory, type MachineMemory } from '../../memory/index.ts';
import type { CpuHost } from '../context.ts';
import type { CpuModel } from '../model/model.ts';
import { cpuModel } from '../model/models.ts';

export interface BusAccess {
  readonly kind: 'in' | 'out' | 'read' | 'write';
  readonly address: number;
  readonly size: number;
  readonly value: number;
}

/** A host with scripted interrupts; reads answer all ones, or what `answer` says. */
export class TestHost implements CpuHost {
  readonly accesses: BusAccess[] = [];
  readonly interrupts: number[] = [];
  answer: (address: number, size: number) => number = (_address, size) => 2 ** (size * 8) - 1;
  tpr = 0;
  count = 0;

  mmioRead(_vcpu: number, pa: number, size: 1 | 2 | 4): number {
    return this.#note('read', pa, size, this.answer(pa, size));
  }
  mmioWrite(_vcpu: number, pa: number, size: 1 | 2 | 4, value: number): void {
    this.#note('write', pa, size, value);
  }
  portRead(_vcpu: number, port: number, size: 1 | 2 | 4): number {
    return this.#note('in', port, size, this.answer(port, size));
  }
  portWrite(_vcpu: number, port: number, size: 1 | 2 | 4, value: number): void {
    this.#note('out', port, size, value);
  }
  #note(kind: BusAccess['kind'], address: number, size: number, value: number): number {
    this.accesses.push({ kind, address, size, value: value >>> 0 });
    return value;
  }
  acknowledgeInterrupt(): number {
    return this.interrupts.shift() ?? -1;
  }
  interruptPending(): boolean {
    return this.interrupts.length > 0;
  }
  readMsr(): bigint | undefined {
    return undefined;
  }
  writeMsr(): boolean | undefined {
    return undefined;
  }
  getTpr(): number {
    return this.tpr;
  }
  setTpr(_vcpu: number, cr8: number): void {
    this.tpr = cr8;
  }
  /** Advances by one at every look, so that runs repeat. */
  ticks(): number {
    return this.count++;
  }
}

export const RAM_BYTES = 4 << 20;

/** Guest memory with one slot of RAM at 0, and the model processors tests use. */
export function testMachine(vcpus = 1): { machine: MachineMemory; model: CpuModel } {
  const machine = createMachineMemory({ ramBytes: RAM_BYTES, vcpus, arenaBytes: vcpus * (32 << 20) + (16 << 20) });
  machine.slots.setSlot({ slot: 0, gpa: 0, size: RAM_BYTES, hva: machine.map.ramBase });
  const model = cpuModel('x86-64-v2', { tscHz: 1e9, apicHz: 1e9 });
  if (model === undefined) throw new Error('the default model is gone');
  return { machine, model };
}
