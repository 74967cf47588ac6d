/** Shape of a region's flow graph: order, dominators, loops, joins (after Ramsey, "Beyond Relooper", ICFP 2022). */
import type { RegionPlan } from './form.ts';

export interface Structure {
  /** Position in reverse postorder; blocks that are not reached have none. */
  readonly order: ReadonlyMap<number, number>;
  /** Blocks reached from several places by forward branches. */
  readonly joins: ReadonlySet<number>;
  /** Heads of loops. */
  readonly heads: ReadonlySet<number>;
  /** By the head: blocks with an edge back to it, and how many loops with the same head lie within the one which that closes. */
  readonly levels: ReadonlyMap<number, ReadonlyMap<number, number>>;
  /** Blocks that a block dominates directly, last in order first. */
  readonly children: ReadonlyMap<number, readonly number[]>;
  /** An edge that a structured program cannot have: it leaves the region. */
  readonly isRefused: (from: number, to: number) => boolean;
  /** By the head: blocks of all loops that it is the head of. */
  readonly bodies: ReadonlyMap<number, ReadonlySet<number>>;
  /** Blocks of loops that have no loop inside and are not long. */
  readonly inner: ReadonlySet<number>;
}

/** Instructions of a loop that is not long. */
const LONG = 100;
/** Loops with the same head that are told apart. */
const MOST_NESTED = 3;

/** Blocks by their position in reverse postorder. */
interface Graph {
  readonly blocks: readonly number[];
  readonly order: ReadonlyMap<number, number>;
  readonly predecessors: readonly (readonly number[])[];
}

function graphOf(entry: number, successorsOf: (at: number) => readonly number[]): Graph {
  const postorder: number[] = [];
  const successors = new Map<number, ReadonlySet<number>>();
  const visit = (at: number): void => {
    const after = new Set(successorsOf(at));
    successors.set(at, after);
    for (const next of after) if (!successors.has(next)) visit(next);
    postorder.push(at);
  };
  visit(entry);
  const blocks = postorder.reverse();
  const order = new Map<number, number>();
  for (const [i, at] of blocks.entries()) order.set(at, i);
  const predecessors = blocks.map((): number[] => []);
  for (const [from, at] of blocks.entries())
    for (const next of successors.get(at) as ReadonlySet<number>) predecessors[order.get(next) as number]?.push(from);
  return { blocks, order, predecessors };
}

export function analyse(plan: RegionPlan, successorsOf: (at: number) => readonly number[]): Structure {
  const { blocks, order, predecessors } = graphOf(plan.entry, successorsOf);
  const idom = dominators(predecessors);
  const dominates = (a: number, b: number): boolean => {
    let at = b;
    while (at > a) at = idom[at] as number;
    return at === a;
  };
  /** By the head: blocks with edges back to it. */
  const back = new Map<number, number[]>();
  const refused = new Set<number>();
  const joins = new Set<number>();
  for (let to = 0; to < blocks.length; to++) {
    let forward = 0;
    for (const from of predecessors[to] as readonly number[]) {
      if (from < to) forward++;
      else if (!dominates(to, from)) refused.add(from * blocks.length + to);
      else if (back.has(to)) back.get(to)?.push(from);
      else back.set(to, [from]);
    }
    if (forward > 1) joins.add(blocks[to] as number);
  }
  const at = (position: number): number => blocks[position] as number;
  const inner = new Set<number>();
  const levels = new Map<number, ReadonlyMap<number, number>>();
  const bodies = new Map<number, ReadonlySet<number>>();
  for (const [head, sources] of back) {
    const nested = nest(sources.map((from) => ({ from, body: bodyOf(head, from, predecessors) })));
    levels.set(
      at(head),
      new Map(nested.flatMap((loop, depth) => loop.sources.map((from): [number, number] => [at(from), depth]))),
    );
    bodies.set(at(head), new Set(nested.flatMap((loop) => [...loop.body].map(at))));
    const body = [...(nested[0] as Loop).body];
    const length = body.reduce((sum, block) => sum + (plan.blocks.get(at(block))?.instructions.length ?? 0), 0);
    if (length < LONG && body.every((block) => block === head || !back.has(block)))
      for (const block of body) inner.add(at(block));
  }
  const children = new Map<number, number[]>(blocks.map((block) => [block, []]));
  for (let i = blocks.length - 1; i > 0; i--) children.get(at(idom[i] as number))?.push(at(i));
  const isRefused = (from: number, to: number): boolean =>
    refused.size > 0 && refused.has((order.get(from) as number) * blocks.length + (order.get(to) as number));
  return { order, joins, heads: new Set(levels.keys()), levels, children, isRefused, bodies, inner };
}

interface Loop {
  readonly sources: number[];
  readonly body: Set<number>;
}

/**
 * Loops with one head, innermost first. Regions begin where code is hot, in the innermost loop: its head is the head of all loops around it
 * as well, and as one loop their registers would be kept as if all of them changed in every pass.
 */
function nest(edges: readonly { readonly from: number; readonly body: Set<number> }[]): Loop[] {
  const loops: Loop[] = [];
  for (const { from, body } of [...edges].sort((a, b) => a.body.size - b.body.size)) {
    const last = loops.at(-1);
    const isAround = last === undefined || (body.size > last.body.size && [...last.body].every((at) => body.has(at)));
    if (isAround && loops.length < MOST_NESTED) loops.push({ sources: [from], body });
    else {
      last?.sources.push(from);
      for (const at of body) last?.body.add(at);
    }
  }
  return loops;
}

/** Blocks from which the head of a loop is reached again, through `from`, without passing it. */
function bodyOf(head: number, from: number, predecessors: Graph['predecessors']): Set<number> {
  const body = new Set([head]);
  const queue = [from];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    if (body.has(at)) continue;
    body.add(at);
    queue.push(...(predecessors[at] as readonly number[]));
  }
  return body;
}

/** By the position of a block: that of the one which dominates it directly; the first has itself. */
function dominators(predecessors: Graph['predecessors']): readonly number[] {
  const idom: (number | undefined)[] = predecessors.map((_, at) => (at === 0 ? 0 : undefined));
  for (let changed = true; changed; ) {
    changed = false;
    for (let at = 1; at < idom.length; at++) {
      let best: number | undefined;
      for (const from of predecessors[at] as readonly number[]) {
        if (idom[from] === undefined) continue;
        best = best === undefined ? from : meeting(idom, best, from);
      }
      if (idom[at] !== best) {
        idom[at] = best;
        changed = true;
      }
    }
  }
  return idom as number[];
}

/** The nearest block that dominates both. */
function meeting(idom: readonly (number | undefined)[], a: number, b: number): number {
  while (a !== b) {
    if (a > b) a = idom[a] as number;
    else b = idom[b] as number;
  }
  return a;
}
