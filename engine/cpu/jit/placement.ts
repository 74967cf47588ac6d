/**
 * Decides where the values of a region are computed. What only places need where the region is left is computed there and nowhere else;
 * what is used once stands where it is used; everything else is computed where it was made and kept in a local.
 */
import { type LeavePoint, type Node, operandsOf, type Statement } from '../ir/node.ts';

export function place(body: readonly Statement[]): void {
  forget(body);
  need(body);
  choose(body, 0);
}

function forget(body: readonly Statement[]): void {
  walk(body, (statement) => {
    if (statement.s !== 'def') return;
    const { node } = statement;
    node.uses = 0;
    node.coldUses = 0;
    node.kept = false;
    node.inline = false;
  });
}

function walk(body: readonly Statement[], visit: (statement: Statement) => void): void {
  for (const statement of body) {
    visit(statement);
    if (statement.s === 'if') {
      walk(statement.then, visit);
      walk(statement.otherwise, visit);
    } else if (statement.s === 'while') {
      walk(statement.before, visit);
      walk(statement.body, visit);
    } else if (statement.s === 'block' || statement.s === 'loop') walk(statement.body, visit);
  }
}

function need(body: readonly Statement[]): void {
  walk(body, (statement) => {
    if (statement.s === 'def') {
      const { node } = statement;
      if (node.kind === 'effect') for (const arg of node.args) hot(arg);
      if ('point' in node.what && node.what.point) cold(node.what.point);
      return;
    }
    for (const operand of operandsOf(statement)) hot(operand);
    if ((statement.s === 'guestStore' || statement.s === 'leave') && statement.point) cold(statement.point);
  });
}

function hot(node: Node): void {
  node.uses++;
  if (node.uses === 1 && node.kind !== 'effect') for (const arg of node.args) hot(arg);
}

function cold(point: LeavePoint): void {
  coldNode(point.rip);
  for (const { value } of point.spills()) if ('what' in value) coldNode(value);
}

function coldNode(node: Node): void {
  if (node.args.length === 0 && node.kind === 'pure') return;
  node.coldUses = (node.coldUses ?? 0) + 1;
  if (node.coldUses > 1) return;
  if (node.kind === 'pure') {
    for (const arg of node.args) coldNode(arg);
    return;
  }
  node.kept = true;
  hot(node);
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
        if (!node.inline && (node.uses > 0 || node.kind === 'effect')) mark(node.args, node.epoch, node.loopDepth);
        break;
      }
      default:
        if ('epoch' in statement) mark(operandsOf(statement), statement.epoch, loopDepth);
    }
  }
}

function mark(args: readonly Node[], epoch: number, loopDepth: number): void {
  for (const arg of args) {
    if (arg.args.length === 0 && arg.kind === 'pure') continue;
    if (arg.uses !== 1 || arg.kept === true || arg.kind === 'effect' || arg.loopDepth !== loopDepth) continue;
    if (arg.kind === 'read' && arg.epoch !== epoch) continue;
    arg.inline = true;
    mark(arg.args, epoch, loopDepth);
  }
}
