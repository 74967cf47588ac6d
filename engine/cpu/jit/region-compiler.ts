/** Makes regions out of bytes: knows nothing of vCPUs but what orders say, so that it can work beside them. */
import { Decoded } from '../../isa/decoded.ts';
import type { Decode } from '../../isa/decoder.ts';
import type { Variant } from '../../isa/variants.ts';
import { type BuiltRegion, Unbuildable } from './build.ts';
import { encodeRegions, makeRegion } from './compile.ts';
import { planRegion, type RegionPlan } from './form.ts';
import type { MadeRegion, RegionAnswer, RegionOrder } from './order.ts';

const PAGE = 4096;
/** Blocks of one region. */
const BLOCKS = 48;
/** Instructions found out to be unfit in one go. */
const ATTEMPTS = 16;

export interface RegionCompilerOptions {
  readonly decode: Decode;
  /** The machine's memory, where pages lie. */
  readonly memory: Uint8Array;
  /** Microseconds of a clock that runs on. */
  readonly now: () => number;
}

interface Planned {
  readonly plan: RegionPlan;
  readonly region: BuiltRegion;
}

export class RegionCompiler {
  readonly #o: RegionCompilerOptions;
  readonly #refused = new Set<Variant>();
  #refusals = 0;

  constructor(options: RegionCompilerOptions) {
    this.#o = options;
  }

  /** One module of all that can be made. */
  compile(orders: readonly RegionOrder[]): RegionAnswer {
    const start = this.#o.now();
    this.#refusals = 0;
    const built: BuiltRegion[] = [];
    const regions: Omit<MadeRegion, 'bytes'>[] = [];
    const failed: RegionOrder[] = [];
    for (const order of orders) {
      const copy = this.#o.memory.slice(order.page * PAGE, (order.page + 1) * PAGE);
      const made = this.#region(order, copy);
      if (made === undefined) {
        failed.push(order);
        continue;
      }
      const { ranges, instructions, exits, computed } = made.plan;
      const { loops } = made.region;
      built.push(made.region);
      const code = bytesOf(copy, ranges);
      regions.push({ vcpu: order.vcpu, ticket: order.ticket, instructions, ranges, code, loops, exits, computed });
    }
    const lengths: number[] = [];
    const bytes = built.length > 0 ? encodeRegions(built, lengths) : undefined;
    return {
      module: bytes && new WebAssembly.Module(bytes),
      // Each one's share, by its length.
      regions: regions.map((region, i) => ({ ...region, bytes: lengths[i] as number })),
      failed: failed.map(({ vcpu, ticket }) => ({ vcpu, ticket })),
      bytes: bytes?.length ?? 0,
      refused: this.#refusals,
      microseconds: this.#o.now() - start,
    };
  }

  #region(order: RegionOrder, copy: Uint8Array): Planned | undefined {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const plan = this.#plan(order, copy);
      if (plan === undefined) return undefined;
      try {
        const { page: hostPage, flat, cpu } = order;
        return { plan, region: makeRegion(plan, { hostPage, long: order.mode.code === 64, flat, cpu }) };
      } catch (thrown) {
        if (!(thrown instanceof Unbuildable)) throw thrown;
        this.#refuse(plan, thrown.at);
      }
    }
    return undefined;
  }

  /** The instruction at an offset is left out from now on, here and everywhere. */
  #refuse(plan: RegionPlan, offset: number): void {
    this.#refusals++;
    for (const { instructions } of plan.blocks.values())
      for (const { at, decoded } of instructions) if (at === offset) this.#refused.add(decoded.variant);
  }

  #plan(
    { entry, mode, withinLimit, entries, warm, targets, instructions }: RegionOrder,
    copy: Uint8Array,
  ): RegionPlan | undefined {
    const { decode } = this.#o;
    return planRegion({
      entry,
      decode: (offset) => {
        const available = Math.min(PAGE, withinLimit) - offset;
        if (offset < 0 || available <= 0) return undefined;
        const decoded = decode(copy, offset, available, mode);
        return decoded instanceof Decoded ? decoded : undefined;
      },
      warm: (offset) => entries === undefined || (entries.get(offset) ?? 0) >= warm,
      targets: (end) => targets.get(end) ?? [],
      refused: (variant) => this.#refused.has(variant),
      most: { instructions, blocks: BLOCKS },
    });
  }
}

function bytesOf(page: Uint8Array, ranges: RegionPlan['ranges']): Uint8Array {
  let length = 0;
  for (const [from, to] of ranges) length += to - from;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const [from, to] of ranges) {
    bytes.set(page.subarray(from, to), at);
    at += to - from;
  }
  return bytes;
}
