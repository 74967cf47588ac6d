/** TLB contexts of one vCPU: numbers that tag entries, handed out per address space, and what flushing means for them. */
import { FIXED, type MachineMemory } from '../memory/index.ts';
import type { TlbFlush, VcpuState } from './context.ts';
import { isProtectedKey } from './derived.ts';
import { FLAG } from './flags.ts';
import { forgetLinks } from './links.ts';
import {
  CODE_PAGE,
  CODE_PAGES,
  CODE_SEEN_BITS,
  CODE_SEEN_FOLD,
  CPU_BLOCKS,
  CPU_CODE_PAGES,
  CPU_CODE_SEEN,
  CPU_JUMPS,
  CPU_REGION_BYTES,
  CPU_SITES,
  CPU_TABLES,
  CPU_TLB,
  CPU_TLB2,
  FIRST_CONTEXT,
  LARGE_PAGES,
  LAST_CONTEXT,
  RECENT_SPACE,
  RECENT_SPACES,
  SITES,
  TABLE_PAGE_BYTES,
  TABLE_PAGES,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB2_ENTRIES,
  WRITER,
} from './regions.ts';
import { cr4 } from './system/registers.ts';

const CR4_PCIDE = 1 << 17;
const PCIDS = 4096;
const VPIDS = 65536;
/** EPT pointers told apart at a time; one more forgets them all. */
const MOST_EPT_POINTERS = 512;
/** In a linear address: what is different in that of a page whose entry in the table of code pages is the second place for this one's. */
const OTHER_PLACE = (CODE_PAGES / 2) << 12;
/** Limit of a segment that ends nowhere. */
const ALL = 0xffffffff;
/** Places where code segments end that are told apart at a time; one more makes all code be looked up anew. */
const MOST_ENDS = 255;
const ENTRY_WORDS = TLB_ENTRY_BYTES / 4;

/** Contexts of one address space: a PCID under one VPID and EPT pointer. `rights` are the controls its entries were made under. */
interface Space {
  readonly first: number;
  readonly rights: number;
}

export class Tlb {
  readonly #machine: MachineMemory;
  readonly #s: VcpuState;
  readonly #spaces = new Map<number, Space>();
  /** EPT pointers met, by a small number each. */
  readonly #eptNumbers = new Map<bigint, number>([[0n, 0]]);
  /** Contexts of global pages, by `#world`: MOV to CR3 leaves them alone. */
  readonly #globals = new Map<number, Space>();
  /** Where code segments end, by a small number each. */
  readonly #ends = new Map<number, number>();
  #rights = 0;
  /** Whose address spaces `recentSpaces` has. */
  #recent = { world: 0, rights: 0 };

  constructor(machine: MachineMemory, s: VcpuState) {
    this.#machine = machine;
    this.#s = s;
  }

  /** Choose the contexts of the present address space; `rights` is what `deriveMode` returned. */
  select(rights: number): void {
    const s = this.#s;
    this.#rights = rights;
    const pcid = (cr4(s) & CR4_PCIDE) !== 0 ? s.lo('cr3') & 0xfff : 0;
    const world = this.#world();
    this.#absorb();
    if (s.nextContext + 8 > LAST_CONTEXT) this.clear();
    // Contexts come in fours: user or supervisor, EFLAGS.AC clear or set.
    const { first } = this.#spaceOf(this.#spaces, world * PCIDS + pcid);
    const { first: firstGlobal } = this.#spaceOf(this.#globals, world);
    this.#remember(world, pcid, first);
    for (let i = 0; i < 4; i++) {
      s.contexts[i] = BigInt(first + i);
      s.globalContexts[i] = BigInt(firstGlobal + i);
    }
    const index = (s.cpl === 3 ? 1 : 0) | ((s.sysFlags & FLAG.AC) !== 0 ? 2 : 0);
    const context = first + index;
    s.context = BigInt(context);
    s.globalContext = BigInt(firstGlobal + index);
    s.codeKey = s.modeKey | (this.#endOfCode() << 12);
    s.jumpKey = ((s.codeKey << 12) | context) >>> 0;
    s.globalJumpKey = ((s.codeKey << 12) | (firstGlobal + index)) >>> 0;
  }

  /** Number of the linear address where the code segment ends, 0 for one that ends nowhere: blocks are decoded up to there. */
  #endOfCode(): number {
    const s = this.#s;
    if (s.csLimit === ALL || !isProtectedKey(s.modeKey)) return 0;
    const end = (Number(BigInt.asUintN(32, s.csBase)) + s.csLimit) >>> 0;
    let number = this.#ends.get(end);
    if (number === undefined) {
      if (this.#ends.size === MOST_ENDS) {
        this.forgetCode();
        this.#ends.clear();
      }
      number = this.#ends.size + 1;
      this.#ends.set(end, number);
    }
    return number;
  }

