/** Chooses the code of a region: basic blocks of one page that are reached from a hot entry by direct branches, calls and falls. */
import type { Decoded } from '../../isa/decoded.ts';
import type { Variant } from '../../isa/variants.ts';
import { targetOffset } from './early-binding.ts';

const PAGE = 4096;
const NAMES_THAT_END = /^(ret|jmp|call|iret|int|int3|int1|into|hlt|syscall|sysret|sysenter|sysexit|jmp far|call far|ret far)$/;

export interface RegionInstruction {
  /** Offset from the start of the page. */
  readonly at: number;
  readonly decoded: Decoded;
}

/** How a block goes on. `rel`: the target of its direct branch, also when that lies elsewhere; `next`: what follows it. */
export interface RegionBlock {
  readonly at: number;
  readonly instructions: readonly RegionInstruction[];
  /** Blocks of the region by how control reaches them. */
  readonly taken: number | undefined;
  readonly next: number | undefined;
  /** Where its computed jump may stay inside, likeliest first. */
  readonly targets: readonly number[];
  /** Offset after the last instruction. */
  readonly end: number;
}

export interface RegionPlan {
  readonly entry: number;
  readonly blocks: ReadonlyMap<number, RegionBlock>;
  /** Bytes of the page that were decoded, as pairs of offsets. */
  readonly ranges: readonly (readonly [from: number, to: number])[];
  readonly instructions: number;
  /** Offsets after calls inside the region: where its returns may go. */
  readonly returns: readonly number[];
  /** Offsets in the page where direct branches leave to. */
  readonly exits: readonly number[];
  /** Offsets after computed jumps. */
  readonly computed: readonly number[];
}

export interface RegionSource {
  readonly entry: number;
  /** Decode the instruction at an offset; undefined where the page (or the segment) ends or nothing decodes. */
  readonly decode: (offset: number) => Decoded | undefined;
  /** A variant or place that no region can hold. */
  readonly refused: (variant: Variant, offset: number) => boolean;
  /** Has the branch target been reached often? */
  readonly warm: (offset: number) => boolean;
  /** Offsets that the computed jump ending at an offset has led to. */
  readonly targets: (end: number) => readonly number[];
  readonly most: { readonly instructions: number; readonly blocks: number };
}

type Kind = 'plain' | 'conditional' | 'jump' | 'call' | 'computed' | 'ends';
/** Targets of one computed jump that stay inside. */
const MOST_TARGETS = 32;

const isRelative = (decoded: Decoded): boolean => decoded.variant.operands.some((o) => o.kind === 'rel');

function kindOf(decoded: Decoded): Kind {
  const { name } = decoded.definition;
  if (isRelative(decoded)) return name === 'jmp' ? 'jump' : name === 'call' ? 'call' : 'conditional';
  if (name === 'jmp' || name === 'call') return 'computed';
  return NAMES_THAT_END.test(name) ? 'ends' : 'plain';
}

export function planRegion(source: RegionSource): RegionPlan | undefined {
  const { entry, decode, refused, warm, targets, most } = source;
  const code = new Map<number, Decoded>();
  const leaders = new Set<number>([entry]);
  const queue = [entry];
  const returns: number[] = [];
  /** By the offset after a computed jump: where it led. */
  const computed = new Map<number, readonly number[]>();
  while (queue.length > 0 && leaders.size <= most.blocks) {
    let at = queue.shift() as number;
    while (!code.has(at) && code.size < most.instructions) {
      const decoded = decode(at);
      if (decoded === undefined || refused(decoded.variant, at)) break;
      code.set(at, decoded);
      const next = at + decoded.length;
      const kind = kindOf(decoded);
      if (kind === 'ends') break;
      if (kind === 'computed') {
        const inside = targets(next).slice(0, MOST_TARGETS);
        computed.set(next, inside);
        for (const target of inside) {
          leaders.add(target);
          queue.push(target);
        }
        if (decoded.definition.name === 'call' && inside.length > 0 && next < PAGE) {
          leaders.add(next);
          returns.push(next);
          queue.push(next);
        }
        break;
      }
      if (kind !== 'plain') {
        const target = targetOffset(decoded, next);
        const inside = target >= 0 && target < PAGE && decoded.facts.width !== 16 && warm(target);
        if (inside) {
          leaders.add(target);
          queue.push(target);
        }
        if (kind === 'jump') break;
        leaders.add(next);
        // What follows a call is reached by the return, not by falling.
        if (kind === 'call') {
          if (!inside) break;
          returns.push(next);
        }
        if (next < PAGE) queue.push(next);
        break;
      }
      at = next;
    }
  }
  return assemble({ source, code, leaders, returns, computed });
}

interface Found {
  readonly source: RegionSource;
  readonly code: ReadonlyMap<number, Decoded>;
  readonly leaders: ReadonlySet<number>;
  readonly returns: readonly number[];
  readonly computed: ReadonlyMap<number, readonly number[]>;
}

function assemble({ source, code, leaders, returns, computed }: Found): RegionPlan | undefined {
  if (!code.has(source.entry)) return undefined;
  const has = (offset: number): number | undefined => (code.has(offset) && leaders.has(offset) ? offset : undefined);
  const blocks = new Map<number, RegionBlock>();
  const ranges: [number, number][] = [];
  const exits = new Set<number>();
  for (const at of leaders) {
    if (!code.has(at)) continue;
    const instructions: RegionInstruction[] = [];
    let offset = at;
    let kind: Kind = 'plain';
    let taken: number | undefined;
    let targets: readonly number[] = [];
    for (;;) {
      const decoded = code.get(offset);
      if (decoded === undefined || (offset !== at && leaders.has(offset))) break;
      instructions.push({ at: offset, decoded });
      offset += decoded.length;
      kind = kindOf(decoded);
      if (kind === 'plain') continue;
      if (kind === 'computed') targets = (computed.get(offset) ?? []).filter((target) => has(target) !== undefined);
      else if (kind !== 'ends' && decoded.facts.width !== 16) {
        const target = targetOffset(decoded, offset);
        taken = has(target);
        if (taken === undefined && target >= 0 && target < PAGE) exits.add(target);
      }
      break;
    }
    const falls = kind === 'plain' || kind === 'conditional';
    blocks.set(at, { at, instructions, taken, targets, next: falls ? has(offset) : undefined, end: offset });
    if (falls && has(offset) === undefined) exits.add(offset);
    ranges.push([at, offset]);
  }
  return {
    entry: source.entry,
    blocks,
    ranges,
    instructions: code.size,
    returns: [...new Set(returns)].filter((offset) => has(offset) !== undefined),
    exits: [...exits],
    computed: [...computed.keys()],
  };
}
