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
  /** The page holds a copy of code that stands on the bus. */
  readonly isCopy: (hostPage: number) => boolean;
}

const LIMITS = { instructions: 250, blocks: 48 } as const;
/** Instructions found out to be unfit in one go. */
const ATTEMPTS = 16;
export const HEAT = { on: 600, force: 1 } as const;

export interface JitCounters {
  regions: number;
  modules: number;
  bytes: number;
  refused: number;
  microseconds: number;
}

export class Jit {
  readonly #o: JitOptions;
  readonly #refused = new Set<Variant>();
  /** Slots in use by host page. */
  readonly #pages = new Map<number, Set<number>>();
  readonly counters: JitCounters = { regions: 0, modules: 0, bytes: 0, refused: 0, microseconds: 0 };

  constructor(options: JitOptions) {
    this.#o = options;
  }

  /** A block has been entered often; RIP is at its beginning. */
  hot(block: number): void {
    const { machine } = this.#o;
    const word = (offset: number): number => machine.u32[(block + offset) >>> 2] as number;
    if (word(BLOCK.crossing) !== 0 || word(BLOCK.region) !== 0) return;
    const page = (word(BLOCK.generationAt) - FIXED.pageInfo) >>> 4;
    if (this.#o.isCopy(page)) return;
    let region: BuiltRegion | undefined;
    for (let attempt = 0; region === undefined && attempt < ATTEMPTS; attempt++) {
      const plan = this.#plan(page, word(BLOCK.first));
      if (plan === undefined || machine.u32[word(BLOCK.generationAt) >>> 2] !== word(BLOCK.generation)) return;
      region = this.#make(plan);
    }
    const slot = region === undefined ? 0 : this.#install(region);
    if (slot === 0) return;
    machine.u32[(block + BLOCK.region) >>> 2] = slot;
    const slots = this.#pages.get(page) ?? new Set();
    slots.add(slot);
    this.#pages.set(page, slots);
  }

  /** Code of a host page was overwritten. */
  invalidate(hostPage: number): void {
    const slots = this.#pages.get(hostPage);
    if (slots === undefined) return;
    for (const slot of slots) this.#o.regions.release(slot);
    this.#pages.delete(hostPage);
  }

  /** All blocks are forgotten. */
  reset(): void {
    for (const page of [...this.#pages.keys()]) this.invalidate(page);
  }

  #plan(page: number, entry: number): RegionPlan | undefined {
    const { machine, s, decode, modeOf, setting } = this.#o;
    const { modeKey } = s;
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
  #make(plan: RegionPlan): BuiltRegion | undefined {
    const { s, modeOf } = this.#o;
    const { mode, flat } = modeOf(s.modeKey);
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

  #install(region: BuiltRegion): number {
    const { machine, regions } = this.#o;
    const bytes = encodeRegions([region]);
    const [made] = instantiateRegions(bytes, { machine, table: regions.table, routines: regions.routines() });
    const slot = regions.take();
    if (slot === 0) return 0;
    regions.table.set(slot, made);
    this.counters.regions++;
    this.counters.modules++;
    this.counters.bytes += bytes.length;
    return slot;
  }
}
