/** TLB contexts of one vCPU: numbers that tag entries, handed out per PCID, and what flushing means for them. */
import type { MachineMemory } from '../memory/index.ts';
import type { TlbFlush, VcpuState } from './context.ts';
import { FLAG } from './flags.ts';
import { CPU_JUMPS, CPU_TLB, CPU_TLB2, JUMP_ENTRIES, JUMP_ENTRY_BYTES, TLB2_ENTRIES, TLB_ENTRIES, TLB_ENTRY_BYTES } from './regions.ts';
import { cr4 } from './system/registers.ts';

/** Contexts have twelve bits and come in fours: user or supervisor, EFLAGS.AC clear or set. */
const LAST_CONTEXT = 4095;
const CR4_PCIDE = 1 << 17;
const CODE_PAGES = 2048;
const ENTRY_WORDS = TLB_ENTRY_BYTES / 4;

export class Tlb {
  readonly #machine: MachineMemory;
  readonly #s: VcpuState;
  readonly #byPcid = new Map<number, number>();
  /** Recent pages of code, direct-mapped: page number (low, high), key, host page address. */
  readonly #codePages = new Uint32Array(CODE_PAGES * 4);
  /** Low halves of the numbers of all pages whose code is in the jump cache: what INVLPG asks. */
  readonly #jumpPages = new Set<number>();
  #next = 1;
  #rights = -1;

  constructor(machine: MachineMemory, s: VcpuState) {
    this.#machine = machine;
    this.#s = s;
  }

  /** Choose the contexts of the present PCID; `rights` is what `deriveMode` returned. */
  select(rights: number): void {
    const s = this.#s;
    if (rights !== this.#rights) {
      this.#rights = rights;
      this.#byPcid.clear();
    }
    const pcid = (cr4(s) & CR4_PCIDE) !== 0 ? s.lo('cr3') & 0xfff : 0;
    let first = this.#byPcid.get(pcid);
    if (first === undefined) {
      if (this.#next + 4 > LAST_CONTEXT) this.clear();
      first = this.#next;
      this.#next += 4;
      this.#byPcid.set(pcid, first);
    }
    for (let i = 0; i < 4; i++) s.contexts[i] = BigInt(first + i);
    const index = (s.cpl === 3 ? 1 : 0) | ((s.sysFlags & FLAG.AC) !== 0 ? 2 : 0);
    const context = first + index;
    s.context = BigInt(context);
    s.jumpKey = ((s.modeKey << 12) | context) >>> 0;
  }

  flush(kind: TlbFlush, value = 0n): void {
    if (kind === 'page' || kind === 'pcidPage') this.#flushPage(value);
    else if (kind === 'pcid') this.#byPcid.delete(Number(value));
    else this.#byPcid.clear();
    this.select(this.#rights);
  }

  /** No context survives: everything is walked and looked up again. */
  clear(): void {
    const { u32 } = this.#machine;
    const { base } = this.#s;
    u32.fill(0, (base + CPU_TLB) >>> 2, (base + CPU_TLB2 + TLB2_ENTRIES * TLB_ENTRY_BYTES) >>> 2);
    this.forgetCode();
    this.#byPcid.clear();
    this.#next = 1;
  }

  /** Empty the jump cache. */
  forgetCode(): void {
    const from = (this.#s.base + CPU_JUMPS) >>> 2;
    this.#machine.u32.fill(0, from, from + (JUMP_ENTRIES * JUMP_ENTRY_BYTES) / 4);
    this.#codePages.fill(0);
    this.#jumpPages.clear();
  }

  /** Host address of a linear page of code under a jump key; 0 when it is not known. `page` is the low half of the page number. */
  codePage(page: number, high: number, key: number): number {
    const at = (page & (CODE_PAGES - 1)) * 4;
    const pages = this.#codePages;
    return pages[at] === page && pages[at + 1] === high && pages[at + 2] === key ? (pages[at + 3] as number) : 0;
  }

  /** Code of this page enters the jump cache. */
  noteCode(code: { readonly page: number; readonly high: number; readonly key: number; readonly host: number }): void {
    const at = (code.page & (CODE_PAGES - 1)) * 4;
    const pages = this.#codePages;
    this.#jumpPages.add(code.page);
    pages[at] = code.page;
    pages[at + 1] = code.high;
    pages[at + 2] = code.key;
    pages[at + 3] = code.host;
  }

  /** No write entry leads to this host page any more. */
  dropWrites(hostPage: number): void {
    this.#eachWriteEntry((word, page) => {
      if (page !== hostPage) return;
      this.#machine.u32[word + 2] = 0;
      this.#machine.u32[word + 3] = 0;
    });
  }

  /** No write entry is left (dirty log, code pages found by another vCPU). */
  dropAllWrites(): void {
    this.#eachWriteEntry((word) => {
      this.#machine.u32[word + 2] = 0;
      this.#machine.u32[word + 3] = 0;
    });
  }

  #eachWriteEntry(visit: (word: number, hostPage: number) => void): void {
    const { u32 } = this.#machine;
    const { base } = this.#s;
    for (const [start, entries] of [[base + CPU_TLB, TLB_ENTRIES], [base + CPU_TLB2, TLB2_ENTRIES]] as const) {
      for (let i = 0, word = start >>> 2; i < entries; i++, word += ENTRY_WORDS) {
        const low = u32[word + 2] as number;
        if (low !== 0) visit(word, (((low & 0xfffff000) + (u32[word + 4] as number)) >>> 0) >>> 12);
      }
    }
  }

  #flushPage(address: bigint): void {
    const s = this.#s;
    const half = Number(address >> 63n);
    if (address >= (s.largeLow[half] as bigint) && address <= (s.largeHigh[half] as bigint)) {
      this.#byPcid.clear();
      return;
    }
    const { u32 } = this.#machine;
    const page = Number((address >> 12n) & 0xffffffffn);
    for (const [start, entries] of [[CPU_TLB, TLB_ENTRIES], [CPU_TLB2, TLB2_ENTRIES]] as const) {
      const word = (s.base + start + (page & (entries - 1)) * TLB_ENTRY_BYTES) >>> 2;
      u32.fill(0, word, word + 4);
    }
    if (this.#jumpPages.has(page)) this.forgetCode();
  }
}
