import { EngineError } from '../base/index.ts';
import type { Views } from '../state/index.ts';
import { FIXED, type MemoryMap, PAGE, PHYS, PHYSICAL_END, SLOTS } from './map.ts';

/** A memory slot as KVM has it: a run of guest-physical pages shown from host memory. */
export interface MemorySlot {
  /** 0..63. */
  readonly slot: number;
  readonly gpa: number;
  /** Bytes, whole pages; 0 deletes the slot. */
  readonly size: number;
  /** Address in the machine's memory. */
  readonly hva: number;
  /** Guest writes go to the bus. */
  readonly readonly?: boolean;
  /** Writes are logged by page. */
  readonly log?: boolean;
}

/** Runs a change of the map while no vCPU touches guest memory, and flushes their TLBs. */
export type MapChange = (change: () => void) => void;

const PRESENT = 1;
const READONLY = 2;
const LOG = 4;

/** The slots of a machine and the table of guest-physical pages computed from them. The table of slots is shared by all threads. */
export class Slots {
  readonly #views: Views;
  readonly #map: MemoryMap;
  readonly #places: Float64Array;
  readonly #table: Int32Array;
  #change: MapChange = (change) => change();
  #staged: MemorySlot[] | undefined;
  #stagedA20: boolean | undefined;

  constructor(views: Views, map: MemoryMap) {
    this.#views = views;
    this.#map = map;
    this.#places = new Float64Array(views.buffer as ArrayBuffer, FIXED.slots, SLOTS * 4);
    this.#table = new Int32Array(views.buffer as ArrayBuffer, FIXED.physTable, PHYSICAL_END / PAGE);
  }

  /** Who runs map changes at a safe point; until set they run at once, which is right for a single thread. */
  set mapChange(change: MapChange) {
    this.#change = change;
  }

  /** The slot as set, undefined when there is none. */
  get(slot: number): MemorySlot | undefined {
    const at = (FIXED.slots + slot * 32) >>> 2;
    const flags = this.#views.u32[at + 5] as number;
    if (slot < 0 || slot >= SLOTS || (flags & PRESENT) === 0) return undefined;
    return {
      slot,
      gpa: this.#places[slot * 4] as number,
      size: this.#places[slot * 4 + 1] as number,
      hva: this.#views.u32[at + 4] as number,
      readonly: (flags & READONLY) !== 0,
      log: (flags & LOG) !== 0,
    };
  }

  all(): MemorySlot[] {
    return Array.from({ length: SLOTS }, (_, slot) => this.get(slot)).filter((slot) => slot !== undefined);
  }

