/** PCI bus 0 of a machine: which function answers at which device and function number. Built alike by every thread. */
import { assert } from '../../base/index.ts';
import type { AccessSize } from '../../memory/index.ts';
import { definePort } from '../ports.ts';
import type { PciFunction } from './config-space.ts';

export class PciBus {
  readonly #functions = new Map<number, PciFunction>();

  /** `slot` 0..31, `fn` 0..7. */
  plug(slot: number, fn: number, device: PciFunction): void {
    const at = slot * 8 + fn;
    assert(slot >= 0 && slot < 32 && fn >= 0 && fn < 8 && !this.#functions.has(at), `PCI ${slot}.${fn} is a free place`);
    this.#functions.set(at, device);
  }

  /** Where there is a function: `slot * 8 + function`, in ascending order. */
  places(): readonly number[] {
    return [...this.#functions.keys()].sort((a, b) => a - b);
  }

  /** A configuration read; nobody there reads as ones (PCI 3.0, 6.1). `devfn` = slot * 8 + function. */
  read(devfn: number, offset: number, size: AccessSize): number {
    const found = this.#functions.get(devfn);
    return found ? found.read(offset, size) : 0xffff_ffff;
  }

  write(devfn: number, access: { readonly offset: number; readonly size: AccessSize; readonly value: number }): void {
    this.#functions.get(devfn)?.write(access.offset, access.size, access.value);
  }
}

/** For host bridges. */
export const pciBus = definePort<PciBus>('pci-bus', () => new PciBus());
