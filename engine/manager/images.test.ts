import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Downloads } from './downloads.ts';
import { fileKind, lookAtFile } from './file-kind.ts';
import { listFolder } from './host-folder.ts';
import { Images } from './images.ts';
import { Jobs } from './jobs.ts';

let folder: string;
let images: Images;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-images-'));
  images = new Images(join(folder, 'images'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('images handed over', () => {
  it('appear whole, and replace what had their name', () => {
    for (const text of ['first', 'second!']) {
      const upload = images.begin('disk.img', text.length);
      expect(images.piece(upload, Buffer.from(text.slice(0, 3)))).toEqual({ received: 3 });
      expect(images.list().map(({ bytes }) => bytes)).toEqual(text === 'first' ? [] : [5]);
      expect(images.piece(upload, Buffer.from(text.slice(3)))).toMatchObject({ path: images.path('disk.img') });
    }
    expect(readFileSync(images.path('disk.img'), 'utf8')).toBe('second!');
  });

  it('leave nothing behind when they are given up, or bring more than they said', () => {
    images.cancel(images.begin('one', 10));
    const upload = images.begin('two', 2);
    expect(() => images.piece(upload, Buffer.from('three'))).toThrow(/more came than was announced/);
    expect(() => images.piece(upload, Buffer.from('x'))).toThrow(/begin again/);
    expect(readdirSync(images.folder)).toEqual([]);
  });

  it.each(['../up', '.hidden', 'a/b', '', 'x'.repeat(129), 'a\0b'])('cannot be named %j', (name) => {
    expect(() => images.begin(name, 1)).toThrow();
    expect(() => images.remove(name)).toThrow();
    expect(readdirSync(folder)).toEqual(existsSync(images.folder) ? ['images'] : []);
  });
});

describe('a file', () => {
  const bytes = (size: number, at: number, text: string): Buffer => {
    const made = Buffer.alloc(size);
    made.write(text, at, 'latin1');
    return made;
  };
  const multiboot = Buffer.alloc(64);
  multiboot.writeUInt32LE(0x1bad_b002, 16);
  multiboot.writeUInt32LE(0x1_0000_0000 - 0x1bad_b002, 24);
  it.each([
    ['a Linux kernel', bytes(0x1000, 0x202, 'HdrS'), 'kernel'],
    ['an ELF file', bytes(100, 0, '\x7fELF'), 'kernel'],
    ['a multiboot kernel', multiboot, 'kernel'],
    ['a CD image', bytes(0x8806, 0x8001, 'CD001'), 'iso'],
    ['a qcow2 image', bytes(100, 0, 'QFI\xfb'), 'disk'],
    ['a disk with a boot sector', bytes(4096, 510, '\x55\xaa'), 'disk'],
    ['a boot sector', bytes(512, 510, '\x55\xaa'), 'boot-sector'],
    ['a floppy', bytes(1440 * 1024, 510, '\x55\xaa'), 'floppy'],
    ['a compressed archive', bytes(20, 0, '\x1f\x8b'), 'archive'],
    ['a text', Buffer.from('hello'), 'other'],
    ['a new disk, all zeros', Buffer.alloc(1 << 20), 'disk'],
    ['whole sectors of something', Buffer.alloc(1 << 20, 'x'), 'other'],
    ['an empty file', Buffer.alloc(0), 'other'],
  ])('%s is known', (_what, content, kind) => {
    const path = join(folder, 'file');
    expect(fileKind(content, { size: content.length, path })).toBe(kind);
    writeFileSync(path, content);
    expect(lookAtFile(path)).toEqual({ path, bytes: content.length, kind });
  });

  it('that is a machine folder, or is not there, or is a device, is told as such', () => {
    mkdirSync(join(folder, 'one.rmvm'));
    writeFileSync(join(folder, 'one.rmvm/machine.json'), '{}');
    expect(lookAtFile(join(folder, 'one.rmvm')).kind).toBe('machine');
    expect(lookAtFile(folder).kind).toBe('folder');
    expect(() => lookAtFile(join(folder, 'none'))).toThrow(/There is no file/);
    expect(() => lookAtFile('/dev/zero')).toThrow(/no regular file/);
  });
});

it('a folder is listed, folders first, links followed, hidden and dangling ones left out', () => {
  mkdirSync(join(folder, 'sub'));
  for (const name of ['b10', 'b9', '.hidden']) writeFileSync(join(folder, name), 'x');
  symlinkSync(join(folder, 'sub'), join(folder, 'a-link'));
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'));
  const { entries, parent, more } = listFolder(folder);
  expect(entries.map(({ name, folder: is }) => [name, is])).toEqual([
    ['a-link', true],
    ['sub', true],
    ['b9', false],
    ['b10', false],
  ]);
  expect([parent, more]).toEqual([tmpdir(), false]);
});

describe('downloads', () => {
  const content = randomBytes(300_000);
  const sum = createHash('sha256').update(content).digest('hex');
  let server: Server;
  let url: string;
  /** How many bytes the server gives before it cuts the connection. */
  let cut: number;
  let etag: string;
  let ranges: (string | undefined)[];
  let jobs: Jobs;
  let downloads: Downloads;

  beforeEach(async () => {
    [cut, etag, ranges] = [Number.POSITIVE_INFINITY, '"v1"', []];
    server = createServer((request, response) => {
      ranges.push(request.headers.range);
      if (request.url === '/none') return void response.writeHead(404).end();
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const partial = from > 0 && request.headers['if-range'] === etag;
      const start = partial ? from : 0;
      response.writeHead(partial ? 206 : 200, {
        ETag: etag,
        'Content-Length': content.length - start,
        ...(partial && { 'Content-Range': `bytes ${start}-${content.length - 1}/${content.length}` }),
      });
      const end = Math.min(content.length, start + cut);
      response.write(content.subarray(start, end), () =>
        end < content.length ? setTimeout(() => response.destroy(), 50) : response.end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    jobs = new Jobs();
    downloads = new Downloads(images, jobs);
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const over = async (id: number) => {
    const find = () => jobs.list().find(({ job }) => job === id);
    await expect.poll(() => find()?.state, { timeout: 10_000 }).not.toBe('running');
    return find();
  };
  const fetchIt = (more: { path?: string; sha256?: string } = {}) =>
    over(downloads.start({ url: `${url}/${more.path ?? 'a.iso'}`, name: 'a.iso', sha256: more.sha256 }));

  it('bring the file, tell how far they are, and check its sum', async () => {
    expect(await fetchIt({ sha256: sum })).toMatchObject({
      state: 'done',
      done: content.length,
      total: content.length,
      sha256: sum,
    });
    expect(readFileSync(images.path('a.iso')).equals(content)).toBe(true);
    expect(readdirSync(images.folder)).toEqual(['a.iso']);
    expect(() => downloads.start({ url, name: 'a.iso' })).toThrow(/an image named a.iso already/);
  });

  it('go on where they were cut, also in another process', async () => {
    cut = 100_000;
    expect(await fetchIt()).toMatchObject({ state: 'failed', problem: expect.stringContaining('what came is kept') });
    expect(images.list()).toEqual([]);
    expect(downloads.unfinished()).toEqual([{ name: 'a.iso', url: `${url}/a.iso`, bytes: 100_000 }]);
    jobs = new Jobs();
    downloads = new Downloads(images, jobs);
    cut = Number.POSITIVE_INFINITY;
    expect(await fetchIt({ sha256: sum })).toMatchObject({ state: 'done', resumed: 100_000 });
    expect(ranges).toEqual([undefined, 'bytes=100000-']);
    expect(readFileSync(images.path('a.iso')).equals(content)).toBe(true);
  });

  it('begin again when the file is another one by now', async () => {
    cut = 100_000;
    await fetchIt();
    [cut, etag] = [Number.POSITIVE_INFINITY, '"v2"'];
    expect(await fetchIt({ sha256: sum })).toMatchObject({ state: 'done', resumed: 0 });
  });

  it('are deleted when the sum is wrong', async () => {
    expect(await fetchIt({ sha256: '0'.repeat(64) })).toMatchObject({ state: 'failed', problem: expect.stringContaining(sum) });
    expect(readdirSync(images.folder)).toEqual([]);
  });

  it('say why they fail', async () => {
    expect(await fetchIt({ path: 'none' })).toMatchObject({ state: 'failed', problem: expect.stringContaining('404') });
    server.closeAllConnections();
    expect(await over(downloads.start({ url: 'http://127.0.0.1:1/', name: 'b' }))).toMatchObject({ state: 'failed' });
  });

  it('can be cancelled, and keep what came', async () => {
    cut = 100_000;
    const id = downloads.start({ url: `${url}/a.iso`, name: 'a.iso' });
    await expect.poll(() => jobs.list()[0]?.done, { timeout: 10_000 }).toBe(100_000);
    expect(() => downloads.discard('a.iso')).toThrow(/on its way/);
    jobs.cancel(id);
    expect(await over(id)).toMatchObject({ state: 'cancelled' });
    cut = Number.POSITIVE_INFINITY;
    expect(await fetchIt({ sha256: sum })).toMatchObject({ state: 'done', resumed: 100_000 });
    expect(downloads.unfinished()).toEqual([]);
    expect(() => jobs.cancel(99)).toThrow(/no job 99/);
  });

  it('that are cut remember their sum, and can be discarded', async () => {
    cut = 100_000;
    await fetchIt({ sha256: sum });
    expect(downloads.unfinished()).toEqual([{ name: 'a.iso', url: `${url}/a.iso`, bytes: 100_000, sha256: sum }]);
    downloads.discard('a.iso');
    expect([downloads.unfinished(), readdirSync(images.folder)]).toEqual([[], []]);
  });
});
