/** Nodes that compute the same of the same operands. */
import type { Node, NodeOp } from '../ir/node.ts';

/** The operand whose users may be the same as a node with these operands; undefined where there is none. */
export function pivotOf(args: readonly Node[]): Node | undefined {
  const first = args[0];
  if (first === undefined) return undefined;
  const second = args[1];
  // Constants have many users.
  return second !== undefined && (first.op === 'const64' || first.op === 'const32') ? second : first;
}

export function isSame(node: Node, what: NodeOp, args: readonly Node[]): boolean {
  const { args: others } = node;
  if (others.length !== args.length) return false;
  for (let i = 0; i < args.length; i++) if (others[i] !== args[i]) return false;
  return isSameOperation(node.what, what);
}

function isSameOperation(a: NodeOp, b: NodeOp): boolean {
  switch (a.op) {
    case 'numeric':
    case 'saturating':
    case 'simd':
      return b.op === a.op && b.name === a.name;
    case 'lane':
      return b.op === 'lane' && b.name === a.name && b.lane === a.lane;
    case 'shuffle':
      return b.op === 'shuffle' && b.lanes.every((lane, i) => lane === a.lanes[i]);
    case 'select':
      return b.op === 'select';
    case 'carries':
      return b.op === a.op && b.of === a.of && b.width === a.width && b.plain === a.plain;
    default:
      return false;
  }
}