  /** Guest-physical address that shows this byte of the machine's memory; undefined outside all slots. */
  gpaOf(hva: number): number | undefined {
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = (FIXED.slots + slot * 32) >>> 2;
      const offset = hva - (this.#views.u32[at + 4] as number);
      if (((this.#views.u32[at + 5] as number) & PRESENT) === 0 || offset < 0) continue;
      if (offset < (this.#places[slot * 4 + 1] as number)) return (this.#places[slot * 4] as number) + offset;
    }
    return undefined;
  }

  /** Create, change or delete a slot. Refused when it is not whole pages, overlaps another or leaves the machine's memory. */
  setSlot(slot: MemorySlot): void {
    this.batch(() => this.#staged?.push(slot));
  }

  /** Hold address bit 20 at zero for the processor, or release it: the odd megabytes below 4 GiB then show the even ones. */
  setA20(enabled: boolean): void {
    this.batch(() => {
      this.#stagedA20 = enabled;
    });
  }

  /** Changes made inside `body` are committed together, at one safe point. */
  batch(body: () => void): void {
    if (this.#staged !== undefined) {
      body();
      return;
    }
    this.#staged = [];
    try {
      body();
      const [slots, a20] = [this.#staged, this.#stagedA20];
      this.#validate(slots);
      const masked = this.#views.u32[FIXED.a20Masked >>> 2] !== 0;
      if (slots.length > 0 || (a20 !== undefined && a20 === masked)) this.#change(() => this.#commit(slots, a20));
    } finally {
      this.#staged = undefined;
      this.#stagedA20 = undefined;
    }
  }

  /** Pages of a slot in order: host page number of the first and how many. */
  pages(slot: number): { first: number; count: number; gpa: number } | undefined {
    const found = this.get(slot);
    return found && { first: found.hva / PAGE, count: found.size / PAGE, gpa: found.gpa };
  }

  #validate(slots: readonly MemorySlot[]): void {
    const after = new Map(this.all().map((slot) => [slot.slot, slot]));
    const refuse = (slot: MemorySlot, reason: string) => {
      throw new EngineError('slot-invalid', { slot: slot.slot, reason });
    };
    for (const slot of slots) {
      if (!Number.isInteger(slot.slot) || slot.slot < 0 || slot.slot >= SLOTS)
        refuse(slot, `slots are numbered 0 to ${SLOTS - 1}`);
      if ([slot.gpa, slot.size, slot.hva].some((n) => !Number.isInteger(n) || n < 0 || n % PAGE !== 0))
        refuse(slot, 'it is not whole pages');
      if (slot.gpa + slot.size > PHYSICAL_END) refuse(slot, 'it ends beyond 16 GiB');
      if (slot.hva + slot.size > this.#views.u8.length) refuse(slot, 'it leaves the memory of the machine');
      if (slot.size === 0) after.delete(slot.slot);
      else after.set(slot.slot, slot);
    }
    const inOrder = [...after.values()].sort((a, b) => a.gpa - b.gpa);
    inOrder.forEach((slot, i) => {
      const next = inOrder[i + 1];
      if (next && slot.gpa + slot.size > next.gpa) refuse(next, `it overlaps slot ${slot.slot}`);
    });
  }

  #commit(slots: readonly MemorySlot[], a20: boolean | undefined): void {
    const dirty: { gpa: number; size: number }[] = [];
    for (const slot of slots) {
      const before = this.get(slot.slot);
      if (before) dirty.push(before);
      dirty.push(slot);
      if (slot.log && !before?.log) this.#forget(slot);
      this.#store(slot);
    }
    const masked = this.#views.u32[FIXED.a20Masked >>> 2] !== 0;
    if (a20 !== undefined && a20 === masked) {
      this.#views.u32[FIXED.a20Masked >>> 2] = a20 ? 0 : 1;
      dirty.push(...this.all());
    }
    for (const range of dirty) this.#table.fill(0, range.gpa / PAGE, (range.gpa + range.size) / PAGE);
    for (const slot of this.all()) {
      for (const range of dirty) {
        const from = Math.max(slot.gpa, range.gpa);
        const to = Math.min(slot.gpa + slot.size, range.gpa + range.size);
        this.#show(slot, from, to);
      }
    }
    if (this.#views.u32[FIXED.a20Masked >>> 2] !== 0) this.#maskA20();
    else if (a20) this.#clearAliases();
    Atomics.add(this.#views.i32, FIXED.mapGeneration >>> 2, 1);
  }

  /** A part of a slot into the map. A start does so with every page there is, before anything is optimized: one plain loop. */
  #show({ gpa, hva, log, readonly }: MemorySlot, from: number, to: number): void {
    const table = this.#table;
    const { u32 } = this.#views;
    const bits = this.#map.dirtyBits >>> 2;
    const kind = readonly ? PHYS.ROM : PHYS.RAM;
    const logs = log === true && !readonly;
    const end = to / PAGE;
    let at = hva + (from - gpa);
    for (let page = from / PAGE; page < end; page++) {
      const host = at / PAGE;
      const unwritten = logs && (((u32[bits + (host >>> 5)] as number) >>> (host & 31)) & 1) === 0;
      table[page] = at | kind | (unwritten ? PHYS.LOG : 0);
      at += PAGE;
    }
  }

  /** The map is then complete for aliases too: an odd megabyte shows the even one below it, slots or not. */
  #maskA20(): void {
    for (let page = 256; page < 0x10_0000; page += 512) this.#table.copyWithin(page, page - 256, page);
  }

  /** Odd megabytes without a slot go back to nothing. */
  #clearAliases(): void {
    const slots = this.all();
    const covered = (gpa: number) => slots.find((slot) => gpa >= slot.gpa && gpa < slot.gpa + slot.size);
    for (let page = 256; page < 0x10_0000; page += 512) {
      for (let i = page; i < page + 256; i++) if (this.#table[i] !== 0 && !covered(i * PAGE)) this.#table[i] = 0;
    }
  }

  #store(slot: MemorySlot): void {
    const at = (FIXED.slots + slot.slot * 32) >>> 2;
    this.#places[slot.slot * 4] = slot.gpa;
    this.#places[slot.slot * 4 + 1] = slot.size;
    this.#views.u32[at + 4] = slot.hva;
    this.#views.u32[at + 5] = slot.size === 0 ? 0 : PRESENT | (slot.readonly ? READONLY : 0) | (slot.log ? LOG : 0);
  }

  /** Logging starts from here: what was written before does not count. */
  #forget(slot: MemorySlot): void {
    const words = this.#map.dirtyBits >>> 2;
    const end = (slot.hva + slot.size) / PAGE;
    for (let page = slot.hva / PAGE; page < end; ) {
      const inWord = Math.min(32 - (page & 31), end - page);
      const bits = (inWord === 32 ? -1 : (1 << inWord) - 1) << (page & 31);
      Atomics.and(this.#views.i32, words + (page >>> 5), ~bits);
      page += inWord;
    }
  }
}
