/**
 * Chooses the code of a region: basic blocks that are reached from a hot entry by direct branches, calls and falls. Offsets count from the
 * start of the entry's page; those below 0 and from 4096 on are on other pages.
 */
import type { Decoded } from '../../isa/decoded.ts';
import type { Variant } from '../../isa/variants.ts';
import { targetOffset } from './early-binding.ts';

const PAGE = 4096;
/** Number of the page an offset lies on; the entry's is 0. */
export const pageOf = (offset: number): number => Math.floor(offset / PAGE);
const NAMES_THAT_END =
  /^(ret|jmp|call|int|int3|int1|into|hlt|syscall|sysenter|swapgs|jmp far|call far|ret far|\{(iret|sysret|sysexit),.*)$/;

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
  /** All its instructions by their offset. */
  readonly code: ReadonlyMap<number, Decoded>;
  /** Bytes that were decoded, as pairs of offsets. */
  readonly ranges: readonly (readonly [from: number, to: number])[];
  readonly instructions: number;
  /** Offsets after calls inside the region: where its returns may go. */
  readonly returns: readonly number[];
  /** Offsets in the entry's page where direct branches leave to. */
  readonly exits: readonly number[];
  /** Offsets in the entry's page after computed jumps. */
  readonly computed: readonly number[];
}

export interface RegionSource {
  readonly entry: number;
  /** Decode the instruction at an offset; undefined where the code known of it ends or nothing decodes. */
  readonly decode: (offset: number) => Decoded | undefined;
  /** A variant or place that no region can hold. */
  readonly refused: (variant: Variant, offset: number) => boolean;
  /** Has the place been reached often, by a branch or on the next page, and is its page known? */
  readonly warm: (offset: number) => boolean;
  /** Offsets that the computed jump ending at an offset has led to. */
  readonly targets: (end: number) => readonly number[];
  /** Code of other pages may be taken in. */
  readonly isFar: boolean;
  readonly most: { readonly instructions: number; readonly blocks: number };
}

type Kind = 'plain' | 'conditional' | 'jump' | 'call' | 'computed' | 'ends';
/** Targets of one computed jump that stay inside. */
const MOST_TARGETS = 32;

const KINDS = new Map<Variant, Kind>();

function kindOf({ variant }: Decoded): Kind {
  let kind = KINDS.get(variant);
  if (kind === undefined) {
    kind = newKind(variant);
    KINDS.set(variant, kind);
  }
  return kind;
}

function newKind({ form, operands }: Variant): Kind {
  const { name } = form.definition;
  const isRelative = operands.some((o) => o.kind === 'rel');
  if (isRelative) return name === 'jmp' ? 'jump' : name === 'call' ? 'call' : 'conditional';
  if (name === 'jmp' || name === 'call') return 'computed';
  return NAMES_THAT_END.test(name) ? 'ends' : 'plain';
}

/**
 * All that fits of the entry's page comes first, with half of the room where other pages are taken in: a place of it that is left out has no
 * region of its own.
 */
export function planRegion(source: RegionSource): RegionPlan | undefined {
  const { entry, decode, refused, warm, targets, most } = source;
  const code = new Map<number, Decoded>();
  const leaders = new Set<number>([entry]);
  let queue = [entry];
  let later: number[] = [];
  let parts = source.isFar ? 2 : 1;
  const isLater = (offset: number): boolean => parts > 1 && pageOf(offset) !== 0;
  const reach = (offset: number, how = isLater(offset)): void => void (how ? later : queue).push(offset);
  const returns: number[] = [];
  /** By the offset after a computed jump: where it led. */
  const computed = new Map<number, readonly number[]>();
  for (;;) {
    if (queue.length === 0 || leaders.size > most.blocks / parts) {
      if (later.length === 0) break;
      queue = [...queue, ...later];
      later = [];
      parts = 1;
      continue;
    }
    let at = queue.shift() as number;
    for (;;) {
      if (code.has(at)) break;
      if (code.size >= most.instructions / parts) {
        if (parts > 1) later.push(at);
        break;
      }
      const decoded = decode(at);
      if (decoded === undefined || refused(decoded.variant, at)) break;
      code.set(at, decoded);
      const next = at + decoded.length;
      const goesOn = pageOf(next) === pageOf(at) || warm(next);
      const kind = kindOf(decoded);
      if (kind === 'ends') break;
      if (kind === 'computed') {
        const inside = targets(next).slice(0, MOST_TARGETS);
        computed.set(next, inside);
        for (const target of inside) {
          leaders.add(target);
          reach(target);
        }
        if (decoded.definition.name === 'call' && inside.length > 0 && goesOn) {
          leaders.add(next);
          returns.push(next);
          reach(next);
        }
        break;
      }
      if (kind !== 'plain') {
        const target = targetOffset(decoded, next);
        const inside = decoded.facts.width !== 16 && warm(target);
        if (inside) {
          leaders.add(target);
          reach(target);
        }
        if (kind === 'jump') break;
        leaders.add(next);
        // What follows a call is reached by the return, not by falling.
        if (kind === 'call') {
          if (!inside) break;
          returns.push(next);
        }
        if (goesOn) reach(next, isLater(next) || (kind === 'call' && isLater(target)));
        break;
      }
      if (!goesOn) break;
      if (isLater(next)) {
        later.push(next);
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
  const leavesTo = (offset: number): void => {
    if (pageOf(offset) === 0) exits.add(offset);
  };
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
        if (taken === undefined) leavesTo(target);
      }
      break;
    }
    const falls = kind === 'plain' || kind === 'conditional';
    blocks.set(at, { at, instructions, taken, targets, next: falls ? has(offset) : undefined, end: offset });
    if (falls && has(offset) === undefined) leavesTo(offset);
    ranges.push([at, offset]);
  }
  return {
    entry: source.entry,
    blocks,
    code,
    ranges,
    instructions: code.size,
    returns: [...new Set(returns)].filter((offset) => has(offset) !== undefined),
    exits: [...exits],
    computed: [...computed.keys()].filter((end) => pageOf(end - 1) === 0),
  };
}
