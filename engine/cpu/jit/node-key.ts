import type { Node, NodeOp } from '../ir/node.ts';

/** Equal for nodes that compute the same of the same operands. */
export function keyOf(what: NodeOp, args: readonly Node[]): string {
  let key: string = what.op;
  switch (what.op) {
    case 'const64':
      key = `L${what.value}`;
      break;
    case 'const32':
      key = `I${what.value}`;
      break;
    case 'constV':
      key = `V${what.low},${what.high}`;
      break;
    case 'param':
      key = `P${what.local}`;
      break;
    case 'numeric':
    case 'saturating':
    case 'simd':
      key = what.name;
      break;
    case 'lane':
      key = `${what.name}${what.lane}`;
      break;
    case 'shuffle':
      key = `shuffle${what.lanes.join()}`;
      break;
    default:
  }
  for (const arg of args) key += `|${arg.id}`;
  return key;
}
