/** The JIT of one vCPU: hears of hot blocks, orders regions of them and puts these into the table of regions. */

import type { DecodeMode } from '../../isa/variants.ts';
import { FIXED, type MachineMemory } from '../../memory/index.ts';
import type { VcpuState } from '../context.ts';
import { BLOCK } from '../regions.ts';
import type { RegionFunction } from './compile.ts';
import { isHot, lookAgain, warmBeside } from './heat.ts';
import type { CompilerLink, Customer } from './link.ts';
import type { MadeRegion, RegionAnswer, RegionOrder } from './order.ts';
import type { RegionTable } from './table.ts';

const PAGE = 4096;

export type JitSetting = 'off' | 'on' | 'force';

export interface JitOptions {
  readonly s: VcpuState;
  readonly index: number;
  readonly machine: MachineMemory;
  readonly setting: Exclude<JitSetting, 'off'>;
  readonly modeOf: (modeKey: number) => { readonly mode: DecodeMode; readonly flat: number };
  readonly regions: RegionTable;
  readonly link: CompilerLink;
  /** Bytes of a host page are decoded: writes to them are to be seen. */
  readonly mark: (host: number, bytes: number) => void;
  /** Times the interpreter has entered the blocks of a host page in a mode, by their offset. */
  readonly entries: (hostPage: number, modeKey: number) => ReadonlyMap<number, number>;
  /** As `CODE_BYTES`, for tests. */
  readonly codeBytes?: number;
  /** By the offset after a computed jump of a host page: where it has led to in that page. */
  readonly targets: (hostPage: number, modeKey: number) => ReadonlyMap<number, readonly number[]>;
  /** Offset after the computed jump of its page that led to the block last. */
  readonly cameFrom: (block: number) => number | undefined;
  /** The page holds a copy of code that stands on the bus. */
  readonly isCopy: (hostPage: number) => boolean;
  /** The block decoded at a place in a mode that is still true; 0 when there is none. */
  readonly known: (host: number, modeKey: number) => number;
}

/** Instructions of one region. */
const MOST_INSTRUCTIONS = 250;
/** A loop is made anew so often at most, to take in where it is left to, and only if there is room for so many instructions. */
const MOST_ROUNDS = 4;
const ROOM = 20;
/**
 * On this thread: regions of one module, more would make the guest wait longer than its own timers allow. Entries after which a block no
 * longer waits for others.
 */
const BATCH = 8;
const COLD_REGIONS = 64;
const PATIENCE = 1000;
/** Orders under way; more are asked for again when their blocks have been entered that often once more. */
const MOST_ORDERS = 96;
const LATER = 1000;
/** Bytes of WebAssembly that regions in use may have been: V8 makes five times as many of machine code of them. */
const CODE_BYTES = 24 * 2 ** 20;
/**
 * A page whose regions were found to be of other code that often, while so many instructions were executed, is left to the interpreter until
 * they are over: a guest that patches its code cannot spend its time on compiling, and a page that is used by one process after the other is
 * not held to be one that is patched.
 */
const MOST_REWRITES = 16;
const REWRITES_WITHIN = 4_000_000_000n;

export interface JitCounters {
  regions: number;
  modules: number;
  bytes: number;
  refused: number;
  instructions: number;
  microseconds: number;
  /** Regions in use, and bytes of their WebAssembly. */
  inUse: number;
  live: number;
  /** Times all regions were dropped because there were too many. */
  resets: number;
}

/** A region that was ordered. */
interface Ordered {
  readonly modeKey: number;
  readonly order: RegionOrder;
  /** The region at this place, which is made anew because it is left for `hot`. */
  readonly again: Region | undefined;
  readonly hot: number;
}

/** A region in the table. It outlives the blocks of its page: whether it is still true is asked when its first one is decoded again. */
interface Region {
  /** Offset of its first instruction in its page. */
  readonly entry: number;
  readonly modeKey: number;
  readonly slot: number;
  readonly made: MadeRegion;
  /** Times it has been made anew. */
  round: number;
}

const keyOf = (entry: number, modeKey: number): number => entry + modeKey * PAGE;

export class Jit implements Customer {
  readonly #o: JitOptions;
  /** Regions by host page and `keyOf`. */
  readonly #pages = new Map<number, Map<number, Region>>();
  /** Loops by host page and by the offset where a direct branch leaves them, or the complement of the one after a computed jump. */
  readonly #exits = new Map<number, Map<number, Region>>();
  /** Times regions of a host page were of code that stands there no longer, since an instruction. */
  readonly #rewritten = new Map<number, { times: number; readonly since: bigint }>();
  /** Host pages written since that was asked last. */
  readonly #written = new Set<number>();
  /** By ticket. */
  readonly #ordered = new Map<number, Ordered>();
  #ticket = 0;
  #noSlot = false;
  readonly counters: JitCounters = {
    regions: 0,
    modules: 0,
    bytes: 0,
    refused: 0,
    instructions: 0,
    microseconds: 0,
    inUse: 0,
    live: 0,
    resets: 0,
  };

