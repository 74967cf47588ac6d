import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assemble, assembler, folderOf, folders, staleFiles } from './assets.ts';

describe.each(folders)('assets/%s', (folder) => {
  it('has built files and sources that were built together', () => {
    expect(staleFiles(folder)).toEqual([]);
  });

  it.skipIf(assembler() === undefined)('is what nasm makes of its sources (needs nasm)', () => {
    for (const [name, bytes] of assemble(folder))
      expect(bytes.equals(readFileSync(join(folderOf(folder), name))), name).toBe(true);
  });
});
