/** Entries of the vCPU for regions with code of several pages: what they ask when they are entered (`FAR_ENTRY`). */
import { FIXED, type MachineMemory } from '../../memory/index.ts';
import { CPU_FAR, CPU_FAR_TAGS, FAR_ENTRIES, FAR_ENTRY, FAR_ENTRY_BYTES, FAR_TAG_BYTES } from '../regions.ts';
import type { JitCounters } from './counters.ts';
import type { FarPage } from './order.ts';

const PAIR = 8;

export class FarEntries {
  readonly #machine: MachineMemory;
  /** Address of the vCPU's region. */
  readonly #base: number;
  readonly #counters: JitCounters;
  readonly #free = Array.from({ length: FAR_ENTRIES }, (_, i) => FAR_ENTRIES - 1 - i);

  constructor(machine: MachineMemory, base: number, counters: JitCounters) {
    this.#machine = machine;
    this.#base = base;
    this.#counters = counters;
  }

  take(): number | undefined {
    const entry = this.#free.pop();
    if (entry === undefined) this.#counters.farLost.crowded++;
    else this.#counters.farEntries++;
    return entry;
  }

  release(entry: number): void {
    this.#forget(entry);
    this.#free.push(entry);
    this.#counters.farEntries--;
  }

  #forget(entry: number): void {
    const at = (this.#base + CPU_FAR_TAGS + FAR_TAG_BYTES * entry) >>> 2;
    this.#machine.u32.fill(0, at, at + FAR_TAG_BYTES / 4);
  }

  /** Sum of the generations of some pages. To be asked after writes to their code are noticed, and before the code is compared. */
  generations(pages: readonly FarPage[]): number {
    let sum = 0;
    for (const { host } of pages) sum += Atomics.load(this.#machine.i32, (FIXED.pageInfo + host * 16 + 8) >>> 2);
    return sum | 0;
  }

  /** A region begins to use its entry. `instead`: slot of the region that runs where it cannot. */
  begin(entry: number, pages: readonly FarPage[], instead: number): void {
    const { i32 } = this.#machine;
    const at = this.#base + CPU_FAR + FAR_ENTRY_BYTES * entry;
    i32.fill(0, at >>> 2, (at + FAR_ENTRY_BYTES) >>> 2);
    i32[(at + FAR_ENTRY.instead) >>> 2] = instead;
    for (const [i, { number, host }] of pages.entries()) {
      const pair = (at + FAR_ENTRY.pages + PAIR * i) >>> 2;
      i32[pair] = number;
      i32[pair + 1] = host;
    }
    this.#forget(entry);
  }

  /** The code was compared when the generations were these. */
  compared(entry: number, generations: number): void {
    this.#machine.i32[(this.#base + CPU_FAR + FAR_ENTRY_BYTES * entry + FAR_ENTRY.generations) >>> 2] = generations;
  }
}
