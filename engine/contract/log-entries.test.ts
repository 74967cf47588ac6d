import { describe, expect, it } from 'vitest';
import { logLine, parseLog } from './log-entries.ts';

describe('the log of a machine', () => {
  it('is read as it was written, text of several lines included', () => {
    const entries = [
      { at: '2026-01-31T12:00:00.000Z', level: 'info', text: 'The guest runs.' },
      { at: '2026-01-31T12:00:01.500Z', level: 'error', text: 'triple fault\n  rip 0x0\n\nlast' },
      { at: '2026-01-31T12:00:02.000Z', level: 'warn', text: '2026-01-31T12:00:00.000Z error of a guest' },
    ] as const;
    expect(parseLog(entries.map(logLine).join('').split('\n'))).toEqual(entries);
  });

  it('has what others wrote in it without a level, and refusals as errors', () => {
    expect(parseLog(['(node:1) Warning: x', '', 'rootmode: no kernel.', '    at nobody'])).toEqual([
      { text: '(node:1) Warning: x' },
      { level: 'error', text: 'no kernel.' },
      { text: '    at nobody' },
    ]);
  });
});
