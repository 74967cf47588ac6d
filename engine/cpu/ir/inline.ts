import { type Node, operandsOf, type Statement } from './node.ts';
import { walk } from './walk.ts';

/**
 * Decide which values are computed where they are used instead of being kept in a local: used once, and not moved over a change of the
 * state they read, nor into a loop. Works backwards, so that a consumer is decided before its operands.
 */
export function chooseInline(body: readonly Statement[]): void {
  walk(body, (statement) => {
    for (const operand of operandsOf(statement)) operand.uses++;
  });
  choose(body, 0);
}

function choose(block: readonly Statement[], loopDepth: number): void {
  for (let i = block.length - 1; i >= 0; i--) {
    const statement = block[i] as Statement;
    if (statement.s === 'if') {
      choose(statement.otherwise, loopDepth);
      choose(statement.then, loopDepth);
      markOperands(operandsOf(statement), statement.epoch, loopDepth);
    } else if (statement.s === 'while') {
      choose(statement.body, loopDepth + 1);
      markOperands([statement.condition], statement.epoch, loopDepth + 1);
      choose(statement.before, loopDepth + 1);
    } else if (statement.s === 'def') {
      const { node } = statement;
      if (!node.inline && (node.uses > 0 || node.kind === 'effect')) markOperands(node.args, node.epoch, node.loopDepth);
      if (!node.inline && node.uses === 0 && node.kind !== 'effect') release(node);
    } else if ('epoch' in statement) {
      markOperands(operandsOf(statement), statement.epoch, loopDepth);
    }
  }
}

/** A value nobody uses no longer uses its operands. */
function release(node: Node): void {
  for (const arg of node.args) arg.uses--;
}

function markOperands(args: readonly Node[], epoch: number, loopDepth: number): void {
  for (const arg of args) {
    if (arg.args.length === 0 && arg.kind === 'pure') continue;
    if (arg.uses !== 1 || arg.kind === 'effect' || arg.loopDepth !== loopDepth) continue;
    if (arg.kind === 'read' && arg.epoch !== epoch) continue;
    arg.inline = true;
    markOperands(arg.args, epoch, loopDepth);
  }
}
