/**
 * The JIT of one vCPU: hears of hot blocks, orders regions of them and puts these into the table of regions. A region is code of one page; one
 * that is entered again and again is made once more with code of other pages, and stays beside that for when those are not what they were.
 */

import type { DecodeMode } from '../../isa/variants.ts';
import { FIXED, type MachineMemory } from '../../memory/index.ts';
import type { VcpuState } from '../context.ts';
import { forgetLinks } from '../links.ts';
import { BLOCK, CPU_SITES, FAR_ENTRIES, SITES } from '../regions.ts';
import type { RegionFunction } from './compile.ts';
import { type FarLoss, newCounters } from './counters.ts';
import { FarEntries } from './far-entries.ts';
import { CHAINS, CHAINS_AGAIN, CROSSING_AGAIN, ELSEWHERE, isHot, lookAgain, MOST_FAR, warmBeside } from './heat.ts';
import type { CompilerLink, Customer } from './link.ts';
import type { FarOrder, MadeRegion, RegionAnswer, RegionOrder } from './order.ts';
import { keyOf, type Ordered, type Region, type Regions } from './region.ts';
import { Rewrites } from './rewrites.ts';
import { type RegionTable, SKIP_SLOT } from './table.ts';

const PAGE = 4096;
/** Privilege level of programs. */
const PROGRAMS = 3;

export type JitSetting = 'off' | 'on' | 'force';

export interface JitOptions {
  readonly s: VcpuState;
  readonly index: number;
  readonly machine: MachineMemory;
  readonly setting: Exclude<JitSetting, 'off'>;
  readonly modeOf: (modeKey: number) => { readonly mode: DecodeMode; readonly flat: number; readonly flatCode: boolean };
  readonly regions: RegionTable;
  readonly link: CompilerLink;
  /** Bytes of a host page are code: writes to them are to be seen. */
  readonly guard: (host: number, bytes: number) => void;
  /** What is known of the blocks of a host page in a mode. */
  readonly survey: (hostPage: number, modeKey: number) => Pick<RegionOrder, 'entries' | 'targets'>;
  /** As `CODE_BYTES`, for tests. */
  readonly codeBytes?: number;
  /** Offset after the computed jump of its page that led to the block last. */
  readonly cameFrom: (block: number) => number | undefined;
  /** No region is made of the page: it holds a copy of code that stands on the bus, or a code segment ends in it. */
  readonly isSpecial: (hostPage: number) => boolean;
  /** The block decoded at a place in a mode that is still true; 0 when there is none. */
  readonly known: (host: number, modeKey: number) => number;
}

/** Instructions of one region; twice as many where it has code of other pages. */
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
/**
 * Bytes of WebAssembly that regions in use may have been: V8 makes five times as many of machine code of them. Where everything is to become a
 * region, those of a kernel that boots must find room together: made again and again they cost 5 ms each.
 */
const CODE_BYTES = { on: 24 * 2 ** 20, force: 128 * 2 ** 20 } as const;
/** That part of them dropped is worth a collection of garbage. */
const GARBAGE = 1 / 3;
/** Times regions are left for floats that they do not compute with, until all are made anew to compute with any. */
const ODD_FLOATS = { on: 20_000, force: 40 } as const;

export class Jit implements Customer {
  readonly #o: JitOptions;
  /** Regions by host page and `keyOf`. */
  readonly #pages = new Map<number, Regions>();
  readonly #entries: FarEntries;
  /** Regions with code of other pages, and the page they begin in, by their entries. */
  readonly #far = new Map<number, { readonly region: Region; readonly page: number }>();
  /** Loops by host page and by the offset where a direct branch leaves them, or the complement of the one after a computed jump. */
  readonly #exits = new Map<number, Map<number, Region>>();
  readonly #rewrites: Rewrites;
  /** Host pages written since that was asked last. */
  readonly #written = new Set<number>();
  /** By ticket. */
  readonly #ordered = new Map<number, Ordered>();
  #ticket = 0;
  #noSlot = false;
  /** A program has been looked at: from now on the kernel is asked by programs, mostly for the same. */
  #serving = false;
  /** Bytes of WebAssembly dropped and not yet collected. */
  #garbage = 0;
  #anyFloat = false;
  readonly counters = newCounters();

  constructor(options: JitOptions) {
    this.#o = options;
    this.#rewrites = new Rewrites(() => options.s.retired);
    this.#entries = new FarEntries(options.machine, options.s.base, this.counters);
    options.link.register(options.index, this);
  }

  /** There is more code than should be, or it is not fit: all blocks are to be forgotten. What is still hot will be made again. */
  get isFull(): boolean {
    return this.#meetsOddFloats || this.counters.live > this.#codeBytes || this.#noSlot;
  }

