/** Finds the decoded block at RIP: page by page through the guest's translation, with the jump cache filled on the way. */
import type { Decode } from '../isa/decoder.ts';
import type { DecodeMode, Variant } from '../isa/variants.ts';
import { changeGeneration, forgetCodeOf, type MachineMemory } from '../memory/index.ts';
import type { CpuHost, VcpuState } from './context.ts';
import { decodeModeOf, endsNowhere, flatSegmentsOf, isProtectedKey } from './derived.ts';
import type { ShapedHandlers } from './interpreter/address-shapes.ts';
import { type CodeAddress, CodeCache } from './interpreter/code-cache.ts';
import { entriesOf, FIRST_LOOK, HEAT } from './jit/heat.ts';
import { Jit, type JitSetting } from './jit/jit.ts';
import type { CompilerLink } from './jit/link.ts';
import type { RegionTable } from './jit/table.ts';
import type { ProcessorExports } from './linear-memory.ts';
import {
  BLOCK,
  BLOCK_ENTRIES,
  BLOCK_ENTRY,
  BLOCK_SET,
  CPU_BLOCKS,
  CPU_JUMPS,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  JUMP_ENTRY_BYTES,
} from './regions.ts';
import { ACCESS, TRANSLATED } from './routines/paging.ts';
import { offsetOf } from './state.ts';
import type { Tlb } from './tlb.ts';

const ripOffset = offsetOf('rip');
const fetchBaseOffset = offsetOf('fetchBase');
/** Bytes to the end of the code segment in 64-bit mode: more than any instruction has. */
const NO_LIMIT = 2 ** 32;
const PAGE_SIZE = 4096;
const BUS_CODE_BYTES = 64;
/** Bytes of the longest instruction. */
const LONGEST = 15;

/** First entry of the set a block is in, in the cache of blocks by host address. */
const blockSet = (host: number): number => (host ^ (host >>> 12)) & (BLOCK_ENTRIES - BLOCK_SET);

export interface CodeLookupOptions {
  readonly s: VcpuState;
  readonly index: number;
  readonly machine: MachineMemory;
  readonly host: CpuHost;
  readonly tlb: Tlb;
  readonly decode: Decode;
  readonly decodeFeatures: number;
  readonly handlerOf: (variant: Variant) => number;
  readonly ends: readonly boolean[];
  readonly shaped: ShapedHandlers;
  readonly arena: { readonly base: number; readonly bytes: number };
  readonly exports: () => ProcessorExports;
  /** The host page begins to hold code: no other vCPU may keep a write entry for it. */
  readonly shootdown: () => void;
  readonly jit: JitSetting;
  /** Entries after which a new block is looked at, for tests; absent: as the setting has it. */
  readonly heat?: () => number;
  readonly regions: RegionTable;
  readonly compilers: CompilerLink;
  /** As in `JitOptions`. */
  readonly codeBytes?: number;
  /** As in `ProcessorOptions`. */
  readonly collectGarbage?: () => void;
}

export class CodeLookup {
  readonly #o: CodeLookupOptions;
  readonly #tlb: Tlb;
  #host = 0;
  readonly #modes = new Map<number, DecodeMode>();
  /** Host pages in which a code segment ended when code of them was looked up last, and the offset of that end. */
  readonly #cuts = new Map<number, number>();
  readonly cache: CodeCache;
  readonly jit: Jit | undefined;

  constructor(options: CodeLookupOptions) {
    this.#o = options;
    this.#tlb = options.tlb;
    const { machine, arena, s } = options;
    this.cache = new CodeCache({
      machine,
      arena: { base: arena.base + PAGE_SIZE, bytes: arena.bytes - PAGE_SIZE },
      decode: options.decode,
      handlerOf: options.handlerOf,
      ends: options.ends,
      shaped: options.shaped,
      heat: options.heat ?? (() => (options.jit === 'off' ? 0 : FIRST_LOOK[options.jit])),
      retired: () => s.lo('retired'),
      entriesOf: (block) => entriesOf(machine.u32, block),
      ofRegion: HEAT.on,
      forgotten: (page) => (page === 'all' ? this.jit?.detach() : this.jit?.invalidate(page)),
      began: (block, host, modeKey) => this.jit?.decoded(block, host, modeKey),
      nextPage: () => this.#nextPage(),
      protect: (page) => {
        this.#tlb.dropWrites(page);
        options.shootdown();
      },
    });
    this.jit =
      options.jit === 'off'
        ? undefined
        : new Jit({
            s,
            index: options.index,
            machine,
            setting: options.jit,
            modeOf: (modeKey) => ({
              mode: this.#modeOf(modeKey),
              flat: flatSegmentsOf(modeKey),
              flatCode: this.#modeOf(modeKey).code !== 64 && endsNowhere(modeKey),
            }),
            regions: options.regions,
            link: options.compilers,
            guard: (host, bytes) => this.cache.guard(host, bytes),
            survey: (page, modeKey) => this.cache.survey(page, modeKey),
            ...(options.codeBytes === undefined ? {} : { codeBytes: options.codeBytes }),
            cameFrom: (block) => this.cache.cameFrom(block, s.modeKey),
            isSpecial: (page) => page === arena.base >>> 12 || this.#cuts.has(page),
            known: (host, modeKey) => this.cache.known(host, modeKey),
          });
  }