  /** Generated code has moved between address spaces by itself: take over the contexts it gave out. */
  #absorb(): void {
    const { recentSpaces } = this.#s;
    const { world, rights } = this.#recent;
    for (let i = 0; i < RECENT_SPACES; i++) {
      const entry = recentSpaces[i] as number;
      if (entry === 0) continue;
      const first = (entry >>> RECENT_SPACE.shift) & LAST_CONTEXT;
      this.#spaces.set(world * PCIDS + (entry & RECENT_SPACE.pcid), { first, rights });
    }
  }

  /** Generated code knows no address space but the present one. */
  #takeBack(): void {
    this.#absorb();
    this.#s.recentSpaces.fill(0);
  }

  /** The present address space is one that generated code may come back to. */
  #remember(world: number, pcid: number, first: number): void {
    const { recentSpaces } = this.#s;
    if (this.#recent.world !== world || this.#recent.rights !== this.#rights) {
      recentSpaces.fill(0);
      this.#recent = { world, rights: this.#rights };
    }
    recentSpaces[pcid % RECENT_SPACES] = (RECENT_SPACE.known | (first << RECENT_SPACE.shift) | pcid) >>> 0;
  }

  #spaceOf(spaces: Map<number, Space>, key: number): Space {
    const known = spaces.get(key);
    if (known !== undefined && known.rights === this.#rights) return known;
    const space = { first: this.#s.nextContext, rights: this.#rights };
    this.#s.nextContext += 4;
    spaces.set(key, space);
    return space;
  }

  /** As `TlbFlush` says. INVLPG and INVPCID reach only the present VPID; `vpid` and `ept` reach one VPID or EPT pointer of all. */
  flush(kind: TlbFlush, value = 0n): void {
    if (kind === 'page' || kind === 'pcidPage') this.#flushPage(value);
    else if (kind === 'pcid') this.#forgetSpace(this.#world() * PCIDS + Number(value));
    else if (kind === 'vpid') this.#forget((world) => world % VPIDS === Number(value));
    else if (kind === 'ept') this.#forget((world) => Math.floor(world / VPIDS) === this.#eptNumber(value));
    else if (kind === 'everything') this.clear();
    else {
      const present = this.#world();
      this.#forget((world) => world === present, kind === 'allNonGlobal');
    }
    this.select(this.#rights);
  }

  /** Number of the present combination of EPT pointer and VPID; VPID 0 without EPT is root operation. */
  #world(): number {
    const s = this.#s;
    return s.nonRoot === 0 ? 0 : this.#eptNumber(s.eptPointer) * VPIDS + s.vpid;
  }

  #eptNumber(pointer: bigint): number {
    let number = this.#eptNumbers.get(pointer);
    if (number === undefined) {
      if (this.#eptNumbers.size === MOST_EPT_POINTERS) {
        this.clear();
        this.#eptNumbers.clear();
        this.#eptNumbers.set(0n, 0);
      }
      number = this.#eptNumbers.size;
      this.#eptNumbers.set(pointer, number);
    }
    return number;
  }

  #forgetSpace(key: number): void {
    this.#takeBack();
    this.#spaces.delete(key);
  }

  #forget(of: (world: number) => boolean, keepGlobal = false): void {
    this.#takeBack();
    for (const key of this.#spaces.keys()) if (of(Math.floor(key / PCIDS))) this.#spaces.delete(key);
    if (!keepGlobal) for (const world of this.#globals.keys()) if (of(world)) this.#globals.delete(world);
  }

  /** No context survives: everything is walked and looked up again. */
  clear(): void {
    const { u32 } = this.#machine;
    const { base } = this.#s;
    u32.fill(0, (base + CPU_SITES) >>> 2, (base + CPU_TLB2 + TLB2_ENTRIES * TLB_ENTRY_BYTES) >>> 2);
    this.forgetCode();
    this.#spaces.clear();
    this.#globals.clear();
    this.#s.recentSpaces.fill(0);
    this.#s.largePages.fill(0);
    this.#s.nextContext = FIRST_CONTEXT;
  }

  /** Generated code has met no page. */
  #forgetSites(): void {
    const { base } = this.#s;
    this.#machine.u32.fill(0, (base + CPU_SITES) >>> 2, (base + CPU_SITES + SITES.addend) >>> 2);
  }

  /** Empty the jump cache and what it is filled from. */
  forgetCode(): void {
    const { base } = this.#s;
    const { u32 } = this.#machine;
    u32.fill(0, (base + CPU_JUMPS) >>> 2, (base + CPU_BLOCKS) >>> 2);
    forgetLinks(u32, base);
  }

  /** Decoded blocks lie elsewhere now. */
  forgetBlocks(): void {
    const { base } = this.#s;
    this.#machine.u32.fill(0, (base + CPU_BLOCKS) >>> 2, (base + CPU_REGION_BYTES) >>> 2);
    this.forgetCode();
  }

  #codeEntry(low: number): number {
    return (this.#s.base + CPU_CODE_PAGES + ((low >>> 12) & (CODE_PAGES - 1)) * 16) >>> 2;
  }

  /** The bit that is set where code of the page with this number (its low half) may be in the jump cache: what INVLPG asks. */
  #seenBit(page: number): { word: number; bit: number } {
    const hash = (page ^ (page >>> CODE_SEEN_FOLD)) & (CODE_SEEN_BITS - 1);
    return { word: ((this.#s.base + CPU_CODE_SEEN) >>> 2) + (hash >>> 5), bit: 1 << (hash & 31) };
  }

  /** Key of the cached page of code at a linear address, in force now; 0 when it is not known. `codeHost` is where it lies then. */
  codeKey(low: number, high: number): number {
    const { u32 } = this.#machine;
    const at = this.#codeEntry(low);
    if (u32[at] !== (low & ~0xfff) >>> 0 || u32[at + 1] !== high) return 0;
    const key = u32[at + (CODE_PAGE.key >>> 2)] as number;
    return key === this.#s.jumpKey || key === this.#s.globalJumpKey ? key : 0;
  }

  codeHost(low: number): number {
    return this.#machine.u32[this.#codeEntry(low) + (CODE_PAGE.host >>> 2)] as number;
  }

  /** Code of this page enters the jump cache; its translation was walked just now. Returns its key. */
  noteCode(code: { readonly low: number; readonly high: number; readonly host: number }): number {
    const { low, high, host } = code;
    const s = this.#s;
    const { u32 } = this.#machine;
    const at = this.#codeEntry(low);
    const key = s.walkGlobal === 0 ? s.jumpKey : s.globalJumpKey;
    const seen = this.#seenBit(((low >>> 12) | (high << 20)) >>> 0);
    u32[seen.word] = (u32[seen.word] as number) | seen.bit;
    // That of another address space stands at its other place.
    if (u32[at] === (low & ~0xfff) >>> 0 && u32[at + 1] === high) u32.copyWithin(this.#codeEntry(low ^ OTHER_PLACE), at, at + 4);
    u32[at] = (low & ~0xfff) >>> 0;
    u32[at + 1] = high;
    u32[at + (CODE_PAGE.key >>> 2)] = key;
    u32[at + (CODE_PAGE.host >>> 2)] = host;
    return key;
  }

  /** No write entry leads to this host page any more. Mostly one or two linear pages did, and their entries have their places. */
  dropWrites(hostPage: number): void {
    const { u32 } = this.#machine;
    const note = (FIXED.pageInfo + hostPage * 16 + WRITER.at) >>> 2;
    const writers = u32[note] as number;
    u32[note] = 0;
    const drop = (word: number, page: number): void => {
      if (page !== hostPage) return;
      u32[word + 2] = 0;
      u32[word + 3] = 0;
    };
    if (writers === WRITER.several) return this.#eachWriteEntry(drop);
    for (const writer of [writers & 0xffff, writers >>> WRITER.half])
      if (writer !== 0) this.#eachWriteEntry(drop, writer & WRITER.page);
  }

  /** No write entry is left (dirty log, code pages found by another vCPU). */
  dropAllWrites(): void {
    // EPT counts a look at a guest's table as a write.
    const { base } = this.#s;
    this.#machine.u32.fill(0, (base + CPU_TABLES) >>> 2, (base + CPU_TABLES + TABLE_PAGES * TABLE_PAGE_BYTES) >>> 2);
    this.#eachWriteEntry((word) => {
      this.#machine.u32[word + 2] = 0;
      this.#machine.u32[word + 3] = 0;
    });
  }

  /** All write entries, or those that a linear page may have. */
  #eachWriteEntry(visit: (word: number, hostPage: number) => void, linearPage?: number): void {
    this.#forgetSites();
    const { u32 } = this.#machine;
    const { base } = this.#s;
    for (const [start, entries] of [
      [base + CPU_TLB, TLB_ENTRIES],
      [base + CPU_TLB2, TLB2_ENTRIES],
    ] as const) {
      const from = linearPage === undefined ? 0 : linearPage & (entries - 1);
      const to = linearPage === undefined ? entries : from + 1;
      for (let i = from, word = (start >>> 2) + from * ENTRY_WORDS; i < to; i++, word += ENTRY_WORDS) {
        const low = u32[word + 2] as number;
        if (low !== 0) visit(word, (((low & 0xfffff000) + (u32[word + 4] as number)) >>> 0) >>> 12);
      }
    }
  }

  /** Was a large page met in the GiB of this address? */
  #mayBeLarge(address: bigint): boolean {
    const region = Number(BigInt.asUintN(34, address >> BigInt(LARGE_PAGES.shift)));
    const hash = ((region & LARGE_PAGES.mask) ^ (Math.floor(region / 2 ** LARGE_PAGES.fold) & LARGE_PAGES.mask)) >>> 0;
    return (((this.#s.largePages[hash >>> 5] as number) >>> (hash & 31)) & 1) !== 0;
  }

  #flushPage(address: bigint): void {
    const s = this.#s;
    if (this.#mayBeLarge(address)) {
      const present = this.#world();
      this.#forget((world) => world === present);
      return;
    }
    this.#forgetSites();
    const { u32 } = this.#machine;
    const page = Number((address >> 12n) & 0xffffffffn);
    for (const [start, entries] of [
      [CPU_TLB, TLB_ENTRIES],
      [CPU_TLB2, TLB2_ENTRIES],
    ] as const) {
      const word = (s.base + start + (page & (entries - 1)) * TLB_ENTRY_BYTES) >>> 2;
      u32.fill(0, word, word + 4);
    }
    const seen = this.#seenBit(page);
    if (((u32[seen.word] as number) & seen.bit) !== 0) this.forgetCode();
  }
}