  get #codeBytes(): number {
    return this.#o.codeBytes ?? CODE_BYTES[this.#o.setting];
  }

  get #meetsOddFloats(): boolean {
    const { machine, s, setting } = this.#o;
    return !this.#anyFloat && (machine.u32[(s.base + CPU_SITES + SITES.odd) >>> 2] as number) >= ODD_FLOATS[setting];
  }

  /** Has much code been dropped since this was true last? */
  takeGarbage(): boolean {
    if (this.#garbage < this.#codeBytes * GARBAGE) return false;
    this.#garbage = 0;
    return true;
  }

  /** A block has been entered often; RIP is at its beginning. */
  hot(block: number): void {
    const { machine, s, link, modeOf } = this.#o;
    const heat = (block + BLOCK.heat) >>> 2;
    // Patience is over: others are not waited for.
    const isWaiting = !link.isElsewhere && [...this.#ordered.values()].some((other) => other.hot === block);
    if (!isWaiting) {
      if (machine.u32[(block + BLOCK.region) >>> 2] !== 0) return this.#orderFar(block);
      const page = this.#pageOf(block);
      if (this.#o.isSpecial(page) || this.#rewrites.isPatched(page) || !this.#isCurrent(block)) return;
      const isCrossing = machine.u32[(block + BLOCK.crossing) >>> 2] !== 0;
      if (isCrossing && this.#isAttached(block, page)) return;
      this.#serving ||= s.cpl === PROGRAMS;
      if (this.#o.setting === 'on' && !isHot(machine.u32, block, { retired: s.lo('retired'), serving: this.#serving })) return;
      if (link.isElsewhere && this.#ordered.size >= MOST_ORDERS) {
        lookAgain(machine.u32, block, LATER);
        return;
      }
      if (isCrossing) return this.#orderCrossing(block, page);
      const left = this.#leftBy(block, page);
      if (left !== undefined && [...this.#ordered.values()].some((other) => other.again?.slot === left.slot)) {
        lookAgain(machine.u32, block, LATER);
        return;
      }
      const far = left?.far && this.#farOrder(block);
      const again = left?.far !== undefined && far === undefined ? undefined : left;
      const order = this.#order(block, page, { again, far });
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

  /** There is a region of this block with an instruction on two pages, which has been decoded once more or was elsewhere: it runs again. */
  #isAttached(block: number, page: number): boolean {
    const { machine, s } = this.#o;
    const present = this.#pages.get(page)?.get(keyOf(machine.u32[(block + BLOCK.first) >>> 2] as number, s.modeKey));
    const stands = present && this.#standing(present, page);
    if (stands !== undefined) this.#attach(stands, page, block);
    return stands !== undefined;
  }

  /** A block whose first instruction lies on two pages is hot: its region has code of both, and there is none with code of one. */
  #orderCrossing(block: number, page: number): void {
    lookAgain(this.#o.machine.u32, block, CROSSING_AGAIN);
    // The others are for what goes round over pages.
    const far = this.counters.farEntries < FAR_ENTRIES / 2 ? this.#farOrder(block) : undefined;
    if (far !== undefined) this.#post(this.#order(block, page, { again: undefined, far }));
  }

  #post(order: RegionOrder): void {
    const { s, link } = this.#o;
    this.#ordered.set(order.ticket, { modeKey: s.modeKey, order, again: undefined, hot: 0 });
    if (link.isElsewhere) link.post(order);
    else link.compileHere([order]);
  }

  /** The region at this block, where RIP is, has been entered often: control goes round over other pages, or from place to place. */
  #orderFar(block: number): void {
    const { machine, s, setting } = this.#o;
    machine.u32[(block + BLOCK.heat) >>> 2] = CHAINS_AGAIN[setting];
    const page = this.#pageOf(block);
    const first = machine.u32[(block + BLOCK.first) >>> 2] as number;
    const region = this.#pages.get(page)?.get(keyOf(first, s.modeKey));
    if (region !== undefined && machine.u32[(block + BLOCK.region) >>> 2] !== region.slot) {
      machine.u32[(block + BLOCK.region) >>> 2] = region.slot;
      return;
    }
    if (region === undefined || region.farRound >= MOST_FAR || !this.#isCurrent(block) || this.#ordered.size >= MOST_ORDERS)
      return;
    const far = this.#farOrder(block);
    if (far === undefined) return;
    region.farRound++;
    this.#post(this.#order(block, page, { again: undefined, far }));
  }

  /** Where the compiler finds code of other pages; nothing where code lies in segments or there are too many such regions. */
  #farOrder(block: number): FarOrder | undefined {
    const { machine, s, setting, modeOf } = this.#o;
    const { mode, flatCode } = modeOf(s.modeKey);
    if (mode.code === 16 || (mode.code === 32 && !flatCode)) return undefined;
    const entry = this.#entries.take();
    if (entry === undefined) return undefined;
    const linear = BigInt.asUintN(64, s.rip) - BigInt(machine.u32[(block + BLOCK.first) >>> 2] as number);
    return {
      entry,
      base: s.base,
      low: Number(linear & 0xffffffffn),
      high: Number(linear >> 32n),
      keys: [s.jumpKey, s.globalJumpKey],
      chains: CHAINS[setting],
    };
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
    const left = (from === undefined ? undefined : exits.get(~from)) ?? exits.get(offset);
    const loop = left && this.#pages.get(page)?.get(keyOf(left.entry, left.modeKey));
    if (loop === undefined || loop.modeKey !== s.modeKey || loop.round >= MOST_ROUNDS) return undefined;
    const isTrue = this.#o.known(page * PAGE + loop.entry, loop.modeKey) !== 0;
    return isTrue && loop.made.instructions < (loop.far === undefined ? 1 : 2) * MOST_INSTRUCTIONS - ROOM ? loop : undefined;
  }

  /** RIP is at the beginning of `here`; the region begins there, or is another one of the same page made anew. */
  #order(here: number, page: number, { again, far }: { again: Region | undefined; far: FarOrder | undefined }): RegionOrder {
    const { machine, s, setting, modeOf, index } = this.#o;
    const { mode, flat, flatCode } = modeOf(s.modeKey);
    const first = machine.u32[(here + BLOCK.first) >>> 2] as number;
    const entry = again?.entry ?? first;
    const most = far === undefined ? MOST_INSTRUCTIONS : 2 * MOST_INSTRUCTIONS;
    const { entries, targets } = this.#o.survey(page, s.modeKey);
    return {
      vcpu: index,
      cpu: s.base,
      ticket: this.#ticket++,
      page,
      entry,
      mode,
      flat,
      flatCode,
      far,
      withinLimit:
        far !== undefined
          ? Number.POSITIVE_INFINITY
          : mode.code === 64
            ? PAGE
            : s.csLimit + 1 - (Number(BigInt.asUintN(32, s.rip)) - first),
      anyFloat: this.#anyFloat,
      targets,
      entries: setting === 'force' ? undefined : entries,
      warm: warmBeside(machine.u32, here),
      instructions: setting === 'force' ? Math.min(most, s.budget) : most,
      under: again === undefined && far === undefined ? this.#under(page) : [],
      beyond: again?.made.instructions ?? 0,
    };
  }

  /** Orders of the page in the present mode that the other thread has not answered. */
  #under(page: number): number[] {
    const { s, link } = this.#o;
    if (!link.isElsewhere) return [];
    return [...this.#ordered]
      .filter(([, { order, modeKey }]) => order.page === page && modeKey === s.modeKey)
      .map(([ticket]) => ticket);
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
    const isInstalled = ordered.order.far === undefined ? this.#place(ordered, made, run) : this.#placeFar(ordered, made, run);
    if (!isInstalled && ordered.order.far !== undefined) this.#farFailed(ordered.order.far);
    return isInstalled;
  }

  #place({ order, again, modeKey }: Ordered, made: MadeRegion, run: RegionFunction): boolean {
    const { machine, regions } = this.#o;
    const { page, entry } = order;
    const block = this.#o.known(page * PAGE + entry, modeKey);
    if (block === 0 || this.#o.isSpecial(page)) return false;
    const before = this.#pages.get(page)?.get(keyOf(entry, modeKey));
    // Meanwhile it was made with code of other pages.
    if (before?.far !== undefined) return false;
    if (again !== undefined && made.instructions <= again.made.instructions) {
      again.round = MOST_ROUNDS;
      return false;
    }
    if (!this.#stands(made)) {
      // Code was written where nobody looked: ask once more.
      lookAgain(machine.u32, block, LATER);
      return false;
    }
    const slot = before?.slot ?? this.#slot();
    if (slot === 0) return false;
    regions.table.set(slot, run);
    const { farRound } = before ?? { farRound: 0 };
    const region = { entry, modeKey, slot, made, round: again === undefined ? 0 : again.round + 1, farRound, far: undefined };
    this.#counts(made, before);
    this.#begin(region, page, block);
    return true;
  }

  /** A region with code of other pages runs before the one without from now on. */
  #placeFar({ order, again, modeKey }: Ordered, made: MadeRegion, run: RegionFunction): boolean {
    const { page, entry, far } = order;
    const present = this.#pages.get(page)?.get(keyOf(entry, modeKey));
    const block = this.#o.known(page * PAGE + entry, modeKey);
    const near = present?.far === undefined ? present : present.far.near;
    if (far === undefined || block === 0) return false;
    if (near === undefined && this.#o.machine.u32[(block + BLOCK.crossing) >>> 2] === 0) return false;
    const before = present?.far && present;
    if (again !== undefined && again !== before) return false;
    if (before !== undefined && made.instructions <= before.made.instructions) {
      if (again !== undefined) again.round = MOST_ROUNDS;
      return false;
    }
    const generations = this.#guarded(made);
    if (!this.#isTrue(made)) return false;
    const slot = before?.slot ?? this.#slot();
    if (slot === 0) return false;
    this.#entries.begin(far.entry, made.farPages, near?.slot ?? SKIP_SLOT);
    this.#entries.compared(far.entry, generations);
    this.#o.regions.table.set(slot, run);
    const round = again === undefined ? 0 : again.round + 1;
    const farRound = (before ?? near)?.farRound ?? MOST_FAR;
    const region: Region = { entry, modeKey, slot, made, round, farRound, far: { entry: far.entry, near } };
    if (before?.far !== undefined) {
      this.#far.delete(before.far.entry);
      this.#entries.release(before.far.entry);
      this.#farLost(before, 'anew');
    }
    this.#far.set(far.entry, { region, page });
    this.#counts(made, before);
    this.counters.far++;
    this.counters.farInUse++;
    this.counters.farLive += made.bytes;
    this.#begin(region, page, block);
    return true;
  }

  #slot(): number {
    const slot = this.#o.regions.take();
    if (slot === 0) this.#noSlot = true;
    return slot;
  }

  #counts(made: MadeRegion, before: Region | undefined): void {
    const { counters } = this;
    const old = before?.made.bytes ?? 0;
    counters.live += made.bytes - old;
    this.#garbage += old;
    if (before === undefined) counters.inUse++;
    counters.regions++;
    counters.instructions += made.instructions;
  }

  #begin(region: Region, page: number, block: number): void {
    this.#attach(region, page, block);
    const present: Regions = this.#pages.get(page) ?? new Map();
    present.set(keyOf(region.entry, region.modeKey), region);
    this.#pages.set(page, present);
  }

  /** Writes to the code of a region are noticed from now on. Returns the generations of its other pages at a time after that. */
  #guarded({ ranges, farPages }: MadeRegion): number {
    for (const [start, end] of ranges) this.#o.guard(start, end - start);
    return this.#entries.generations(farPages);
  }

  /** Is the code of a region, or what it has on one page, what stands there? */
  #isTrue({ ranges, code }: MadeRegion, page?: number): boolean {
    const { u8 } = this.#o.machine;
    let at = 0;
    for (const [start, end] of ranges) {
      const isMeant = page === undefined || start >>> 12 === page;
      for (let i = start; i < end; i++, at++) if (isMeant && u8[i] !== code[at]) return false;
    }
    return true;
  }

  /** The same, and it will be seen when it no longer is. */
  #stands(made: MadeRegion, page?: number): boolean {
    for (const [start, end] of made.ranges) if (page === undefined || start >>> 12 === page) this.#o.guard(start, end - start);
    return this.#isTrue(made, page);
  }

  /** The region runs in place of the block at its beginning from now on. */
  #attach(region: Region, page: number, block: number): void {
    const { made, slot } = region;
    const { machine, setting } = this.#o;
    const at = (block + BLOCK.region) >>> 2;
    const before = machine.u32[at];
    if (before !== 0 && before !== slot) forgetLinks(machine.u32, this.#o.s.base);
    machine.u32[at] = slot;
    machine.u32[(block + BLOCK.heat) >>> 2] = region.farRound === 0 ? CHAINS[setting] : CHAINS_AGAIN[setting];
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
    const stands = this.#standing(region, page);
    if (stands !== undefined) return this.#attach(stands, page, block);
    if (this.#written.delete(page)) this.#rewrites.note(page);
    for (const other of [...present.values()]) if (other !== region) this.#standing(other, page);
  }

  /** What is left of a region where its page was written: itself, the one without code of other pages, or nothing. */
  #standing(region: Region, page: number): Region | undefined {
    const near = region.far === undefined ? region : region.far.near;
    const nearStands = near !== undefined && this.#stands(near.made, page);
    if (region === near ? nearStands : (near === undefined || nearStands) && this.#stands(region.made, page)) return region;
    this.#dropFar(region, page, 'written');
    if (near === undefined || nearStands) return near;
    this.#release(near);
    this.#pages.get(page)?.delete(keyOf(near.entry, near.modeKey));
    return undefined;
  }

  #farLost({ made }: Region, why: FarLoss): void {
    this.counters.farInUse--;
    this.counters.farLive -= made.bytes;
    this.counters.farLost[why]++;
  }

  #farFailed({ entry }: FarOrder): void {
    this.#entries.release(entry);
    this.counters.farLost.failed++;
  }

  /** The region without code of other pages runs in place of this one, if there is one. */
  #dropFar(region: Region, page: number, why: FarLoss): void {
    const { far } = region;
    if (far === undefined) return;
    this.#far.delete(far.entry);
    this.#entries.release(far.entry);
    this.#farLost(region, why);
    this.#release(region);
    const present = this.#pages.get(page);
    if (far.near === undefined) present?.delete(keyOf(region.entry, region.modeKey));
    else present?.set(keyOf(region.entry, region.modeKey), far.near);
  }

  /** Not all pages of the region that is about to run are where they were, as far as this vCPU knows. */
  farMissing(entry: number): void {
    const known = this.#far.get(entry);
    if (known === undefined) return;
    const { region, page } = known;
    const block = this.#o.known(page * PAGE + region.entry, region.modeKey);
    if (block === 0 || region.far === undefined) return;
    this.counters.farElsewhere++;
    this.#o.machine.u32[(block + BLOCK.region) >>> 2] = region.far.near?.slot ?? 0;
    this.#o.machine.u32[(block + BLOCK.heat) >>> 2] = ELSEWHERE[this.#o.setting];
  }

  /**
   * Other pages of the region that is about to run were written since their code was compared. False: it was dropped, and what runs in its
   * place is where it says.
   */
  farWritten(entry: number): boolean {
    const known = this.#far.get(entry);
    if (known === undefined) return false;
    const { region, page } = known;
    const generations = this.#guarded(region.made);
    if (this.#isTrue(region.made)) {
      this.#entries.compared(entry, generations);
      return true;
    }
    const block = this.#o.known(page * PAGE + region.entry, region.modeKey);
    const near = region.far?.near;
    if (near !== undefined) near.farRound = region.farRound;
    this.#dropFar(region, page, 'written');
    if (block === 0) return false;
    if (near !== undefined) this.#attach(near, page, block);
    else {
      this.#o.machine.u32[(block + BLOCK.region) >>> 2] = 0;
      lookAgain(this.#o.machine.u32, block, LATER);
    }
    return false;
  }

  failed(ticket: number): void {
    const ordered = this.#ordered.get(ticket);
    this.#ordered.delete(ticket);
    if (ordered?.order.far !== undefined) this.#farFailed(ordered.order.far);
    if (ordered?.again !== undefined) ordered.again.round = MOST_ROUNDS;
    // Without a region the block is never asked about again.
    if (ordered !== undefined && ordered.again === undefined && ordered.order.far === undefined && !this.#o.link.isElsewhere)
      this.#o.machine.u32[(ordered.hot + BLOCK.heat) >>> 2] = 0;
  }

  /** A region that was under way has the place in it: is it entered often all the same? */
  covered(ticket: number): void {
    const ordered = this.#ordered.get(ticket);
    this.#ordered.delete(ticket);
    if (ordered === undefined) return;
    lookAgain(this.#o.machine.u32, ordered.hot, LATER);
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
    forgetLinks(this.#o.machine.u32, this.#o.s.base);
    this.counters.live -= made.bytes;
    this.#garbage += made.bytes;
    this.counters.inUse--;
  }

  /** All blocks are gone. */
  detach(): void {
    for (const { order } of this.#ordered.values()) if (order.far !== undefined) this.#entries.release(order.far.entry);
    this.#ordered.clear();
    this.#exits.clear();
  }

  /** Regions that begin in a host page are dropped. */
  forgetPage(page: number): void {
    const present = this.#pages.get(page);
    if (present === undefined) return;
    for (const region of present.values()) this.#dropFar(region, page, 'reset');
    for (const region of present.values()) this.#release(region);
    this.#pages.delete(page);
    this.#exits.delete(page);
  }

  /** All regions are dropped, and nothing is held against any page. */
  reset(): void {
    if (this.isFull) this.counters.resets++;
    this.#anyFloat ||= this.#meetsOddFloats;
    this.#noSlot = false;
    this.detach();
    for (const page of [...this.#pages.keys()]) this.forgetPage(page);
    this.#rewrites.clear();
    this.#written.clear();
  }
}
