import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { Header } from 'tar';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoredSettings } from '../contract/machine-file.ts';
import { Library } from './library.ts';

let root: string;
let library: Library;
let elsewhere: string;
let archive: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rootmode-archive-'));
  elsewhere = join(root, 'elsewhere');
  mkdirSync(elsewhere);
  archive = join(elsewhere, 'one.rmvm');
  library = new Library(join(root, 'library'), () => new Date('2026-01-02T03:04:05Z'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const folderOf = (name: string): string => join(root, 'library', `${name}.rmvm`);

/** A qcow2 image as far as its header's backing file. */
function imageOn(backing: string): Buffer {
  const image = Buffer.alloc(2048);
  image.write('QFI\xfb', 'latin1');
  image.writeUInt32BE(2, 4);
  image.writeBigUInt64BE(1024n, 8);
  image.writeUInt32BE(backing.length, 16);
  image.write(backing, 1024);
  return image;
}

type Entry = readonly [path: string, content: string | Buffer, type?: 'SymbolicLink' | 'Link' | 'CharacterDevice'];
function writeArchive(...entries: readonly Entry[]): void {
  const blocks = entries.flatMap(([path, content, type]) => {
    const header = Buffer.alloc(512);
    const bytes = type === undefined ? Buffer.from(content) : Buffer.alloc(0);
    const linkpath = type === undefined ? undefined : String(content);
    new Header({ path, size: bytes.length, mode: 0o644, type: type ?? 'File', ...(linkpath && { linkpath }) }).encode(header, 0);
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  writeFileSync(archive, zstdCompressSync(Buffer.concat([...blocks, Buffer.alloc(1024)])));
}
const machineJson = (settings: Record<string, unknown>): Entry => [
  'machine.json',
  JSON.stringify({
    format: 'rootmode-machine',
    version: 1,
    id: '00000000-0000-4000-8000-000000000000',
    created: '2026-01-02T03:04:05.000Z',
    notes: '',
    tags: [],
    settings: StoredSettings.parse(settings),
  }),
];

describe('machine archives', () => {
  it('carry a machine with all files it names, and keep holes', async () => {
    for (const [name, text] of [
      ['vmlinuz', 'kernel'],
      ['disk.img', 'outer'],
    ] as const)
      writeFileSync(join(elsewhere, name), text);
    const settings = StoredSettings.parse({
      kernel: join(elsewhere, 'vmlinuz'),
      disks: [{ file: 'disk.img' }, { file: join(elsewhere, 'disk.img') }],
      serial: `file:${join(elsewhere, 'not yet.log')}`,
    });
    const emptyDisks = [{ file: 'disk.img', bytes: 64 << 20 }];
    library.create({ name: 'one', title: 'First', settings, emptyDisks });
    writeFileSync(join(folderOf('one'), 'thumbnail.png'), 'picture');
    await library.export('one', archive);
    expect(statSync(archive).size).toBeLessThan(100_000);
    rmSync(join(elsewhere, 'vmlinuz'));
    const made = await library.import(archive, 'two');
    expect(made).toMatchObject({
      file: {
        title: 'First',
        settings: { kernel: 'vmlinuz', disks: [{ file: 'disk.img' }, { file: 'disk-2.img' }], serial: 'file:not yet.log' },
      },
    });
    const content = (name: string): string => readFileSync(join(folderOf('two'), name), 'utf8');
    expect([content('vmlinuz'), content('disk-2.img'), content('thumbnail.png')]).toEqual(['kernel', 'outer', 'picture']);
    const { size, blocks } = statSync(join(folderOf('two'), 'disk.img'));
    expect([size, blocks]).toEqual([64 << 20, 0]);
    expect(readdirSync(folderOf('two')).sort()).toEqual(['disk-2.img', 'disk.img', 'machine.json', 'thumbnail.png', 'vmlinuz']);
    const one = library.entry('one');
    expect('file' in one && 'file' in made && one.file.id !== made.file.id).toBe(true);
  });

  it('keep the bytes of a disk wherever they stand', async () => {
    const bytes = Buffer.alloc(3 * 1024 * 1024 + 123);
    for (let at = 0; at < bytes.length; at += 70_001) bytes[at] = 1 + (at % 251);
    library.create({ name: 'one', settings: StoredSettings.parse({ disks: [{ file: 'disk.img' }] }) });
    // Named as a lock is not.
    for (const name of ['disk.img', 'lock.img']) writeFileSync(join(folderOf('one'), name), bytes);
    await library.export('one', archive);
    await library.import(archive, 'two');
    await library.copy('one', 'three');
    for (const name of ['disk.img', 'lock.img'])
      for (const machine of ['two', 'three']) expect(readFileSync(join(folderOf(machine), name)).equals(bytes)).toBe(true);
  });

  it.each<[string, () => void, string]>([
    ['no archive', () => writeFileSync(archive, 'anything else'), 'damaged or no archive'],
    ['an empty file', () => writeFileSync(archive, ''), 'damaged or no archive'],
    ['a path out of the folder', () => writeArchive(machineJson({}), ['../../escaped', 'x']), 'named ../../escaped'],
    ['an absolute path', () => writeArchive(machineJson({}), [join(tmpdir(), 'escaped'), 'x']), 'named /'],
    ['a link', () => writeArchive(machineJson({}), ['disk.img', '/etc/passwd', 'SymbolicLink']), 'is a SymbolicLink'],
    ['a hard link', () => writeArchive(machineJson({}), ['disk.img', '/etc/passwd', 'Link']), 'is a Link'],
    ['a device', () => writeArchive(machineJson({}), ['disk.img', '', 'CharacterDevice']), 'CharacterDevice'],
    ['a lock', () => writeArchive(machineJson({}), ['lock', '{"pid":1}']), 'named lock'],
    [
      'settings that name a file of the host',
      () => writeArchive(machineJson({ kernel: '/etc/passwd' })),
      '/etc/passwd (kernel); an archive holds',
    ],
    [
      'a port to a file of the host',
      () => writeArchive(machineJson({ serial: 'file:../../x' })),
      '/x (serial); an archive holds',
    ],
    [
      'an image on a file of the host',
      () => writeArchive(machineJson({ disks: [{ file: 'a' }] }), ['a', imageOn('/etc/passwd')]),
      '/etc/passwd (a); an archive holds',
    ],
  ])('refuse %s, and leave nothing', async (_, make, reason) => {
    make();
    await expect(library.import(archive, 'two')).rejects.toThrow(reason);
    expect(library.list()).toEqual([]);
    expect(readdirSync(join(root, 'library'))).toEqual(['.removed']);
    expect(readdirSync(root).sort()).toEqual(['elsewhere', 'library']);
  });

  it('refuse one that was cut off', async () => {
    library.create({ name: 'one', settings: StoredSettings.parse({}) });
    writeFileSync(join(folderOf('one'), 'notes'), Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * i) % 253)));
    await library.export('one', archive);
    truncateSync(archive, statSync(archive).size >> 1);
    await expect(library.import(archive, 'two')).rejects.toMatchObject({ code: 'machine-archive' });
    expect(library.list().map(({ name }) => name)).toEqual(['one']);
  });

  it('are not made of what would not work elsewhere', async () => {
    writeFileSync(join(elsewhere, 'over.qcow2'), imageOn('base.img'));
    library.create({ name: 'one', settings: StoredSettings.parse({ disks: [{ file: join(elsewhere, 'over.qcow2') }] }) });
    await expect(library.export('one', archive)).rejects.toMatchObject({ code: 'machine-unportable' });
    library.create({ name: 'two', settings: StoredSettings.parse({ kernel: join(elsewhere, 'none') }) });
    await expect(library.export('two', archive)).rejects.toMatchObject({ code: 'file-missing' });
    symlinkSync('/etc/passwd', join(folderOf('two'), 'link'));
    expect(readdirSync(elsewhere)).toEqual(['over.qcow2']);
  });
});
