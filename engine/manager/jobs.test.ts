import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
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
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imageConvert, imageCreate, imageDownload, imageList, imageRemove } from '../contract/image-commands.ts';
import { type Job, jobCancel, jobList } from '../contract/job-commands.ts';
import {
  libraryCopy,
  libraryCreate,
  libraryExport,
  libraryImport,
  libraryList,
  libraryStart,
} from '../contract/library-commands.ts';
import { StoredSettings } from '../contract/machine-file.ts';
import type { Dispatcher } from '../contract/serve.ts';
import { lockFolder } from './folder-lock.ts';
import { spawnedTool } from './image-tool.ts';
import { Jobs } from './jobs.ts';
import { Library } from './library.ts';
import { createManagerDispatcher } from './manager-commands.ts';

let root: string;
let library: Library;
let manager: Dispatcher;
let told: Job[];
/** Called with each telling. */
let onTold: (job: Job) => void;
const settings = StoredSettings.parse({});
const machines = (): string => join(root, 'machines');
const cli = new URL('../cli.ts', import.meta.url).pathname;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rootmode-jobs-'));
  library = new Library(machines(), () => new Date('2026-01-02T03:04:05Z'));
  told = [];
  onTold = () => undefined;
  const jobs = new Jobs((job) => {
    told.push(job);
    onTold(job);
  });
  manager = createManagerDispatcher(library, {} as never, { jobs, tool: spawnedTool([process.execPath, cli]) });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A machine with a disk of so many MiB, its last half holes. */
function bigMachine(name: string, mebibytes: number): string {
  library.create({ name, settings: { ...settings, disks: StoredSettings.parse({ disks: [{ file: 'disk.img' }] }).disks } });
  const path = join(machines(), `${name}.rmvm/disk.img`);
  writeFileSync(path, Buffer.alloc((mebibytes / 2) << 20, 'not zero'));
  truncateSync(path, mebibytes << 20);
  return path;
}
/** Cancel as soon as the first news of a job have come. */
const cancelAtOnce = (): void => {
  onTold = ({ job, state }) => {
    if (state === 'running') void manager.call(jobCancel, { job });
  };
};
const names = (): string[] => readdirSync(machines()).sort();

