/** Shape of a region's flow graph: order, dominators, loops, joins (after Ramsey, "Beyond Relooper", ICFP 2022). */
import type { RegionPlan } from './form.ts';

export interface Structure {
  /** Position in reverse postorder; blocks that are not reached have none. */
  readonly order: ReadonlyMap<number, number>;
  /** Blocks reached from several places by forward branches. */
  readonly joins: ReadonlySet<number>;
  /** Heads of loops. */
  readonly heads: ReadonlySet<number>;
  /** Edges back to a head, by `edgeKey`: how many loops with the same head lie within the one they close. */
  readonly level: ReadonlyMap<string, number>;
  /** Blocks that a block dominates directly, last in order first. */
  readonly children: ReadonlyMap<number, readonly number[]>;
  /** Edges, by `edgeKey`, that a structured program cannot have: they leave the region. */
  readonly refused: ReadonlySet<string>;
  /** By the head: blocks of all loops that it is the head of. */
  readonly bodies: ReadonlyMap<number, ReadonlySet<number>>;
  /** Blocks of loops that have no loop inside and are not long. */
  readonly inner: ReadonlySet<number>;
}

/** Instructions of a loop that is not long. */
const LONG = 100;
/** Loops with the same head that are told apart. */
const MOST_NESTED = 3;

export const edgeKey = (from: number, to: number): string => `${from}>${to}`;

export function analyse(plan: RegionPlan, successorsOf: (at: number) => readonly number[]): Structure {
  const postorder: number[] = [];
  const seen = new Set<number>();
  const visit = (at: number): void => {
    seen.add(at);
    for (const to of successorsOf(at)) if (!seen.has(to)) visit(to);
    postorder.push(at);
  };
  visit(plan.entry);
  const sequence = postorder.reverse();
  const order = new Map(sequence.map((at, i) => [at, i]));
  const edges = sequence.flatMap((from) => [...new Set(successorsOf(from))].map((to) => ({ from, to })));
  const idom = dominators(plan.entry, sequence, order, edges);
  const dominates = (a: number, b: number): boolean => {
    let at: number | undefined = b;
    while (at !== undefined && (order.get(at) as number) > (order.get(a) as number)) at = idom.get(at);
    return at === a;
  };
  const refused = new Set<string>();
  const heads = new Set<number>();
  const back: { from: number; to: number }[] = [];
  const forward = new Map<number, number>();
  for (const { from, to } of edges) {
    const isForward = (order.get(from) as number) < (order.get(to) as number);
    if (isForward) forward.set(to, (forward.get(to) ?? 0) + 1);
    else if (dominates(to, from)) {
      heads.add(to);
      back.push({ from, to });
    } else refused.add(edgeKey(from, to));
  }
  const inner = new Set<number>();
  const level = new Map<string, number>();
  const bodies = new Map<number, ReadonlySet<number>>();
  for (const head of heads) {
    const sources = back.filter(({ to }) => to === head).map(({ from }) => from);
    const nested = nest(sources.map((from) => ({ from, body: bodyOf(head, [from], edges) })));
    for (const [depth, loop] of nested.entries()) for (const from of loop.sources) level.set(edgeKey(from, head), depth);
    bodies.set(head, new Set(nested.flatMap((loop) => [...loop.body])));
    const { body } = nested[0] as Loop;
    const length = [...body].reduce((sum, at) => sum + (plan.blocks.get(at)?.instructions.length ?? 0), 0);
    const isInnermost = [...body].every((at) => at === head || !heads.has(at));
    if (isInnermost && length < LONG) for (const at of body) inner.add(at);
  }
  const children = new Map<number, number[]>(sequence.map((at) => [at, []]));
  for (const at of sequence) {
    const parent = idom.get(at);
    if (parent !== undefined) children.get(parent)?.push(at);
  }
  for (const list of children.values()) list.sort((a, b) => (order.get(b) as number) - (order.get(a) as number));
  const joins = new Set([...forward].filter(([, n]) => n > 1).map(([at]) => at));
  return { order, joins, heads, level, children, refused, bodies, inner };
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

/** Blocks from which the head of a loop is reached again without passing it. */
function bodyOf(head: number, sources: readonly number[], edges: readonly { from: number; to: number }[]): Set<number> {
  const body = new Set([head]);
  const queue = [...sources];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    if (body.has(at)) continue;
    body.add(at);
    for (const { from, to } of edges) if (to === at) queue.push(from);
  }
  return body;
}

function dominators(
  entry: number,
  sequence: readonly number[],
  order: ReadonlyMap<number, number>,
  edges: readonly { from: number; to: number }[],
): Map<number, number> {
  const predecessors = new Map<number, number[]>();
  for (const { from, to } of edges) predecessors.set(to, [...(predecessors.get(to) ?? []), from]);
  const idom = new Map<number, number>([[entry, entry]]);
  const position = (at: number): number => order.get(at) as number;
  for (let changed = true; changed; ) {
    changed = false;
    for (const at of sequence) {
      if (at === entry) continue;
      let best: number | undefined;
      for (const from of predecessors.get(at) ?? []) {
        if (!idom.has(from)) continue;
        if (best === undefined) {
          best = from;
          continue;
        }
        let [a, b] = [best, from];
        while (a !== b) {
          if (position(a) > position(b)) a = idom.get(a) as number;
          else b = idom.get(b) as number;
        }
        best = a;
      }
      if (best !== undefined && idom.get(at) !== best) {
        idom.set(at, best);
        changed = true;
      }
    }
  }
  idom.delete(entry);
  return idom;
}