  constructor(options: JitOptions) {
    this.#o = options;
    options.link.register(options.index, this);
  }

  /** There is more code than should be: all blocks are to be forgotten. What is still hot will be made again. */
  get isFull(): boolean {
    return this.counters.live > (this.#o.codeBytes ?? CODE_BYTES) || this.#noSlot;
  }

  /** A block has been entered often; RIP is at its beginning. */
  hot(block: number): void {
    const { machine, s, link, modeOf } = this.#o;
    const heat = (block + BLOCK.heat) >>> 2;
    // Patience is over: others are not waited for.
    const isWaiting = !link.isElsewhere && [...this.#ordered.values()].some((other) => other.hot === block);
    if (!isWaiting) {
      if (machine.u32[(block + BLOCK.crossing) >>> 2] !== 0 || machine.u32[(block + BLOCK.region) >>> 2] !== 0) return;
      const page = this.#pageOf(block);
      if (this.#o.isCopy(page) || this.#isPatched(page) || !this.#isCurrent(block)) return;
      if (this.#o.setting === 'on' && !isHot(machine.u32, block, s.lo('retired'))) return;
      if (link.isElsewhere && this.#ordered.size >= MOST_ORDERS) {
        lookAgain(machine.u32, block, LATER);
        return;
      }
      const again = this.#leftBy(block, page);
      if (again !== undefined && [...this.#ordered.values()].some((other) => other.again?.slot === again.slot)) {
        lookAgain(machine.u32, block, LATER);
        return;
      }
      const order = this.#order(block, page, again);
      this.#ordered.set(order.ticket, { modeKey: s.modeKey, order, again, hot: block });
      if (link.isElsewhere) {
        // Without a loop that takes it in it is not asked about again: the count starts at the top.
        if (again === undefined) machine.u32[heat] = 0;
        else lookAgain(machine.u32, block, LATER);
        link.post(order);
        link.poll();
        return;
      }
      machine.u32[heat] = PATIENCE;
    }
    const isLegacy = modeOf(s.modeKey).mode.code !== 64;
    const batch = this.#o.setting === 'force' || isLegacy || isWaiting ? 1 : this.#batch();
    if (this.#ordered.size >= batch) link.compileHere([...this.#ordered.values()].map(({ order }) => order));
  }

  /** While the JIT's own code is not yet optimized, a region takes milliseconds: one at a time. */
  #batch(): number {
    return this.counters.regions < COLD_REGIONS ? 1 : BATCH;
  }

  /** The loop that is left to go to this block, where it can take the block in. */
  #leftBy(block: number, page: number): Region | undefined {
    const exits = this.#exits.get(page);
    if (exits === undefined) return undefined;
    const { machine, s } = this.#o;
    const from = this.#o.cameFrom(block);
    const offset = machine.u32[(block + BLOCK.first) >>> 2] as number;
    const loop = (from === undefined ? undefined : exits.get(~from)) ?? exits.get(offset);
    if (loop === undefined || loop.modeKey !== s.modeKey || loop.round >= MOST_ROUNDS) return undefined;
    const isTrue = this.#o.known(page * PAGE + loop.entry, loop.modeKey) !== 0;
    return isTrue && loop.made.instructions < MOST_INSTRUCTIONS - ROOM ? loop : undefined;
  }

  /** RIP is at the beginning of `here`; the region begins there, or is another one of the same page made anew. */
  #order(here: number, page: number, again: Region | undefined): RegionOrder {
    const { machine, s, setting, modeOf, index } = this.#o;
    const { mode, flat } = modeOf(s.modeKey);
    const first = machine.u32[(here + BLOCK.first) >>> 2] as number;
    const entry = again?.entry ?? first;
    return {
      vcpu: index,
      cpu: s.base,
      ticket: this.#ticket++,
      page,
      entry,
      mode,
      flat,
      withinLimit: mode.code === 64 ? PAGE : s.csLimit + 1 - (Number(BigInt.asUintN(32, s.rip)) - first),
      targets: this.#o.targets(page, s.modeKey),
      entries: setting === 'force' ? undefined : this.#o.entries(page, s.modeKey),
      warm: warmBeside(machine.u32, here),
      instructions: setting === 'force' ? Math.min(MOST_INSTRUCTIONS, s.budget) : MOST_INSTRUCTIONS,
    };
  }

  #pageOf(block: number): number {
    return ((this.#o.machine.u32[(block + BLOCK.generationAt) >>> 2] as number) - FIXED.pageInfo) >>> 4;
  }

  #isCurrent(block: number): boolean {
    const { u32 } = this.#o.machine;
    return u32[(u32[(block + BLOCK.generationAt) >>> 2] as number) >>> 2] === u32[(block + BLOCK.generation) >>> 2];
  }

  // ---- what the compiler answers ----

  install(made: MadeRegion, run: RegionFunction): boolean {
    const ordered = this.#ordered.get(made.ticket);
    if (ordered === undefined) return false;
    this.#ordered.delete(made.ticket);
    const { order, again, modeKey } = ordered;
    const { machine, regions } = this.#o;
    const { page, entry } = order;
    const block = this.#o.known(page * PAGE + entry, modeKey);
    if (block === 0) return false;
    if (again !== undefined && made.instructions <= again.made.instructions) {
      again.round = MOST_ROUNDS;
      return false;
    }
    if (!this.#stands(page, made)) {
      // Code was written where nobody looked: ask once more.
      lookAgain(machine.u32, block, LATER);
      return false;
    }
    const before = this.#pages.get(page)?.get(keyOf(entry, modeKey));
    const slot = before?.slot ?? regions.take();
    if (slot === 0) {
      this.#noSlot = true;
      return false;
    }
    regions.table.set(slot, run);
    const region = { entry, modeKey, slot, made, round: again === undefined ? 0 : again.round + 1 };
    this.#attach(region, page, block);
    const present = this.#pages.get(page) ?? new Map<number, Region>();
    present.set(keyOf(entry, modeKey), region);
    this.#pages.set(page, present);
    this.counters.live += made.bytes - (before?.made.bytes ?? 0);
    if (before === undefined) this.counters.inUse++;
    this.counters.regions++;
    this.counters.instructions += made.instructions;
    return true;
  }

  /** Is the code of a region what stands in its page? Seen only when writes to it are noticed from then on. */
  #stands(page: number, { ranges, code }: MadeRegion): boolean {
    const { u8 } = this.#o.machine;
    const from = page * PAGE;
    for (const [start, end] of ranges) this.#o.mark(from + start, end - start);
    let at = 0;
    for (const [start, end] of ranges) for (let i = start; i < end; i++) if (u8[from + i] !== code[at++]) return false;
    return true;
  }

  /** The region runs in place of the block at its beginning from now on. */
  #attach(region: Region, page: number, block: number): void {
    const { made, slot } = region;
    this.#o.machine.u32[(block + BLOCK.region) >>> 2] = slot;
    if (!made.loops) return;
    const exits = this.#exits.get(page) ?? new Map<number, Region>();
    for (const offset of made.exits) exits.set(offset, region);
    for (const end of made.computed) exits.set(~end, region);
    this.#exits.set(page, exits);
  }

  /** A block was decoded, perhaps once more. */
  decoded(block: number, host: number, modeKey: number): void {
    const page = host >>> 12;
    const present = this.#pages.get(page);
    const region = present?.get(keyOf(host & (PAGE - 1), modeKey));
    if (present === undefined || region === undefined) return;
    if (this.#stands(page, region.made)) return this.#attach(region, page, block);
    if (this.#written.delete(page)) this.#noteRewrite(page);
    for (const [key, other] of present) {
      if (other !== region && this.#stands(page, other.made)) continue;
      this.#release(other);
      present.delete(key);
    }
  }

  #recentRewrites(page: number): { times: number } | undefined {
    const noted = this.#rewritten.get(page);
    return noted !== undefined && this.#o.s.retired - noted.since <= REWRITES_WITHIN ? noted : undefined;
  }

  #noteRewrite(page: number): void {
    const noted = this.#recentRewrites(page);
    if (noted === undefined) this.#rewritten.set(page, { times: 1, since: this.#o.s.retired });
    else noted.times++;
  }

  #isPatched(page: number): boolean {
    return (this.#recentRewrites(page)?.times ?? 0) >= MOST_REWRITES;
  }

  failed(ticket: number): void {
    const ordered = this.#ordered.get(ticket);
    this.#ordered.delete(ticket);
    // Without a region the block is never asked about again.
    if (ordered !== undefined && ordered.again === undefined && !this.#o.link.isElsewhere)
      this.#o.machine.u32[(ordered.hot + BLOCK.heat) >>> 2] = 0;
  }

  count({ bytes, module, refused, microseconds }: RegionAnswer): void {
    const { counters } = this;
    if (module !== undefined) counters.modules++;
    counters.bytes += bytes;
    counters.refused += refused;
    counters.microseconds += microseconds;
  }

  // ---- what becomes of code ----

  /** Code of a host page was overwritten: blocks are gone, regions wait until theirs are decoded again. */
  invalidate(hostPage: number): void {
    if (!this.#pages.has(hostPage)) return;
    this.#exits.delete(hostPage);
    this.#written.add(hostPage);
  }

  #release({ slot, made }: Region): void {
    this.#o.regions.release(slot);
    this.counters.live -= made.bytes;
    this.counters.inUse--;
  }

  /** All blocks are gone. */
  detach(): void {
    this.#ordered.clear();
    this.#exits.clear();
  }

  /** All regions are dropped, and nothing is held against any page. */
  reset(): void {
    if (this.isFull) this.counters.resets++;
    this.#noSlot = false;
    this.detach();
    for (const present of this.#pages.values()) for (const region of present.values()) this.#release(region);
    this.#pages.clear();
    this.#rewritten.clear();
    this.#written.clear();
  }
}