describe('long work on machines', () => {
  it('is told of while it goes on, the manager answers meanwhile, and the machine is shown as busy', async () => {
    const disk = bigMachine('big', 64);
    const copy = manager.call(libraryCopy, { name: 'big', to: 'copy' });
    const [during] = (await manager.call(libraryList, {})).machines;
    expect(during).toMatchObject({ name: 'big', busy: true });
    expect(during).not.toHaveProperty('pid');
    await expect(manager.call(libraryStart, { name: 'big' })).rejects.toMatchObject({ code: 'machine-busy' });
    await copy;
    expect(told.at(0)).toMatchObject({ kind: 'copy', title: 'copy', state: 'running', done: 0 });
    const { state, done, total = 0 } = told.at(-1) as Job;
    expect([state, done]).toEqual(['done', total]);
    expect(total).toBeGreaterThan(64 << 20);
    const made = join(machines(), 'copy.rmvm/disk.img');
    expect(readFileSync(made).equals(readFileSync(disk))).toBe(true);
    expect(statSync(made).blocks * 512).toBeLessThan(33 << 20);
    expect((await manager.call(libraryList, {})).machines.map((machine) => machine.busy)).toEqual([undefined, undefined]);
  });

  it('leaves what others may do with a file as it was', async () => {
    const disk = bigMachine('big', 2);
    chmodSync(disk, 0o400);
    mkdirSync(join(dirname(disk), 'notes'));
    chmodSync(join(dirname(disk), 'notes'), 0o700);
    await manager.call(libraryCopy, { name: 'big', to: 'copy' });
    const mode = (file: string): number => statSync(join(machines(), 'copy.rmvm', file)).mode & 0o777;
    expect([mode('disk.img'), mode('notes')]).toEqual([0o600, 0o700]);
  });

  it.each([
    ['copy', () => manager.call(libraryCopy, { name: 'big', to: 'new' })],
    ['export', () => manager.call(libraryExport, { name: 'big', path: join(root, 'out.rmvm') })],
    ['import', () => manager.call(libraryImport, { path: join(machines(), 'big.rmvm'), to: 'new' })],
    [
      'create',
      () =>
        manager.call(libraryCreate, {
          name: 'new',
          settings,
          emptyDisks: [{ file: 'disk.img', bytes: 64 << 20, preallocate: true }],
        }),
    ],
  ] as const)('%s leaves nothing behind when it is cancelled', async (kind, begin) => {
    bigMachine('big', 64);
    cancelAtOnce();
    await expect(begin()).rejects.toMatchObject({ code: 'job-cancelled' });
    expect(told.at(-1)).toMatchObject({ kind, state: 'cancelled' });
    expect(names()).toEqual(['.removed', 'big.rmvm']);
    expect(readdirSync(join(machines(), 'big.rmvm')).sort()).toEqual(['disk.img', 'machine.json']);
    expect(readdirSync(root)).toEqual(['machines']);
  });

  it('import of an archive is cancelled as cleanly', async () => {
    bigMachine('big', 64);
    const archive = join(root, 'big.rmvm');
    await manager.call(libraryExport, { name: 'big', path: archive });
    cancelAtOnce();
    await expect(manager.call(libraryImport, { path: archive, to: 'new' })).rejects.toMatchObject({ code: 'job-cancelled' });
    expect(names()).toEqual(['.removed', 'big.rmvm']);
  });

  it('a disk that takes its room now has all of it', async () => {
    const emptyDisks = [
      { file: 'full.img', bytes: 8 << 20, preallocate: true },
      { file: 'empty.img', bytes: 8 << 20 },
    ];
    await manager.call(libraryCreate, { name: 'new', settings, emptyDisks });
    const blocks = (file: string): number => statSync(join(machines(), 'new.rmvm', file)).blocks * 512;
    expect(blocks('full.img')).toBeGreaterThanOrEqual(8 << 20);
    expect(blocks('empty.img')).toBe(0);
  });

  it('of a process that was killed is cleaned up by the next one', async () => {
    bigMachine('big', 256);
    const source = `import { Library } from ${JSON.stringify(new URL('./library.ts', import.meta.url).href)};
      import { Jobs } from ${JSON.stringify(new URL('./jobs.ts', import.meta.url).href)};
      const library = new Library(process.argv[1], () => new Date());
      await new Jobs(({ done }) => done > 0 && process.stdout.write('copying')).begin({ kind: 'copy', title: 'x' }, async (work) => {
        for (let i = 0; ; i++) await library.copy('big', 'copy' + i, work);
      }).end;`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source, machines()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect.poll(() => names().some((name) => name.startsWith('.new-')), { interval: 1, timeout: 10_000 }).toBe(true);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    const again = new Library(machines(), () => new Date());
    expect(names().filter((name) => name.startsWith('.new-'))).toEqual([]);
    // Nothing crashed: a copy was cut, and the machine can be used at once.
    expect(again.entry('big')).toMatchObject({ crashed: false, busy: false, pid: undefined });
    lockFolder(join(machines(), 'big.rmvm'), 'big')(join(machines(), 'big.rmvm'));
  });
});

describe('a machine folder from elsewhere', () => {
  let given: string;
  const secret = (): string => join(root, 'secret');
  const give = (content: object): void => {
    given = join(root, 'given');
    mkdirSync(given, { recursive: true });
    const file = { format: 'rootmode-machine', version: 1, id: crypto.randomUUID(), created: '2026-01-02T03:04:05Z' };
    writeFileSync(join(given, 'machine.json'), JSON.stringify({ ...file, settings: content }));
    writeFileSync(secret(), 'secret');
  };
  const qcow2On = (backing: string): Buffer => {
    const image = Buffer.alloc(1024);
    image.write('QFI\xfb', 0, 'latin1');
    image.writeBigUInt64BE(512n, 8);
    image.writeUInt32BE(backing.length, 16);
    image.write(backing, 512);
    return image;
  };
  const take = (allowOutside = false) => manager.call(libraryImport, { path: given, to: 'taken', allowOutside });

  it('is refused with files outside of it, which are named, unless that is allowed', async () => {
    give({ disks: [{ file: secret() }], serial: 'file:../log', kernel: 'kernel' });
    symlinkSync(secret(), join(given, 'link.img'));
    writeFileSync(join(given, 'over.qcow2'), qcow2On(secret()));
    await expect(take()).rejects.toMatchObject({
      code: 'machine-outside',
      data: {
        path: given,
        files: expect.arrayContaining([
          { by: 'disks', path: secret() },
          { by: 'serial', path: join(root, 'log') },
          { by: 'link.img', path: secret() },
          { by: 'over.qcow2', path: secret() },
        ]),
      },
      message: expect.stringContaining('--allow-outside'),
    });
    expect(names()).toEqual(['.removed']);
    await take(true);
    // What it names is the same as before, from its new place.
    expect(library.entry('taken')).toMatchObject({
      file: { settings: { disks: [{ file: secret() }], serial: `file:${join(root, 'log')}`, kernel: 'kernel' } },
    });
    expect(readFileSync(join(machines(), 'taken.rmvm/link.img'), 'utf8')).toBe('secret');
  });

  it('that names its own files by their whole paths gets its own copies', async () => {
    give({});
    give({ disks: [{ file: join(given, 'disk.img') }] });
    writeFileSync(join(given, 'disk.img'), 'blocks');
    symlinkSync(join(given, 'disk.img'), join(given, 'link.img'));
    await take();
    expect(library.entry('taken')).toMatchObject({ file: { settings: { disks: [{ file: 'disk.img' }] } } });
    writeFileSync(join(machines(), 'taken.rmvm/link.img'), 'changed');
    expect(readFileSync(join(given, 'disk.img'), 'utf8')).toBe('blocks');
  });
});

