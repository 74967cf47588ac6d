import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { assemble, assembler, GUESTS, staleFiles } from './assets.ts';

it('guests and their sources are those that were built together', () => {
  expect(staleFiles()).toEqual([]);
});

it.skipIf(assembler() === undefined)('guests are what nasm makes of their sources (needs nasm)', () => {
  for (const [name, bytes] of assemble()) expect(bytes.equals(readFileSync(join(GUESTS, name))), name).toBe(true);
});
