/**
 * Decides where the values of a region are computed. What only places need where the region is left is computed there and nowhere else;
 * what is used once stands where it is used; everything else is computed where it was made and kept in a local.
 */
import {
  type FlagJoin,
  type FlagLeaf,
  type FlagPath,
  type FlagWord,
  type GuestPlace,
  type LeavePoint,
  type Node,
  operandsOf,
  type Statement,
  type VarCell,
} from '../ir/node.ts';
import { walk } from '../ir/walk.ts';
import { isFollower } from './groups.ts';

export function place(body: readonly Statement[]): void {
  const joins = new Set<FlagJoin>();
  walk(body, (statement) => need(statement, joins));
  settleFlags(joins);
  choose(body, 0);
}

/** What a statement needs. Places where flags join are added to `joins`: what they need is decided when everything else is. */
function need(statement: Statement, joins: Set<FlagJoin>): void {
  switch (statement.s) {
    case 'def': {
      const { node } = statement;
      if (node.kind !== 'effect') return;
      const where = whereOf(node);
      for (const arg of node.args) (isFollower(where) ? coldNode : hot)(arg);
      if (where) cold(where.point);
      return;
    }
    case 'flags':
      joins.add(statement.join);
      return;
    case 'guestStore':
      for (const operand of storeOperands(statement)) hot(operand);
      if (isFollower(statement.where)) coldNode(statement.linear);
      if (statement.where) cold(statement.where.point);
      return;
    case 'leave':
    case 'poll':
      return cold(statement.point);
    default:
      for (const operand of operandsOf(statement)) hot(operand);
  }
}

/** Of a guest access: where it is made. */
const whereOf = (node: Node): GuestPlace | undefined =>
  node.op === 'guestLoad' || node.op === 'guestRef' ? node.what.where : undefined;

/** What a store needs on the quick path. */
const storeOperands = ({ linear, value, where }: Statement & { s: 'guestStore' }): readonly Node[] =>
  isFollower(where) ? [value] : [linear, value];

function hot(node: Node): void {
  node.uses++;
  if (node.op === 'variable' && node.what.variable.isMemory) node.what.variable.isUsed = true;
  if (node.uses === 1 && node.kind !== 'effect') for (const arg of node.args) hot(arg);
}

function cold(point: LeavePoint): void {
  if (typeof point.rip !== 'number') coldNode(point.rip);
  for (const { value } of point.spills()) {
    if ('what' in value) coldNode(value);
    else if ('paths' in value) value.isNeeded = true;
  }
}

function coldNode(node: Node): void {
  if (node.args.length === 0 && node.kind === 'pure') return;
  node.coldUses++;
  if (node.coldUses > 1) return;
  if (node.kind === 'pure') {
    for (const arg of node.args) coldNode(arg);
    return;
  }
  node.kept = true;
  hot(node);
}

/** Leaves of lazy flags at most; with more, the flags are computed. */
const MOST_LEAVES = 4;
const MOST_OPERATIONS = 40;

/** Paths that bring lazy flags to one place, at most: each is code wherever the region is left there. */
const MOST_PATHS = 8;

/**
 * Flags that come from one join to the next unchanged stay as the first has left them, unless the way leads back to it: what it left behind is
 * of another round then.
 */
function takeThrough(joins: ReadonlySet<FlagJoin>): void {
  const edges = [...joins].flatMap(({ through }) => through.filter((edge) => edge !== undefined));
  for (const edge of edges) edge.isTaken = false;
  /** Paths by which flags come here; infinite in a circle. */
  const paths = (join: FlagJoin, within: readonly FlagJoin[] = []): number => {
    if (within.includes(join)) return Number.POSITIVE_INFINITY;
    const inner = [...within, join];
    return join.through.reduce((sum, edge) => sum + (edge?.isTaken ? paths(edge.from, inner) : 1), 0);
  };
  for (const edge of edges) {
    if (!joins.has(edge.from)) continue;
    edge.isTaken = true;
    for (const join of joins) if (edge.isTaken && paths(join) > MOST_PATHS) edge.isTaken = false;
  }
}

/** Cells of slots that have been assigned anew where what this join left behind is still needed. */
function assignedAfter(join: FlagJoin, joins: ReadonlySet<FlagJoin>): Set<VarCell> {
  const cells = new Set<VarCell>();
  for (const other of joins) {
    for (const edge of other.through) {
      if (!edge?.isTaken || edge.from !== join) continue;
      for (const cell of edge.assigned) cells.add(cell);
      for (const cell of assignedAfter(other, joins)) cells.add(cell);
    }
  }
  return cells;
}

