import type { Statement } from './node.ts';

/** Every statement, those inside others included, in order. */
export function walk(body: readonly Statement[], visit: (statement: Statement) => void): void {
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
