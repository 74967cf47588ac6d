import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StoredSettings } from '../../engine/contract/machine-file.ts';
import { Library } from '../../engine/manager/library.ts';
import { createManagerDispatcher } from '../../engine/manager/manager-commands.ts';
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
    const trusts = vi.fn(() => true);
    const parts = { library, manager: createManagerDispatcher(library, {} as never), trusts };
    expect(await takeIn(parts, join(root, 'library', 'one.rmvm'))).toBe('one');
    expect(await takeIn(parts, archive)).toBe('one-2');
    const odd = join(root, '.süß?.rmvm');
    await library.export('one', odd);
    expect(await takeIn(parts, odd)).toBe('machine');
    expect(trusts).not.toHaveBeenCalled();
    expect(library.list().map(({ name }) => name)).toEqual(['machine', 'one', 'one-2']);
  });

  it('is taken in with files outside of its folder only by who trusts it', async () => {
    const folder = join(root, 'given.rmvm');
    const secret = join(root, 'secret');
    library.create({ name: 'given', settings: StoredSettings.parse({ disks: [{ file: secret }] }) });
    renameSync(join(root, 'library', 'given.rmvm'), folder);
    const trusts = vi.fn(() => false);
    const parts = { library, manager: createManagerDispatcher(library, {} as never), trusts };
    await expect(takeIn(parts, folder)).rejects.toMatchObject({ code: 'machine-outside' });
    expect(trusts).toHaveBeenCalledWith([{ by: 'disks', path: secret }]);
    expect(library.list()).toHaveLength(1);
    trusts.mockReturnValue(true);
    expect(await takeIn(parts, folder)).toBe('given');
  });
});
