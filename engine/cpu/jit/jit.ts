/** The JIT of one vCPU: hears of hot blocks, makes regions of them and puts these into the table of regions. */

import { Decoded } from '../../isa/decoded.ts';
import type { Decode } from '../../isa/decoder.ts';
import type { DecodeMode, Variant } from '../../isa/variants.ts';
import { FIXED, type MachineMemory } from '../../memory/index.ts';
import type { VcpuState } from '../context.ts';
import { BLOCK } from '../regions.ts';
import { type BuiltRegion, Unbuildable } from './build.ts';
import { encodeRegions, instantiateRegions, makeRegion } from './compile.ts';
import { planRegion, type RegionPlan } from './form.ts';

const PAGE = 4096;

export type JitSetting = 'off' | 'on' | 'force';

/** What every vCPU of a thread shares: the table, and the routines regions import. */
export interface RegionTable {
  readonly table: WebAssembly.Table;
  readonly routines: () => Record<string, unknown>;
  /** The function of a slot without a region. */
  readonly empty: () => unknown;
  take(): number;
  release(slot: number): void;
}

export interface JitOptions {
  readonly s: VcpuState;
  readonly machine: MachineMemory;
  readonly setting: Exclude<JitSetting, 'off'>;
  readonly decode: Decode;
  readonly modeOf: (modeKey: number) => { readonly mode: DecodeMode; readonly flat: number };
  readonly regions: RegionTable;
  /** Bytes of a host page are decoded: writes to them are to be seen. */
  readonly mark: (host: number, bytes: number) => void;
  /** Times the interpreter has entered the block at a host address. */
  readonly entries: (host: number, modeKey: number) => number;
  /** The page holds a copy of code that stands on the bus. */
  readonly isCopy: (hostPage: number) => boolean;
}

const LIMITS = { instructions: 250, blocks: 48 } as const;
/** Instructions found out to be unfit in one go. */
const ATTEMPTS = 16;
export const HEAT = { on: 2000, force: 1 } as const;
/**
 * Regions of one module: more would make the guest wait longer than its own timers allow. Entries after which a block no longer waits for
 * others.
 */
const BATCH = 8;
const COLD_REGIONS = 64;
const PATIENCE = 1000;
/** A page whose regions were overwritten that often is left to the interpreter. */
const MOST_REWRITES = 16;
/** Entries from which on a block is taken into the regions of others. */
const WARM = 100;

export interface JitCounters {
  regions: number;
  modules: number;
  bytes: number;
  refused: number;
}

interface Waiting {
  readonly block: number;
  readonly modeKey: number;
}

export class Jit {
  readonly #o: JitOptions;
  readonly #refused = new Set<Variant>();
  /** Slots in use by host page. */
  readonly #pages = new Map<number, Set<number>>();
  /** Times regions of a host page were overwritten. */
  readonly #rewritten = new Map<number, number>();
  #waiting: Waiting[] = [];
  readonly counters: JitCounters = { regions: 0, modules: 0, bytes: 0, refused: 0 };

  constructor(options: JitOptions) {
    this.#o = options;
  }

