import { expect, it } from 'vitest';
import { relocate } from './tasks/bundle.ts';

const at = 'engine/machine/threads.ts';

it.each([
  ["new URL('../cli.ts', import.meta.url)", "new URL('./cli.js', import.meta.url)"],
  ["new URL('../../.out/interpreter.wasm', import.meta.url)", "new URL('./interpreter.wasm', import.meta.url)"],
  ['new URL("../../assets/font.bin", import.meta.url)', "new URL('../assets/font.bin', import.meta.url)"],
  ["new URL(\n  '../../assets/font.bin',\n  import.meta.url,\n)", "new URL('../assets/font.bin', import.meta.url)"],
  ["new URL('https://example.org/a.ts', import.meta.url)", "new URL('https://example.org/a.ts', import.meta.url)"],
])('%s', (source, built) => {
  expect(relocate(`const where = ${source};`, at)).toBe(`const where = ${built};`);
});

it('refuses a worker that is not built', () => {
  expect(() => relocate("new Worker(new URL('./nobody.ts', import.meta.url))", at)).toThrow('engine/machine/nobody.ts');
});
