import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EngineError } from '../contract/errors.ts';
import { libraryChange, libraryLog, libraryStart } from '../contract/library-commands.ts';
import { StoredSettings } from '../contract/machine-file.ts';
import { writeFailure } from './failure-file.ts';
import { lockFolder, lockHolder } from './folder-lock.ts';
import { Library } from './library.ts';
import { createManagerDispatcher } from './manager-commands.ts';
import type { LaunchedEngine } from './supervisor.ts';

let root: string;
let library: Library;
const settings = StoredSettings.parse({ kernel: 'vmlinuz' });
const now = () => new Date('2026-01-02T03:04:05Z');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rootmode-library-'));
  library = new Library(root, now);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const codeOf = (act: () => unknown): unknown => {
  try {
    act();
  } catch (failure) {
    return (failure as { code?: unknown }).code;
  }
  return 'no failure';
};
const file = (name: string): string => join(root, `${name}.rmvm`, 'machine.json');

describe('library', () => {
  it('keeps what was said of a machine, in a file that people can read', () => {
    library.create({ name: 'one', title: 'The first', tags: ['test'], settings });
    expect(library.entry('one')).toMatchObject({ name: 'one', pid: undefined, file: { title: 'The first', tags: ['test'] } });
    expect(JSON.parse(readFileSync(file('one'), 'utf8'))).toMatchObject({
      format: 'rootmode-machine',
      version: 1,
      created: '2026-01-02T03:04:05.000Z',
      settings: { kernel: 'vmlinuz', memoryKiB: 512 * 1024 },
    });
    expect(readdirSync(join(root, 'one.rmvm'))).toEqual(['machine.json']);
  });

  it('changes what is named and nothing else, and keeps the id', () => {
    const made = library.create({ name: 'one', notes: 'old', tags: ['a'], settings });
    const changed = library.change('one', { notes: 'new', settings: { cpus: 4 } });
    expect(changed).toMatchObject({ file: { notes: 'new', tags: ['a'], settings: { cpus: 4, kernel: 'vmlinuz' } } });
    expect('file' in changed && 'file' in made && changed.file.id === made.file.id).toBe(true);
  });

  it('takes away what is null, and a setting that must be there becomes that of a new machine', async () => {
    library.create({ name: 'one', title: 'The first', group: 'work', settings: StoredSettings.parse({ kernel: 'k', cpus: 4 }) });
    const { call } = createManagerDispatcher(library, {} as never);
    const changed = await call(libraryChange, { name: 'one', title: null, group: null, settings: { kernel: null, cpus: null } });
    expect(changed).toMatchObject({ settings: { cpus: 1, memoryKiB: 512 * 1024 } });
    const written = JSON.parse(readFileSync(file('one'), 'utf8')) as { settings: object };
    expect(Object.keys({ ...written, ...written.settings })).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(title|group|kernel)$/)]),
    );
    await expect(call(libraryChange, { name: 'one', settings: { nonsense: null, cpus: 99 } })).rejects.toMatchObject({
      code: 'setting-invalid',
    });
  });

  it('renames, copies, removes and restores', async () => {
    library.create({ name: 'one', settings });
    writeFileSync(join(root, 'one.rmvm', 'disk.img'), 'blocks');
    library.rename('one', 'two');
    const copy = await library.copy('two', 'three');
    expect(readFileSync(join(root, 'three.rmvm', 'disk.img'), 'utf8')).toBe('blocks');
    const two = library.entry('two');
    expect('file' in copy && 'file' in two && copy.file.id !== two.file.id).toBe(true);
    const { token } = library.remove('two');
    expect(library.list().map(({ name }) => name)).toEqual(['three']);
    expect(library.removed()).toEqual([{ token, name: 'two' }]);
    expect(library.restore(token)).toMatchObject({ name: 'two', pid: undefined });
    expect(library.removed()).toEqual([]);
    library.forget(library.remove('two').token);
    expect(library.list().map(({ name }) => name)).toEqual(['three']);
    expect(readdirSync(join(root, '.removed'))).toEqual([]);
  });

  it('makes empty disks with the machine, and takes in a machine folder from elsewhere', async () => {
    library.create({ name: 'one', settings, emptyDisks: [{ file: 'disk.img', bytes: 1 << 30 }] });
    const { size, blocks } = statSync(join(root, 'one.rmvm', 'disk.img'));
    expect([size, blocks]).toEqual([1 << 30, 0]);
    const elsewhere = mkdtempSync(join(tmpdir(), 'rootmode-elsewhere-'));
    renameSync(join(root, 'one.rmvm'), join(elsewhere, 'any name'));
    expect(await library.import(join(elsewhere, 'any name'), 'two')).toMatchObject({
      name: 'two',
      file: { settings: { kernel: 'vmlinuz' } },
    });
    expect(existsSync(join(root, 'two.rmvm', 'disk.img'))).toBe(true);
    await expect(library.import(elsewhere, 'three')).rejects.toMatchObject({ code: 'machine-folder' });
    expect(library.list().map(({ name }) => name)).toEqual(['two']);
    rmSync(elsewhere, { recursive: true });
  });

  it.each([
    ['a name that is taken', () => library.create({ name: 'one', settings }), 'machine-exists'],
    ['renaming onto another', () => library.rename('one', 'other'), 'machine-exists'],
    ['a machine that is not there', () => library.change('none', {}), 'machine-unknown'],
    ['a name that leaves the folder', () => library.entry('../one'), 'setting-invalid'],
    ['making one outside', () => library.create({ name: '../../one', settings }), 'setting-invalid'],
    ['a token that leaves the folder', () => library.restore('../one'), 'machine-unknown'],
    ['forgetting by a path', () => library.forget('../one.rmvm/x'), 'machine-unknown'],
  ])('refuses %s', (_what, act, code) => {
    library.create({ name: 'one', settings });
    library.create({ name: 'other', settings });
    expect(codeOf(act)).toBe(code);
    expect(library.list().map(({ name }) => name)).toEqual(['one', 'other']);
  });

  it('does not restore a machine whose name was given again', () => {
    library.create({ name: 'one', settings });
    const { token } = library.remove('one');
    library.create({ name: 'one', settings });
    expect(codeOf(() => library.restore(token))).toBe('machine-exists');
    expect(library.removed()).toHaveLength(1);
  });

  it.each([
    ['an empty file', ''],
    ['half a file', '{"format":"rootmode-machine","ver'],
    ['another program’s file', '{"format":"other"}'],
    ['a newer version', '{"format":"rootmode-machine","version":2}'],
    ['a wrong value', JSON.stringify({ format: 'rootmode-machine', version: 1, settings: { kernel: 'k', cpus: 99 } })],
    [
      'a huge file',
      JSON.stringify({ format: 'rootmode-machine', version: 1, id: randomUUID(), created: now().toISOString(), settings }) +
        ' '.repeat(2 << 20),
    ],
  ])('lists %s with its problem, leaves it alone, and shows the others', (_what, content) => {
    library.create({ name: 'good', settings });
    mkdirSync(join(root, 'bad.rmvm'));
    writeFileSync(file('bad'), content);
    const [bad, good] = library.list();
    expect(bad).toMatchObject({ name: 'bad', problem: { code: 'machine-folder' } });
    expect(good).toHaveProperty('file');
    expect(codeOf(() => library.change('bad', { notes: 'x' }))).toBe('machine-folder');
    expect(readFileSync(file('bad'), 'utf8')).toBe(content);
  });

  it('does not follow a machine that is a link to a folder elsewhere', () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'rootmode-elsewhere-'));
    symlinkSync(elsewhere, join(root, 'link.rmvm'));
    expect(library.list()).toEqual([]);
    rmSync(elsewhere, { recursive: true });
  });

  it('leaves nothing behind when the machine file cannot be written', () => {
    const full = new Library(root, () => new Date(Number.NaN));
    expect(() => full.create({ name: 'one', settings })).toThrow();
    expect(readdirSync(root)).toEqual(['.removed']);
  });
});

