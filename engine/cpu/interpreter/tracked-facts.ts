/** Facts that note which of them a definition consults, so that variants which differ only in the others share a handler. */
import type { Facts } from '../../isa/emitter.ts';

const TRACKED = ['width', 'addressWidth', 'stackWidth', 'mode', 'rep', 'lock', 'cc'] as const;
export type TrackedFact = (typeof TRACKED)[number] | 'shape';

/** Kinds and widths of the operands: always consulted. */
export function shapeOf(facts: Facts): string {
  return facts.operands.map((o) => `${o.kind}${o.width}`).join();
}

function factValue(facts: Facts, name: TrackedFact): string {
  return name === 'shape' ? shapeOf(facts) : String(facts[name]);
}

/** `facts` whose consulted members are appended to `consulted` at first sight. */
export function trackFacts(facts: Facts, consulted: TrackedFact[]): Facts {
  const tracked = { operands: facts.operands, dst: facts.dst, src: facts.src };
  for (const name of TRACKED) {
    Object.defineProperty(tracked, name, {
      get: () => {
        if (!consulted.includes(name)) consulted.push(name);
        return facts[name];
      },
    });
  }
  return tracked as Facts;
}

/** Decision tree over consulted facts: a handler number, or the fact to look at and what follows each of its values. */
export type HandlerTree = number | { readonly fact: TrackedFact; readonly next: Record<string, HandlerTree> };

/** Handler of a combination of facts; undefined where the tree does not know it yet. */
export function findHandler(tree: HandlerTree | undefined, facts: Facts): number | undefined {
  let at = tree;
  while (typeof at === 'object') at = at.next[factValue(facts, at.fact)];
  return at;
}

/** Add the path `consulted` of these facts. */
export function growTree(
  tree: HandlerTree | undefined,
  facts: Facts,
  consulted: readonly TrackedFact[],
  handler: number,
): HandlerTree {
  const [fact, ...rest] = consulted;
  if (fact === undefined) return handler;
  if (typeof tree === 'number' || (tree !== undefined && tree.fact !== fact))
    throw new RangeError('facts were consulted in another order');
  const next = tree?.next ?? {};
  const value = factValue(facts, fact);
  next[value] = growTree(next[value], facts, rest, handler);
  return { fact, next };
}