  /** Between two runs: take what has been compiled, drop everything when there is too much of it. */
  beforeRun(): void {
    this.#o.compilers.poll();
    const { jit } = this;
    if (jit === undefined) return;
    if (jit.isFull) this.forget();
    if (jit.takeGarbage()) this.#o.collectGarbage?.();
  }

  /** Blocks of a page are decoded up to the end of the segment: when that is elsewhere, they are decoded anew, and no region is made of them. */
  #cutAt(host: number, limit: number): void {
    if (!isProtectedKey(this.#o.s.modeKey)) return;
    const page = host >>> 12;
    const end = (host & (PAGE_SIZE - 1)) + limit;
    const cut = end < PAGE_SIZE + LONGEST ? end : undefined;
    if (cut === this.#cuts.get(page)) return;
    if (cut === undefined) this.#cuts.delete(page);
    else this.#cuts.set(page, cut);
    this.jit?.forgetPage(page);
    this.codeWritten(page * PAGE_SIZE, 1);
  }

  /** Forget all decoded code and what was compiled of it. */
  forget(): void {
    this.jit?.reset();
    this.#cuts.clear();
    this.cache.reset();
    this.#tlb.forgetBlocks();
  }

  /**
   * Block at RIP; 0 when there is none (a fault is queued) or the arena began anew. `jump`: it enters the jump cache, which knows linear
   * addresses; `known`: the table of blocks by host address as well; `forgotten`: neither.
   */
  lookup(cached: 'forgotten' | 'jump' | 'known'): number {
    const { s } = this.#o;
    const { u32 } = this.#o.machine;
    const rip = (s.base + ripOffset) >>> 2;
    const from = (s.base + fetchBaseOffset) >>> 2;
    const sum = (u32[rip] as number) + (u32[from] as number);
    const low = sum >>> 0;
    const high = ((u32[rip + 1] as number) + (u32[from + 1] as number) + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    const long = s.longMode !== 0;
    const limit = long ? NO_LIMIT : s.csLimit - ((u32[rip] as number) + (u32[rip + 1] as number) * 2 ** 32) + 1;
    if (limit <= 0) return this.#refuseFetch();
    const key = this.#codePage(low, long ? high : 0);
    if (key < 0) return 0;
    const host = this.#host;
    const { modeKey } = s;
    if (!long) this.#cutAt(host, limit);
    let block = this.cache.known(host, modeKey);
    if (block !== 0 && this.#isCrossing(block)) {
      const next = this.#nextPage();
      if (next < 0) return 0;
      if (this.cache.secondPage(block) !== next >>> 12) block = 0;
    }
    if (block === 0) block = this.cache.decode(this.#codeAddress(host, modeKey, limit));
    if (block === 0) {
      if (s.excPending === 0) this.#tlb.forgetBlocks();
      return 0;
    }
    if (cached === 'forgotten') return block;
    const page = ((low >>> 12) | (high << 20)) >>> 0;
    const at = (s.base + CPU_JUMPS + ((low ^ page) & (JUMP_ENTRIES - 1)) * JUMP_ENTRY_BYTES) >>> 2;
    u32[at + (JUMP_ENTRY.linear >>> 2)] = low;
    u32[at + (JUMP_ENTRY.linear >>> 2) + 1] = high;
    u32[at + (JUMP_ENTRY.key >>> 2)] = key;
    u32[at + (JUMP_ENTRY.block >>> 2)] = block;
    // What is decoded up to the end of a segment is for none but its mode and linear address.
    if (cached === 'jump' || this.#isBusCopy(host) || (!long && this.#cuts.has(host >>> 12))) return block;
    const entry = (s.base + CPU_BLOCKS + blockSet(host) * 16) >>> 2;
    // The last to come is the first of its set, and the first to come leaves it.
    u32.copyWithin(entry + 4, entry, entry + 4 * (BLOCK_SET - 1));
    u32[entry + (BLOCK_ENTRY.host >>> 2)] = host;
    u32[entry + (BLOCK_ENTRY.mode >>> 2)] = modeKey;
    u32[entry + (BLOCK_ENTRY.block >>> 2)] = block;
    return block;
  }

  #codeAddress(host: number, modeKey: number, withinLimit: number): CodeAddress {
    return { host, modeKey, mode: this.#modeOf(modeKey), flat: flatSegmentsOf(modeKey), withinLimit };
  }

  #modeOf(modeKey: number): DecodeMode {
    let mode = this.#modes.get(modeKey);
    if (mode === undefined) {
      mode = decodeModeOf(modeKey, this.#o.decodeFeatures);
      this.#modes.set(modeKey, mode);
    }
    return mode;
  }

  /**
   * Where the code at a linear address lies (`#host`), from the table of code pages or by a walk. Returns the key its jump-cache entries
   * get, -1 with the fault queued.
   */
  #codePage(low: number, high: number): number {
    const { s } = this.#o;
    const known = this.#tlb.codeKey(low, high);
    if (known !== 0) {
      this.#host = this.#tlb.codeHost(low) + (low & 0xfff);
      return known;
    }
    const host = this.#hostOfCode(BigInt(low) | (BigInt(high) << 32n));
    if (host < 0) return -1;
    this.#host = host;
    return this.#isBusCopy(host) ? s.jumpKey : this.#tlb.noteCode({ low, high, host: host - (low & 0xfff) });
  }

  #isCrossing(block: number): boolean {
    return this.#o.machine.u32[(block + BLOCK.crossing) >>> 2] !== 0;
  }

  /** Where the page after that of RIP lies, -1 with the fault queued. Code runs there: it is known from now on. */
  #nextPage(): number {
    const { s } = this.#o;
    const linear = (BigInt.asUintN(64, s.rip + s.fetchBase) & ~0xfffn) + 0x1000n;
    const [low, high] = [Number(linear & 0xffffffffn), Number((linear >> 32n) & 0xffffffffn)];
    if (this.#tlb.codeKey(low, high) !== 0) return this.#tlb.codeHost(low);
    const host = this.#hostOfCode(linear);
    if (host >= 0 && !this.#isBusCopy(host)) this.#tlb.noteCode({ low, high, host });
    return host;
  }

  #isBusCopy(host: number): boolean {
    return host >>> 12 === this.#o.arena.base >>> 12;
  }

  #refuseFetch(): number {
    const { s } = this.#o;
    s.excVector = 13;
    s.excHasError = 1;
    s.excError = 0;
    s.excPending = 1;
    return 0;
  }

  /** Host address of code, -1 with the fault queued. Code on the bus is copied beside the arena first. */
  #hostOfCode(linear: bigint): number {
    const { s } = this.#o;
    const access = ACCESS.fetch | (s.cpl === 3 ? ACCESS.user : 0);
    const at = this.#o.exports().translate(s.base, linear, BigInt(access));
    if (at < 0n) {
      s.excCanonical = 0;
      return -1;
    }
    if ((at & TRANSLATED.bus) === 0n) return Number(at);
    return this.#copyFromBus(Number(at & ~TRANSLATED.bus));
  }

  #copyFromBus(pa: number): number {
    const { machine, arena, host, index } = this.#o;
    const page = arena.base >>> 12;
    this.cache.invalidate(page);
    changeGeneration(machine.i32, page);
    const bytes = Math.min(BUS_CODE_BYTES, PAGE_SIZE - (pa % PAGE_SIZE));
    const target = arena.base + (pa % PAGE_SIZE);
    for (let i = 0; i < bytes; i++) machine.u8[target + i] = host.mmioRead(index, pa + i, 1);
    machine.u8.fill(0xf4, target + bytes, Math.min(target + bytes + 16, arena.base + PAGE_SIZE));
    return target;
  }

  /** As `farReady` asks: are pages of a region that were written since what they were? */
  farWritten(entry: number): number {
    return this.jit?.farWritten(entry) === true ? 1 : 0;
  }

  /** As `farReady` finds: a region with code of several pages cannot run for now. */
  farMissing(entry: number): number {
    this.jit?.farMissing(entry);
    return 0;
  }

  /** Decoded bytes were overwritten by this vCPU. */
  codeWritten(host: number, bytes: number): number {
    const { machine } = this.#o;
    for (const page of new Set([host >>> 12, (host + bytes - 1) >>> 12])) {
      forgetCodeOf(machine.i32, page);
      this.cache.invalidate(page);
    }
    return 0;
  }
}