  /**
   * A block has been entered often; RIP is at its beginning. Regions are made several at a time, because V8 lays each module out by
   * itself: a block that waits and is entered as often again does not wait longer.
   */
  hot(block: number): void {
    const { machine, s, setting, modeOf } = this.#o;
    const known = this.#waiting.find((other) => other.block === block);
    if (known === undefined) {
      if (machine.u32[(block + BLOCK.crossing) >>> 2] !== 0 || machine.u32[(block + BLOCK.region) >>> 2] !== 0) return;
      const page = this.#pageOf(block);
      if (this.#o.isCopy(page) || (this.#rewritten.get(page) ?? 0) >= MOST_REWRITES) return;
      this.#waiting.push({ block, modeKey: s.modeKey });
      const heat = (block + BLOCK.heat) >>> 2;
      machine.u32[heat] = PATIENCE;
      const isLegacy = modeOf(s.modeKey).mode.code !== 64;
      if (setting !== 'force' && !isLegacy && this.#waiting.length < this.#batch()) return;
    }
    const batch = this.#waiting.splice(0);
    const made = batch.flatMap((wait) => {
      const region = this.#region(wait);
      // Without a region the block is never asked about again.
      if (region === undefined) machine.u32[(wait.block + BLOCK.heat) >>> 2] = 0;
      return region === undefined ? [] : [{ ...wait, region }];
    });
    if (made.length > 0) this.#install(made);
  }

  /** While the JIT's own code is not yet optimized, a region takes milliseconds: one at a time. */
  #batch(): number {
    return this.counters.regions < COLD_REGIONS ? 1 : BATCH;
  }

  #pageOf(block: number): number {
    return ((this.#o.machine.u32[(block + BLOCK.generationAt) >>> 2] as number) - FIXED.pageInfo) >>> 4;
  }

  #region({ block, modeKey }: Waiting): BuiltRegion | undefined {
    const { machine } = this.#o;
    const word = (offset: number): number => machine.u32[(block + offset) >>> 2] as number;
    let region: BuiltRegion | undefined;
    for (let attempt = 0; region === undefined && attempt < ATTEMPTS; attempt++) {
      if (machine.u32[word(BLOCK.generationAt) >>> 2] !== word(BLOCK.generation)) return undefined;
      const plan = this.#plan({ page: this.#pageOf(block), entry: word(BLOCK.first), modeKey });
      if (plan === undefined || machine.u32[word(BLOCK.generationAt) >>> 2] !== word(BLOCK.generation)) return undefined;
      region = this.#make(plan, modeKey);
    }
    return region;
  }

  /** Code of a host page was overwritten. */
  invalidate(hostPage: number): void {
    const slots = this.#pages.get(hostPage);
    if (slots === undefined) return;
    for (const slot of slots) this.#o.regions.release(slot);
    this.#pages.delete(hostPage);
    this.#rewritten.set(hostPage, (this.#rewritten.get(hostPage) ?? 0) + 1);
  }

  /** All blocks are forgotten. */
  reset(): void {
    this.#waiting = [];
    for (const slots of this.#pages.values()) for (const slot of slots) this.#o.regions.release(slot);
    this.#pages.clear();
    this.#rewritten.clear();
  }

  #plan(code: { page: number; entry: number; modeKey: number }): RegionPlan | undefined {
    const { machine, s, decode, modeOf, setting } = this.#o;
    const { page, entry, modeKey } = code;
    const { mode } = modeOf(modeKey);
    const from = page * PAGE;
    const copy = machine.u8.slice(from, from + PAGE);
    const rip = Number(BigInt.asUintN(32, s.rip));
    const within = (offset: number): number =>
      mode.code === 64 ? PAGE - offset : Math.min(PAGE - offset, s.csLimit - (rip - entry + offset) + 1);
    const plan = planRegion({
      entry,
      decode: (offset) => {
        const available = within(offset);
        if (offset < 0 || available <= 0) return undefined;
        const decoded = decode(copy, offset, available, mode);
        return decoded instanceof Decoded ? decoded : undefined;
      },
      warm: (offset) => setting === 'force' || this.#o.entries(from + offset, modeKey) >= WARM,
      refused: (variant) => this.#refused.has(variant),
      most: {
        instructions: setting === 'force' ? Math.min(LIMITS.instructions, s.budget) : LIMITS.instructions,
        blocks: LIMITS.blocks,
      },
    });
    if (plan === undefined) return undefined;
    for (const [start, end] of plan.ranges) this.#o.mark(from + start, end - start);
    for (const [start, end] of plan.ranges)
      for (let i = start; i < end; i++) if (machine.u8[from + i] !== copy[i]) return undefined;
    return plan;
  }

  /** IR of a planned region; undefined when an instruction of it is refused from now on. */
  #make(plan: RegionPlan, modeKey: number): BuiltRegion | undefined {
    const { mode, flat } = this.#o.modeOf(modeKey);
    try {
      return makeRegion(plan, { long: mode.code === 64, flat });
    } catch (thrown) {
      if (!(thrown instanceof Unbuildable)) throw thrown;
      this.counters.refused++;
      for (const { instructions } of plan.blocks.values())
        for (const { at, decoded } of instructions) if (at === thrown.at) this.#refused.add(decoded.variant);
      return undefined;
    }
  }

  #install(made: readonly (Waiting & { readonly region: BuiltRegion })[]): void {
    const { machine, regions } = this.#o;
    const bytes = encodeRegions(made.map(({ region }) => region));
    const functions = instantiateRegions(bytes, { machine, table: regions.table, routines: regions.routines() });
    for (const [i, { block }] of made.entries()) {
      const slot = regions.take();
      if (slot === 0) break;
      regions.table.set(slot, functions[i]);
      machine.u32[(block + BLOCK.region) >>> 2] = slot;
      const page = this.#pageOf(block);
      const slots = this.#pages.get(page) ?? new Set();
      slots.add(slot);
      this.#pages.set(page, slots);
      this.counters.regions++;
    }
    this.counters.modules++;
    this.counters.bytes += bytes.length;
  }
}
