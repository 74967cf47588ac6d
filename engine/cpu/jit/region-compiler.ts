/** Makes regions out of bytes: knows nothing of vCPUs but what orders say, so that it can work beside them. */
import { Decoded } from '../../isa/decoded.ts';
import type { Decode } from '../../isa/decoder.ts';
import type { Variant } from '../../isa/variants.ts';
import { FAR_PAGES } from '../regions.ts';
import { type BuiltRegion, Unbuildable } from './build.ts';
import { encodeRegions, makeRegion } from './compile.ts';
import { FarCode } from './far-code.ts';
import { pageOf, planRegion, type RegionPlan } from './form.ts';
import type { FarPage, MadeRegion, RegionAnswer, RegionOrder } from './order.ts';

const PAGE = 4096;
/** Blocks of one region. */
const BLOCKS = 48;
/** Instructions found out to be unfit in one go. */
const ATTEMPTS = 16;
/** Where a region goes from one page to another, the place must be so many times as warm. */
const FAR_WARM = 5;
/** Times a region of another page was entered from which on its code is taken in. */
const FAR_CHAINS = 100_000;
/** Regions made last of which it is known what places they hold. */
const REMEMBERED = 64;
/** Bytes of the longest instruction. */
const LONGEST = 15;

export interface RegionCompilerOptions {
  readonly decode: Decode;
  /** The machine's memory, where pages lie. */
  readonly memory: Uint8Array;
  /** Microseconds of a clock that runs on. */
  readonly now: () => number;
  /**
   * Compiles with V8's optimizer at once; absent: V8 decides. What runs until a region with code of several pages comes was optimized long ago:
   * in its place V8's quick code would be worse than nothing.
   */
  readonly optimized?: (<T>(act: () => T) => T) | undefined;
  /** Compiles with V8's quick compiler at once; absent: V8 does it when the code is called first. */
  readonly quick?: (<T>(act: () => T) => T) | undefined;
}

interface Planned {
  readonly plan: RegionPlan;
  readonly region: BuiltRegion;
}

/** Pages of a region by their number: where they are in host memory, and what they held when the region was begun. */
type Pages = Map<number, { readonly host: number; readonly bytes: Uint8Array }>;

export class RegionCompiler {
  readonly #o: RegionCompilerOptions;
  readonly #refused = new Set<Variant>();
  /** Instructions of regions that were made, by vCPU and ticket. */
  readonly #places = new Map<number, RegionPlan['code']>();

  constructor(options: RegionCompilerOptions) {
    this.#o = options;
  }

  /** One module of all that can be made. What is more urgent may be compiled in `pause`, which is called between one part and the next. */
  compile(orders: readonly RegionOrder[], pause?: () => void): RegionAnswer {
    const start = this.#o.now();
    const refused = new Set<Variant>();
    let paused = 0;
    const rest = (): void => {
      if (pause === undefined) return;
      const from = this.#o.now();
      pause();
      paused += this.#o.now() - from;
    };
    const built: BuiltRegion[] = [];
    const regions: Omit<MadeRegion, 'bytes'>[] = [];
    const failed: RegionOrder[] = [];
    const covered: RegionOrder[] = [];
    for (const order of orders) {
      if (this.#isCovered(order)) {
        covered.push(order);
        continue;
      }
      const pages: Pages = new Map();
      this.#take(pages, 0, order.page);
      const made = this.#region(order, pages, refused);
      rest();
      if (made === undefined) {
        failed.push(order);
        continue;
      }
      const farPages = farPagesOf(made.plan, pages);
      const { instructions, exits, computed } = made.plan;
      const { loops } = made.region;
      built.push(made.region);
      this.#remember(order, made.plan);
      const where = { vcpu: order.vcpu, ticket: order.ticket, farPages, ...compiled(made.plan.ranges, pages) };
      regions.push({ ...where, instructions, loops, exits, computed });
    }
    const lengths: number[] = [];
    const bytes = built.length > 0 ? encodeRegions(built, lengths) : undefined;
    rest();
    const { optimized, quick } = this.#o;
    const make = (): WebAssembly.Module | undefined => bytes && new WebAssembly.Module(bytes);
    const isFar = regions.some(({ farPages }) => farPages.length > 0);
    const how = isFar ? (optimized ?? quick) : quick;
    return {
      module: how === undefined ? make() : how(make),
      // Each one's share, by its length.
      regions: regions.map((region, i) => ({ ...region, bytes: lengths[i] as number })),
      failed: failed.map(({ vcpu, ticket }) => ({ vcpu, ticket })),
      covered: covered.map(({ vcpu, ticket }) => ({ vcpu, ticket })),
      bytes: bytes?.length ?? 0,
      refused: refused.size,
      microseconds: this.#o.now() - start - paused,
    };
  }

  #isCovered({ vcpu, under, entry }: RegionOrder): boolean {
    return under.some((ticket) => this.#places.get(numberOf(vcpu, ticket))?.has(entry));
  }

  #remember({ vcpu, ticket }: RegionOrder, { code }: RegionPlan): void {
    this.#places.set(numberOf(vcpu, ticket), code);
    if (this.#places.size > REMEMBERED) this.#places.delete(this.#places.keys().next().value as number);
  }

