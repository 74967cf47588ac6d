import type { Views } from '../state/index.ts';
import { FIXED, type MemoryMap, PAGE, PHYS } from './map.ts';
import type { MemorySlot, Slots } from './slots.ts';

/** Makes every vCPU drop the write entries of its TLB and returns when all have passed a safe point. */
export type FlushWrites = () => void;

/** Brings what only a back end knows of the pages written in a slot (dirty flags of its tables) into the log. Write entries are flushed after. */
export type HarvestWrites = (slot: number) => void;

/** Which pages of a slot were written, by guest or devices: bit i of byte i >> 3 = page i of the slot. */
export class DirtyLog {
  readonly #views: Views;
  readonly #words: number;
  readonly #slots: Slots;
  #flush: FlushWrites = () => undefined;
  #harvest: HarvestWrites = () => undefined;

  constructor(views: Views, map: MemoryMap, slots: Slots) {
    this.#views = views;
    this.#words = map.dirtyBits >>> 2;
    this.#slots = slots;
  }

  set flushWrites(flush: FlushWrites) {
    this.#flush = flush;
  }

  set harvestWrites(harvest: HarvestWrites) {
    this.#harvest = harvest;
  }

  /** Mark the host page at `hva` as written: for devices, whose writes pass no TLB. */
  mark(hva: number): void {
    const page = hva >>> 12;
    Atomics.or(this.#views.i32, this.#words + (page >>> 5), 1 << (page & 31));
  }

  /** As `mark`, for `count` pages from that at `hva` on. */
  markPages(hva: number, count: number): void {
    const { i32 } = this.#views;
    const first = hva >>> 12;
    for (let page = first; page < first + count; ) {
      const inWord = Math.min(32 - (page & 31), first + count - page);
      const bits = (inWord === 32 ? -1 : (1 << inWord) - 1) << (page & 31);
      const word = this.#words + (page >>> 5);
      if ((Atomics.load(i32, word) & bits) !== bits) Atomics.or(i32, word, bits);
      page += inWord;
    }
  }

  /** The log so far, which goes on. Empty when the slot does not exist. */
  get(slot: number): Uint8Array {
    return this.#gather(slot, (page) => (this.#views.u32[this.#words + (page >>> 5)] as number) & (1 << (page & 31)));
  }

  /**
   * Take the log and start a new one. On return every page that is not in a later log can be read and will not change unseen: the bit
   * is taken, then logging of the page is armed again, then write entries are flushed, then every acknowledgement is awaited. A vCPU
   * clears `PHYS.LOG` before it sets the bit, so a write in between is in this log or in the next.
   */
  collect(slot: number): Uint8Array {
    const range = this.#slots.pages(slot);
    this.#harvest(slot);
    const taken = this.#gather(slot, (page, gpa) => {
      const bit = 1 << (page & 31);
      const was = Atomics.and(this.#views.i32, this.#words + (page >>> 5), ~bit) & bit;
      if (was === 0) return 0;
      this.#log(gpa);
      return was;
    });
    if (range !== undefined) this.#flush();
    return taken;
  }

  /**
   * As `collect`, for `bytes` bytes of the machine's memory at `hva`, in whole pages, in whatever logging slots they show: one byte for
   * each page, 1 where it was written. The caller holds the machine lock, so that slots stay as they are.
   */
  collectPages(hva: number, bytes: number): Uint8Array {
    const first = hva / PAGE;
    const count = bytes / PAGE;
    const taken = new Uint8Array(count);
    const { i32, u32 } = this.#views;
    const shown = this.#slots.all().filter(({ log, readonly }) => log && !readonly);
    for (const { slot, hva: start, size } of shown) if (start < hva + bytes && hva < start + size) this.#harvest(slot);
    let armed = false;
    for (let i = 0; i < count; i++) {
      const page = first + i;
      const word = this.#words + (page >>> 5);
      // Most of a memory is untouched: 32 pages in one look.
      if ((page & 31) === 0 && count - i >= 32 && u32[word] === 0) {
        i += 31;
        continue;
      }
      const bit = 1 << (page & 31);
      if (((u32[word] as number) & bit) === 0) continue;
      Atomics.and(i32, word, ~bit);
      taken[i] = 1;
      armed = this.#arm(page, shown) || armed;
    }
    if (armed) this.#flush();
    return taken;
  }

  /** Log the next write of a host page wherever one of the slots shows it. False when none does. */
  #arm(page: number, shown: readonly MemorySlot[]): boolean {
    let armed = false;
    for (const { gpa, size, hva } of shown) {
      const offset = page * PAGE - hva;
      if (offset < 0 || offset >= size) continue;
      this.#log(gpa + offset);
      armed = true;
    }
    return armed;
  }

  /** While the A20 line is held, a page shows a second time one megabyte above. */
  #log(gpa: number): void {
    const { i32 } = this.#views;
    const table = FIXED.physTable >>> 2;
    Atomics.or(i32, table + gpa / PAGE, PHYS.LOG);
    if (i32[FIXED.a20Masked >>> 2] !== 0 && gpa < 2 ** 32) Atomics.or(i32, table + ((gpa / PAGE) | 256), PHYS.LOG);
  }

  #gather(slot: number, take: (page: number, gpa: number) => number): Uint8Array {
    const range = this.#slots.pages(slot);
    if (range === undefined) return new Uint8Array(0);
    const bits = new Uint8Array((range.count + 7) >>> 3);
    for (let i = 0; i < range.count; i++) {
      if (take(range.first + i, range.gpa + i * PAGE) !== 0) bits[i >>> 3] = (bits[i >>> 3] as number) | (1 << (i & 7));
    }
    return bits;
  }
}
