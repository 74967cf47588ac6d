/** Findings as text: a line each, the remedy below it. */
import type { Finding } from '../contract/diagnosis.ts';

const marks = { ok: 'ok   ', note: 'note ', fail: 'FAIL ' } as const;
const colours = { ok: '\x1b[32m', note: '\x1b[33m', fail: '\x1b[31m' } as const;

export function doctorText(findings: readonly Finding[], coloured: boolean): string {
  const width = Math.max(...findings.map(({ area }) => area.length));
  const lines = findings.flatMap(({ area, state, text, remedy }) => {
    const mark = coloured ? `${colours[state]}${marks[state]}\x1b[0m` : marks[state];
    const line = `${mark} ${area.padEnd(width)}  ${text}`;
    return remedy === undefined ? [line] : [line, `${' '.repeat(width + 8)}→ ${remedy}`];
  });
  return `${lines.join('\n')}\n`;
}
