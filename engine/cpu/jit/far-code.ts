/** Code on other pages than that of a region's entry, as far as the vCPU has run it: read from its tables beside it, and only believed. */
import {
  BLOCK,
  CODE_PAGE,
  CODE_PAGES,
  CPU_CODE_PAGES,
  CPU_JUMPS,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  JUMP_ENTRY_BYTES,
} from '../regions.ts';
import { entriesOf } from './heat.ts';
import type { FarOrder } from './order.ts';

const PAGE = 4096;
const CODE_ENTRY_BYTES = 16;

export class FarCode {
  readonly #memory: Uint32Array;
  readonly #order: FarOrder;

  constructor(memory: Uint8Array, order: FarOrder) {
    this.#memory = new Uint32Array(memory.buffer, memory.byteOffset, memory.length >>> 2);
    this.#order = order;
  }

  #linear(offset: number): readonly [low: number, high: number] {
    const sum = this.#order.low + offset;
    return [sum >>> 0, (this.#order.high + Math.floor(sum / 2 ** 32)) >>> 0];
  }

  #word(at: number): number {
    return this.#memory[at >>> 2] ?? 0;
  }

  /** Host page of the code at an offset from the order's page. */
  hostPage(offset: number): number | undefined {
    const { base, keys } = this.#order;
    const [low, high] = this.#linear(offset);
    for (const place of [0, CODE_PAGES / 2]) {
      const entry = base + CPU_CODE_PAGES + (((low >>> 12) ^ place) & (CODE_PAGES - 1)) * CODE_ENTRY_BYTES;
      const isHere = this.#word(entry) === (low & -PAGE) >>> 0 && this.#word(entry + 4) === high;
      if (isHere && keys.includes(this.#word(entry + CODE_PAGE.key))) return this.#word(entry + CODE_PAGE.host) >>> 12;
    }
    return undefined;
  }

  /** Has the block there been entered so often, through its region if it has one? */
  isHot(offset: number, entries: { readonly block: number; readonly region: number }): boolean {
    const { base, keys, chains } = this.#order;
    const [low, high] = this.#linear(offset);
    const page = ((low >>> 12) | (high << 20)) >>> 0;
    const entry = base + CPU_JUMPS + ((low ^ page) & (JUMP_ENTRIES - 1)) * JUMP_ENTRY_BYTES;
    const isHere = this.#word(entry + JUMP_ENTRY.linear) === low && this.#word(entry + JUMP_ENTRY.linear + 4) === high;
    if (!isHere || !keys.includes(this.#word(entry + JUMP_ENTRY.key))) return false;
    const block = this.#word(entry + JUMP_ENTRY.block);
    if (this.#word(block + BLOCK.region) === 0) return entriesOf(this.#memory, block) >= entries.block;
    const left = this.#word(block + BLOCK.heat);
    // Whose count has begun anew was asked about for that.
    return left > chains || chains - left >= entries.region;
  }
}