/** Which words have to be computed where paths join, and what the paths to the others leave behind. */
function settleFlags(joins: ReadonlySet<FlagJoin>): void {
  if (joins.size === 0) return;
  takeThrough(joins);
  const isAnyTaken = [...joins].some(({ through }) => through.some((edge) => edge?.isTaken));
  const lost = new Map(isAnyTaken ? [...joins].map((join) => [join, assignedAfter(join, joins)]) : []);
  const words = [...joins].flatMap((join) => join.words);
  for (const word of words) word.isRead = false;
  for (let changed = true; changed; ) {
    changed = false;
    for (const word of words) {
      if (word.isRead || !word.reads.some((node) => node.uses > 0)) continue;
      word.isRead = true;
      changed = true;
      for (const path of word.paths) hot(path.value);
    }
    if (changed) continue;
    // What remains unread needs its leaves, and these may read the flags of other joins.
    for (const word of words) {
      if (word.isRead || !word.isNeeded || word.paths.every((path) => path.leaves !== undefined)) continue;
      for (const [i, path] of word.paths.entries()) {
        const through = word.join.through[i];
        if (through?.isTaken) {
          path.leaves ??= [];
          const before = through.from.words[word.join.words.indexOf(word)] as FlagWord;
          before.isNeeded = true;
          continue;
        }
        path.leaves ??= leavesOf(path.value, word.join.slots[i] as FlagJoin['slots'][number], lost.get(word.join));
        for (const { node } of path.leaves) hot(node);
      }
      changed = true;
    }
  }
  for (const join of joins) shareCells(join);
}

/** Cells of `slots` keep what is needed, but for those that are lost. */
function leavesOf(value: Node, slots: FlagJoin['slots'][number], lost: ReadonlySet<VarCell> | undefined): readonly FlagLeaf[] {
  const cellOf = (node: Node): VarCell | undefined => {
    const cell = slots.get(node);
    return cell !== undefined && lost?.has(cell) ? undefined : cell;
  };
  const leaves = new Set<Node>();
  const seen = new Set<Node>();
  const visit = (node: Node): void => {
    if (seen.has(node) || (node.args.length === 0 && node.kind === 'pure')) return;
    seen.add(node);
    if (node.uses > 0 || node.kind !== 'pure') leaves.add(node);
    else for (const arg of node.args) visit(arg);
  };
  visit(value);
  const own = [...leaves].filter((node) => cellOf(node) === undefined).length;
  const kept = own > MOST_LEAVES || seen.size > MOST_OPERATIONS ? [value] : [...leaves];
  return kept.map((node) => {
    const cell = cellOf(node);
    return { node, cell: cell ?? { type: node.type, local: -1 }, isKept: cell !== undefined };
  });
}

/** Only one path at a time has come: all paths of a join keep their leaves in the same cells, and both words of a path the same leaf. */
function shareCells({ words, slots }: FlagJoin): void {
  const lazy = words.filter((word) => !word.isRead && word.isNeeded);
  const cells: VarCell[] = [];
  for (let i = 0; i < slots.length; i++) {
    const taken = new Map<Node, VarCell>();
    for (const { paths } of lazy) {
      const path = paths[i] as FlagPath;
      path.leaves = path.leaves?.map((leaf) => (leaf.isKept ? leaf : { ...leaf, cell: cellFor(leaf.node, cells, taken) }));
    }
  }
}

function cellFor(node: Node, cells: VarCell[], taken: Map<Node, VarCell>): VarCell {
  let cell = taken.get(node) ?? cells.find((other) => other.type === node.type && ![...taken.values()].includes(other));
  if (cell === undefined) {
    cell = { type: node.type, local: -1 };
    cells.push(cell);
  }
  taken.set(node, cell);
  return cell;
}

/** Backwards, so that a consumer is decided before its operands. */
function choose(body: readonly Statement[], loopDepth: number): void {
  for (let i = body.length - 1; i >= 0; i--) {
    const statement = body[i] as Statement;
    switch (statement.s) {
      case 'if':
        choose(statement.otherwise, loopDepth);
        choose(statement.then, loopDepth);
        mark(operandsOf(statement), statement.epoch, loopDepth);
        break;
      case 'while':
        choose(statement.body, loopDepth + 1);
        mark([statement.condition], statement.epoch, loopDepth + 1);
        choose(statement.before, loopDepth + 1);
        break;
      case 'block':
      case 'loop':
        choose(statement.body, loopDepth);
        break;
      case 'def': {
        const { node } = statement;
        const isNeeded = node.uses > 0 || node.kind === 'effect';
        const hasAddress = !isFollower(whereOf(node));
        if (!node.inline && isNeeded && hasAddress) mark(node.args, node.epoch, node.loopDepth);
        break;
      }
      case 'guestStore':
        mark(storeOperands(statement), statement.epoch, loopDepth);
        break;
      default:
        if ('epoch' in statement) mark(operandsOf(statement), statement.epoch, loopDepth);
    }
  }
}

function mark(args: readonly Node[], epoch: number, loopDepth: number): void {
  for (const arg of args) {
    if (arg.args.length === 0 && arg.kind === 'pure') continue;
    if (arg.uses !== 1 || arg.kept || arg.kind === 'effect' || arg.loopDepth !== loopDepth) continue;
    if (arg.kind === 'read' && arg.epoch !== epoch) continue;
    arg.inline = true;
    mark(arg.args, epoch, loopDepth);
  }
}
