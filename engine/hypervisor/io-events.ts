/**
 * Notifications between guest and devices without an exit to device code: a guest write rings an event (KVM_IOEVENTFD), and an event
 * raises an interrupt from any thread (KVM_IRQFD). An event is a counter in shared memory that somebody may wait for.
 */
import { assert } from '../base/index.ts';
import type { AccessSize, MachineMemory } from '../memory/index.ts';
import type { Irqchip } from './irqchip/index.ts';

export interface IoEventOptions {
  readonly name: string;
  readonly space: 'port' | 'mmio';
  readonly address: number;
  readonly size: AccessSize;
  /** Only this value rings; absent: any. */
  readonly match?: number;
}

export interface IoEvent {
  /** How often it rang since taken last. Any thread. */
  take(): number;
  /** Blocks until it has rung or `milliseconds` have passed; true when it has. */
  wait(milliseconds: number): boolean;
  /** Stop listening; the address answers as if nothing were there. */
  enable(enabled: boolean): void;
}

const MOST = 64;

/** Made by every thread in the same order. */
export class IoEvents {
  readonly #machine: MachineMemory;
  readonly #irqchip: Irqchip;
  readonly #words: number;
  #next = 0;

  constructor(machine: MachineMemory, irqchip: Irqchip) {
    this.#machine = machine;
    this.#irqchip = irqchip;
    this.#words = machine.arena.take('io-events', MOST * 4, 64) >>> 2;
  }

  /** A guest write of `size` bytes at `address` rings; reads there give all ones. */
  add({ name, space, address, size, match }: IoEventOptions): IoEvent {
    assert(this.#next < MOST, `a machine has at most ${MOST} I/O events`);
    const { i32, bus } = this.#machine;
    const word = this.#words + this.#next++;
    const region = {
      name,
      widest: size,
      read: () => 0xffffffff,
      write: (offset: number, written: AccessSize, value: number) => {
        if (offset !== 0 || written !== size || (match !== undefined && value !== match)) return;
        Atomics.add(i32, word, 1);
        Atomics.notify(i32, word);
      },
    };
    const placement =
      space === 'port' ? bus.addPorts({ port: address, count: size, ...region }) : bus.addMmio({ gpa: address, size, ...region });
    return {
      take: () => Atomics.exchange(i32, word, 0),
      wait: (milliseconds) => {
        if (Atomics.load(i32, word) === 0) Atomics.wait(i32, word, 0, milliseconds);
        return Atomics.load(i32, word) !== 0;
      },
      enable: (enabled) => placement.enable(enabled),
    };
  }

  /** Signal a GSI as one edge, from any thread that does not hold the machine lock. */
  raise(gsi: number): void {
    this.#machine.lock.run(() => this.#irqchip.pulse(gsi));
  }
}
