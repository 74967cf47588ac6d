import { describe, expect, it } from 'vitest';
import { createEscapeFilter } from './escape-filter.ts';

function filtered(...chunks: string[]): { guest: string; actions: string } {
  let actions = '';
  const filter = createEscapeFilter({
    quit: () => {
      actions += 'q';
    },
    monitor: (rest) => {
      actions += `m(${Buffer.from(rest).toString()})`;
    },
  });
  const guest = chunks.map((chunk) => Buffer.from(filter.feed(Buffer.from(chunk, 'latin1'))).toString('latin1')).join('');
  return { guest, actions };
}

describe('escape filter', () => {
  it.each<[string, string[], string, string]>([
    ['plain bytes pass', ['ls\r\x03\xff'], 'ls\r\x03\xff', ''],
    ['Ctrl-A x quits', ['a\x01xb'], 'ab', 'q'],
    ['capitals count', ['\x01X\x01C'], '', 'qm()'],
    ['the two keys may come apart', ['\x01', 'x'], '', 'q'],
    ['Ctrl-A twice sends one', ['\x01\x01x'], '\x01x', ''],
    ['an unknown key is swallowed', ['\x01qz'], 'z', ''],
    ["what follows Ctrl-A c is the monitor's", ['a\x01cls'], 'a', 'm(ls)'],
  ])('%s', (_what, chunks, guest, actions) => {
    expect(filtered(...chunks)).toEqual({ guest, actions });
  });
});