  #take(pages: Pages, number: number, host: number): void {
    pages.set(number, { host, bytes: this.#o.memory.slice(host * PAGE, (host + 1) * PAGE) });
  }

  #region(order: RegionOrder, pages: Pages, refused: Set<Variant>): Planned | undefined {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const plan = this.#plan(order, pages);
      if (plan === undefined || plan.instructions <= order.beyond) return undefined;
      try {
        const hostPage = (number: number): number => pages.get(number)?.host ?? 0;
        if (order.far !== undefined && farPagesOf(plan, pages).length === 0) return undefined;
        const { flat, flatCode, cpu, anyFloat } = order;
        const far = order.far?.entry;
        const long = order.mode.code === 64;
        return { plan, region: makeRegion(plan, { hostPage, far, long, flat, flatCode, cpu, anyFloat }) };
      } catch (thrown) {
        if (!(thrown instanceof Unbuildable)) throw thrown;
        this.#refuse(plan, thrown.at, refused);
      }
    }
    return undefined;
  }

  /** The instruction at an offset is left out from now on, here and everywhere. */
  #refuse(plan: RegionPlan, offset: number, refused: Set<Variant>): void {
    const { variant } = plan.code.get(offset) as Decoded;
    this.#refused.add(variant);
    refused.add(variant);
  }

  #plan(order: RegionOrder, pages: Pages): RegionPlan | undefined {
    const { decode } = this.#o;
    const { entry, mode, withinLimit, warm, targets, instructions } = order;
    const entries = order.entries && warmOf(order.entries, warm);
    const far = order.far && new FarCode(this.#o.memory, order.far);
    const home = pages.get(0)?.bytes as Uint8Array;
    /** The first instruction lies on two pages: of those, and no others. */
    const isCrossing = far !== undefined && decode(home, entry, PAGE - entry, mode) === 'need-more';
    const [least, mostPages] = isCrossing
      ? [{ block: warm, region: warm }, 1]
      : [{ block: FAR_WARM * warm, region: FAR_CHAINS }, FAR_PAGES];
    /** The page with this number is one of the region's, or becomes one. */
    const takes = (number: number): boolean => {
      if (pages.has(number)) return true;
      const host = pages.size <= mostPages ? far?.hostPage(number * PAGE) : undefined;
      if (host !== undefined) this.#take(pages, number, host);
      return host !== undefined;
    };
    const bytesAt = (offset: number): { readonly bytes: Uint8Array; readonly at: number } | undefined => {
      const number = pageOf(offset);
      const page = pages.get(number)?.bytes;
      const at = offset - number * PAGE;
      if (page === undefined) return undefined;
      const isWhole = at + LONGEST <= PAGE || decode(page, at, PAGE - at, mode) !== 'need-more' || !takes(number + 1);
      if (isWhole) return { bytes: page, at };
      const next = pages.get(number + 1)?.bytes as Uint8Array;
      const bytes = new Uint8Array(2 * LONGEST);
      bytes.set(page.subarray(at));
      bytes.set(next.subarray(0, LONGEST), PAGE - at);
      return { bytes, at: 0 };
    };
    return planRegion({
      entry,
      decode: (offset) => {
        const code = bytesAt(offset);
        if (code === undefined || withinLimit <= offset) return undefined;
        const available = Math.min(code.bytes.length - code.at, withinLimit - offset);
        const decoded = decode(code.bytes, code.at, available, mode);
        return decoded instanceof Decoded ? decoded : undefined;
      },
      warm: (offset) => {
        if (pageOf(offset) === 0) return entries === undefined || entries.has(offset);
        const isWarm = far !== undefined && (entries === undefined || far.isHot(offset, least));
        return isWarm && takes(pageOf(offset));
      },
      targets: (end) => targets.get(end) ?? [],
      refused: (variant) => this.#refused.has(variant),
      isFar: far !== undefined,
      most: { instructions, blocks: far === undefined ? BLOCKS : 2 * BLOCKS },
    });
  }
}

/** A number that no other order has. */
const numberOf = (vcpu: number, ticket: number): number => vcpu * 2 ** 32 + ticket;

/** Offsets of blocks that were entered so often. */
function warmOf(pairs: Uint32Array, entries: number): ReadonlySet<number> {
  const warm = new Set<number>();
  for (let i = 0; i < pairs.length; i += 2) if ((pairs[i + 1] as number) >= entries) warm.add(pairs[i] as number);
  return warm;
}

/** Pages besides the order's that code was taken from. */
function farPagesOf({ ranges }: RegionPlan, pages: Pages): FarPage[] {
  if (pages.size === 1) return [];
  const used = new Set(ranges.flatMap(([from, to]) => [pageOf(from), pageOf(to - 1)]));
  return [...pages].filter(([number]) => number !== 0 && used.has(number)).map(([number, { host }]) => ({ number, host }));
}

/** Host addresses of ranges of offsets, each on one page, and the bytes that were there. */
function compiled(ranges: RegionPlan['ranges'], pages: Pages): Pick<MadeRegion, 'ranges' | 'code'> {
  const parts: { readonly from: number; readonly bytes: Uint8Array }[] = [];
  for (const [from, to] of ranges) {
    for (let at = from; at < to; ) {
      const number = pageOf(at);
      const { host, bytes } = pages.get(number) as { host: number; bytes: Uint8Array };
      const end = Math.min(to, (number + 1) * PAGE);
      parts.push({ from: (host - number) * PAGE + at, bytes: bytes.subarray(at - number * PAGE, end - number * PAGE) });
      at = end;
    }
  }
  const code = new Uint8Array(parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of parts) {
    code.set(bytes, at);
    at += bytes.length;
  }
  return { ranges: parts.map(({ from, bytes }) => [from, from + bytes.length] as const), code };
}