describe('work on images', () => {
  const images = (): string => join(root, 'images');

  it('makes, fills, converts and lists them, with the machines that use them', async () => {
    const made = await manager.call(imageCreate, { name: 'full.img', format: 'raw', bytes: 4 << 20, preallocate: true });
    expect(made).toMatchObject({ bytes: 4 << 20, usedBy: [] });
    expect(statSync(made.path).blocks * 512).toBeGreaterThanOrEqual(4 << 20);
    writeFileSync(made.path, Buffer.concat([Buffer.alloc(510, 1), Buffer.of(0x55, 0xaa), Buffer.alloc((4 << 20) - 512)]));
    const converted = await manager.call(imageConvert, { from: made.path, name: 'disk.qcow2', compress: true });
    expect(converted).toMatchObject({ kind: 'disk', format: 'qcow2', diskBytes: 4 << 20 });
    expect(told).toContainEqual(expect.objectContaining({ kind: 'image-convert', state: 'done', done: 4 << 20, total: 4 << 20 }));
    const user = library.create({ name: 'user', settings: StoredSettings.parse({ disks: [{ file: converted.path }] }) });
    const list = await manager.call(imageList, {});
    expect(list.images.map(({ name, usedBy, format }) => [name, usedBy, format])).toEqual([
      ['disk.qcow2', ['user'], 'qcow2'],
      ['full.img', [], 'raw'],
    ]);
    const release = lockFolder(user.folder, 'user');
    await expect(manager.call(imageRemove, { name: 'disk.qcow2' })).rejects.toMatchObject({ code: 'image-in-use' });
    expect(existsSync(converted.path)).toBe(true);
    release(user.folder);
    await manager.call(imageRemove, { name: 'disk.qcow2' });
    expect(existsSync(converted.path)).toBe(false);
    expect((await manager.call(jobList, {})).jobs).toHaveLength(2);
  }, 30_000);

  it('leaves nothing behind when it is cancelled, and says what is wrong', async () => {
    cancelAtOnce();
    const wanted = { name: 'big.img', format: 'raw', bytes: 2 ** 32, preallocate: true } as const;
    onTold = ({ job, done }) => {
      if (done > 0) void manager.call(jobCancel, { job });
    };
    await expect(manager.call(imageCreate, wanted)).rejects.toMatchObject({ code: 'job-cancelled' });
    expect(readdirSync(images())).toEqual([]);
    onTold = () => undefined;
    await expect(manager.call(imageConvert, { from: join(root, 'none'), name: 'x' })).rejects.toMatchObject({
      code: 'image-work',
      message: expect.stringMatching(/was not made: There is no .*none/),
    });
    writeFileSync(join(images(), 'there'), '');
    await expect(manager.call(imageCreate, { ...wanted, name: 'there' })).rejects.toMatchObject({ code: 'image-exists' });
    expect(readdirSync(images())).toEqual(['there']);
  }, 30_000);

  it('makes one image of a name at a time, however it is made', async () => {
    const source = join(root, 'source.img');
    writeFileSync(source, Buffer.alloc(1 << 20, 'not zero'));
    const first = manager.call(imageCreate, { name: 'one', format: 'raw', bytes: 64 << 20, preallocate: true });
    const taken = { code: 'image-exists', data: { name: 'one' } };
    await expect(manager.call(imageConvert, { from: source, name: 'one' })).rejects.toMatchObject(taken);
    const url = 'http://127.0.0.1:9/one';
    await expect(manager.call(imageDownload, { name: 'one', url })).rejects.toMatchObject(taken);
    expect(await first).toMatchObject({ name: 'one', bytes: 64 << 20 });
  }, 30_000);
});
