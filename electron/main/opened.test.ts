import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoredSettings } from '../../engine/contract/machine-file.ts';
import { Library } from '../../engine/manager/library.ts';
import { machineFileOf, takeIn } from './opened.ts';

let root: string;
let library: Library;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rootmode-opened-'));
  library = new Library(join(root, 'library'), () => new Date());
  library.create({ name: 'one', settings: StoredSettings.parse({}) });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('what the desktop opens', () => {
  it('is what ends as machines do and exists', () => {
    mkdirSync(join(root, 'a.rmvm'));
    expect(machineFileOf('a.rmvm', root)).toBe(join(root, 'a.rmvm'));
    for (const word of ['b.rmvm', '--a.rmvm', 'rootmode://machine/a.rmvm', '.'])
      expect(machineFileOf(word, root)).toBeUndefined();
  });

  it('is copied into the library under a name that is free, unless it is there already', async () => {
    const archive = join(root, 'one.rmvm');
    await library.export('one', archive);
    expect(await takeIn(library, join(root, 'library', 'one.rmvm'))).toBe('one');
    expect(await takeIn(library, archive)).toBe('one-2');
    const odd = join(root, '.süß?.rmvm');
    await library.export('one', odd);
    expect(await takeIn(library, odd)).toBe('machine');
    expect(library.list().map(({ name }) => name)).toEqual(['machine', 'one', 'one-2']);
  });
});
