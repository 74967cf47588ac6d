import { expect, it } from 'vitest';
import { plainLines, terminalPicture } from './tasks/picture.ts';

it('keeps the text and drops what steers a terminal', () => {
  expect(plainLines('\x1b[1;32mok\x1b[0m\r\n\x1b[6nguest# ls\x07\na\t: b\n\n')).toEqual(['ok', 'guest# ls', 'a       : b']);
});

it('draws every line, escaped', () => {
  const picture = terminalPicture(['$ rootmode run', 'a <b> & c']);
  expect(picture).toContain('class="typed">$ rootmode run<');
  expect(picture).toContain('>a &lt;b&gt; &amp; c<');
});