describe('the lock of a machine folder', () => {
  beforeEach(() => library.create({ name: 'one', settings }));
  const folder = (): string => join(root, 'one.rmvm');

  it('keeps what it has on a full disk, says so, and goes on when there is room', ({ skip }) => {
    const small = join(root, 'small');
    mkdirSync(small);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]).status !== 0)
      return skip('a file system of its own can only be mounted by root');
    try {
      const on = new Library(small, now);
      on.create({ name: 'one', notes: 'kept', settings });
      const filler = join(small, 'filler');
      expect(() => writeFileSync(filler, Buffer.alloc(1 << 20))).toThrow(/ENOSPC/);
      expect(codeOf(() => on.create({ name: 'two', settings }))).toBe('file-unwritable');
      expect(codeOf(() => on.change('one', { notes: 'x'.repeat(19_000) }))).toBe('file-unwritable');
      expect(readdirSync(small).sort()).toEqual(['.removed', 'filler', 'one.rmvm']);
      expect(on.list()).toMatchObject([{ name: 'one', file: { notes: 'kept' } }]);
      rmSync(filler);
      expect(on.change('one', { notes: 'new' })).toMatchObject({ file: { notes: 'new' } });
    } finally {
      spawnSync('umount', [small]);
    }
  });

  it('keeps a running machine from being changed, moved, copied and removed', async () => {
    const release = lockFolder(folder(), 'one');
    expect(lockHolder(folder())).toBe(process.pid);
    const other = new Library(root, now);
    for (const act of [() => other.change('one', {}), () => other.rename('one', 'two'), () => other.remove('one')]) {
      expect(codeOf(act)).toBe('machine-locked');
    }
    await expect(other.copy('one', 'two')).rejects.toMatchObject({ code: 'machine-locked', data: { pid: process.pid } });
    release(folder());
    expect(lockHolder(folder())).toBeUndefined();
    expect(other.rename('one', 'two')).toMatchObject({ pid: undefined });
  });

  it('is taken over from a process that was killed', async () => {
    const source = `import { lockFolder } from ${JSON.stringify(new URL('./folder-lock.ts', import.meta.url).href)};
      lockFolder(process.argv[1], 'one'); process.stdout.write('held'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source, folder()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(codeOf(() => library.remove('one'))).toBe('machine-locked');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(join(folder(), 'lock'))).toBe(true);
    expect(library.entry('one')).toMatchObject({ pid: undefined, crashed: true });
    lockFolder(folder(), 'one')(folder());
    expect(library.entry('one').crashed).toBe(false);
    expect(library.remove('one')).toMatchObject({ name: 'one' });
  });

  it.each([
    ['no JSON', 'x'],
    ['a process that is gone', '{"pid":4194305,"start":"1"}'],
    ['a pid that another process has by now', JSON.stringify({ pid: process.pid, start: '1' })],
    ['nonsense', '{"pid":-1,"start":"1"}'],
  ])('does not count with %s in it', (_what, content) => {
    writeFileSync(join(folder(), 'lock'), content);
    expect(library.entry('one').pid).toBeUndefined();
    lockFolder(folder(), 'one')(folder());
    expect(existsSync(join(folder(), 'lock'))).toBe(false);
  });
});

describe('why a machine failed', () => {
  it('is kept by its parts, said with its log, and forgotten with the next start', async () => {
    library.create({ name: 'one', settings });
    const folder = join(root, 'one.rmvm');
    const failure = new EngineError('file-missing', { what: 'kernel', path: '/vmlinuz' });
    const launch = (): LaunchedEngine => {
      writeFailure(folder, failure);
      return { pid: 1, onEnd: (listener) => listener(2) };
    };
    const { call } = createManagerDispatcher(library, { launch, isRunning: async () => false, sleep: async () => undefined });
    await expect(call(libraryStart, { name: 'one' })).rejects.toMatchObject({
      code: 'machine-start',
      data: { cause: { class: 'file-missing', data: { path: '/vmlinuz' } } },
    });
    expect(await call(libraryLog, { name: 'one' })).toMatchObject({ failure: { class: 'file-missing' } });
    writeFileSync(join(folder, 'logs/failure.json'), `{"class":"${'x'.repeat(70_000)}","data":{}}`);
    expect(await call(libraryLog, { name: 'one' })).toEqual({ lines: [''], entries: [] });
    writeFileSync(join(folder, 'logs/failure.json'), '[]');
    expect(await call(libraryLog, { name: 'one' })).toEqual({ lines: [''], entries: [] });
  });
});
