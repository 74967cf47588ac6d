/**
 * Extended page tables of one machine in its memory (SDM vol. 3, 28.2.2): four levels over a pool of pages, shared by all threads. Every
 * address is a host address, which is what this back end's processor calls physical. Callers hold the MMU lock.
 */
import type { MachineMemory } from '../../../memory/index.ts';

const PAGE = 4096;
export const LARGE_PAGE = 2 ** 21;
const ENTRIES = 512;
/** Bits of the low half of an entry. */
const READ = 1;
const WRITE = 2;
const EXECUTE = 4;
const ALL = READ | WRITE | EXECUTE;
const WRITE_BACK = 6 << 3;
const LARGE = 0x80;
const DIRTY = 0x200;
/** Writable and executable but not readable: no processor accepts it, so every access exits as a misconfiguration. */
const MISCONFIGURED = WRITE | EXECUTE;
/** Bit 57, in the upper half: writes go to the bus (`EPT_BUS_WRITES` of the processor), from pages that answer otherwise without an exit. */
const BUS_WRITES = 1 << 25;

/** A page to map: 4 KiB, or 2 MiB when `large`. */
export interface EptPage {
  readonly hpa: number;
  readonly as: 'ram' | 'rom' | 'mmio' | 'coalesced';
  readonly large: boolean;
}

export class Ept {
  readonly root: number;
  /** The pool of tables beyond the root. */
  readonly #pool: number;
  readonly #pages: number;
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  /** Indices of the words that say how many pages of the pool are taken, and how many large pages are mapped. */
  readonly #taken: number;
  readonly #large: number;

  constructor(memory: MachineMemory) {
    // A table per 2 MiB of memory when all is mapped by small pages, and what leads to devices.
    this.#pages = Math.ceil(memory.map.ramBytes / LARGE_PAGE) + 64;
    this.root = memory.arena.take('ept', (this.#pages + 1) * PAGE, PAGE);
    this.#pool = this.root + PAGE;
    this.#taken = memory.arena.take('ept-counts', 8, 64) >>> 2;
    this.#large = this.#taken + 1;
    this.#u32 = memory.u32;
    this.#i32 = memory.i32;
  }

  /** Large pages mapped now. */
  get large(): number {
    return Atomics.load(this.#i32, this.#large);
  }

  /** Tables made so far, less those taken back. */
  get tables(): number {
    return Atomics.load(this.#i32, this.#taken);
  }

  /** Map the page at `gpa`. False when the pool is used up. */
  map(gpa: number, { hpa, as, large }: EptPage): boolean {
    const depth = large ? 2 : 1;
    const table = this.#table(gpa, depth, true);
    if (table < 0) return false;
    const at = entryOf(table, gpa, depth);
    // Somebody else was here first, and its dirty flag is not to be lost.
    if (((this.#u32[at] as number) & ALL) !== 0) return true;
    if (large) Atomics.add(this.#i32, this.#large, 1);
    if (as === 'mmio' || as === 'coalesced') this.#store(at, MISCONFIGURED, as === 'coalesced' ? BUS_WRITES : 0);
    else {
      const rights = as === 'ram' ? ALL : READ | EXECUTE;
      this.#store(at, hpa | WRITE_BACK | rights | (large ? LARGE : 0), as === 'rom' ? BUS_WRITES : 0);
    }
    return true;
  }

  /** Is there a table of small pages for `gpa`? Then no large page can stand there. */
  hasSmallPages(gpa: number): boolean {
    return this.#table(gpa, 1, false) >= 0;
  }

  /** Forget everything. No vCPU runs, and each flushes its TLB before it goes on. Returns how many entries led to pages. */
  clear(): number {
    let leaves = 0;
    for (let page = 0; page <= this.tables; page++) {
      const first = (this.root + page * PAGE) >>> 2;
      for (let i = 0; i < ENTRIES; i++) {
        const low = this.#u32[first + 2 * i] as number;
        if (low !== 0 && !this.#isTable(low)) leaves++;
      }
      this.#u32.fill(0, first, first + PAGE / 4);
    }
    Atomics.store(this.#i32, this.#taken, 0);
    Atomics.store(this.#i32, this.#large, 0);
    return leaves;
  }

  /** Visit the dirty small pages of a range, by gpa, and mark them clean. */
  takeDirty(gpa: number, bytes: number, visit: (gpa: number) => void): void {
    for (let at = gpa; at < gpa + bytes; ) {
      const next = Math.min(gpa + bytes, (Math.floor(at / LARGE_PAGE) + 1) * LARGE_PAGE);
      const table = this.#table(at, 1, false);
      for (let page = at; table >= 0 && page < next; page += PAGE) {
        const word = entryOf(table, page, 1);
        if (((this.#u32[word] as number) & DIRTY) === 0) continue;
        Atomics.and(this.#i32, word, ~DIRTY);
        visit(page);
      }
      at = next;
    }
  }

  /** Tables lie in the pool, pages never do. */
  #isTable(low: number): boolean {
    const address = (low & 0xfffff000) >>> 0;
    return address >= this.#pool && address < this.#pool + this.#pages * PAGE;
  }

  /** Address of the table of level `depth` that covers `gpa`; -1: there is none. */
  #table(gpa: number, depth: 1 | 2, make: boolean): number {
    let table = this.root;
    for (let level = 4; level > depth; level--) {
      const at = entryOf(table, gpa, level);
      const low = this.#u32[at] as number;
      if ((low & ALL) !== 0) {
        if (!this.#isTable(low)) return -1;
        table = (low & 0xfffff000) >>> 0;
        continue;
      }
      const { tables } = this;
      if (!make || tables === this.#pages) return -1;
      Atomics.store(this.#i32, this.#taken, tables + 1);
      table = this.#pool + tables * PAGE;
      this.#store(at, table | ALL, 0);
    }
    return table;
  }

  /** The half with the rights last: a walk in between finds nothing there. */
  #store(word: number, low: number, high: number): void {
    Atomics.store(this.#i32, word + 1, high);
    Atomics.store(this.#i32, word, low | 0);
  }
}

/** Index of the low word of an entry; gpa has at most 48 bits. */
function entryOf(table: number, gpa: number, level: number): number {
  return (table >>> 2) + 2 * (Math.floor(gpa / 2 ** (12 + 9 * (level - 1))) % ENTRIES);
}
