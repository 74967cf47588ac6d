import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { StoredSettings } from '../../engine/contract/machine-file.ts';
import { Library } from '../../engine/manager/library.ts';
import { archiveOf, filesOfMachine } from './machine-archive.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rootmode-drop-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Folders as a browser tells them: in portions, by callbacks. */
function entry(name: string, content: Readonly<Record<string, unknown>> | Blob): FileSystemEntry {
  if (content instanceof Blob) {
    return { name, isDirectory: false, file: (done: (file: Blob) => void) => done(content) } as unknown as FileSystemEntry;
  }
  const portions = Object.entries(content).map(([own, inside]) => [entry(own, inside as Blob)]);
  const createReader = () => ({ readEntries: (done: (some: FileSystemEntry[]) => void) => done(portions.shift() ?? []) });
  return { name, isDirectory: true, createReader } as unknown as FileSystemEntry;
}

const machine = {
  ...{ format: 'rootmode-machine', version: 1, id: '00000000-0000-4000-8000-000000000001', created: '2026-01-02T03:04:05Z' },
  settings: StoredSettings.parse({ kernel: 'kernel', disks: [{ file: `${'deep'.repeat(20)}/${'disk'.repeat(12)}.img` }] }),
};

it('a dropped machine folder becomes an archive that the library takes in, byte for byte', async () => {
  // More than one block of the frame, and no multiple of anything.
  const disk = Uint8Array.from({ length: 300_001 }, (_, i) => (i * 7) ^ (i >> 8));
  const folder = entry('old.rmvm', {
    'machine.json': new Blob([JSON.stringify(machine)]),
    kernel: new Blob(['a kernel']),
    lock: new Blob(['{}']),
    logs: { 'engine.log': new Blob(['old']) },
    ['deep'.repeat(20)]: { [`${'disk'.repeat(12)}.img`]: new Blob([disk]) },
    empty: new Blob([]),
  });
  const files = await filesOfMachine(folder as FileSystemDirectoryEntry);
  expect(files?.map(({ path }) => path.length)).toEqual([12, 6, 133, 5]);
  const path = join(root, 'old.rmvm');
  writeFileSync(path, new Uint8Array(await archiveOf(files ?? []).arrayBuffer()));
  const library = new Library(join(root, 'library'), () => new Date('2026-02-03T04:05:06Z'));
  const taken = await library.import(path, 'taken');
  expect(taken).toMatchObject({ name: 'taken', file: { settings: { kernel: 'kernel' } } });
  expect(readFileSync(join(taken.folder, machine.settings.disks[0]?.file ?? ''))).toEqual(Buffer.from(disk));
  expect(readFileSync(join(taken.folder, 'kernel'), 'utf8')).toBe('a kernel');
  expect(statSync(join(taken.folder, 'empty')).size).toBe(0);
});

it('a folder without machine.json is none', async () => {
  expect(await filesOfMachine(entry('photos', { a: new Blob(['a']) }) as FileSystemDirectoryEntry)).toBeUndefined();
});

it('a name without room in an archive is refused, and named', () => {
  expect(() => archiveOf([{ path: 'x'.repeat(101), file: new Blob([]) }])).toThrow(/x{101}/);
});
