/**
 * Two managers as two processes over one library, as a window and a browser, or two browsers, are: nothing is damaged whatever they do at
 * once, each sees what the other did, and what runs goes on when its manager is killed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MachineFile, StoredSettings } from '../../engine/contract/machine-file.ts';
import { root } from '../tasks/run.ts';
import { connectToManager, type ManagerClient } from './manager-client.ts';
import { type Bench, createBench, notBuilt, type Session } from './session.ts';

const echo = join(root, 'assets/guests/echo.bin');
const settings = StoredSettings.parse({ kernel: echo, memoryKiB: 16 * 1024 });

let bench: Bench;
let clients: ManagerClient[];

beforeEach(({ skip }) => {
  if (notBuilt !== undefined) skip(notBuilt);
  bench = createBench();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  for (const pid of (await bench.run('list')).out.matchAll(/running \((\d+)\)/g)) process.kill(Number(pid[1]), 'SIGKILL');
  await bench.close();
});

const library = (): string => join(bench.data, 'rootmode/machines');
const file = (name: string): string => join(library(), `${name}.rmvm/machine.json`);

async function serve(): Promise<{ session: Session; client: ManagerClient }> {
  const session = bench.start(['serve']);
  const [url] = await session.see(/http:\S+/, 30_000);
  const client = await connectToManager(url);
  clients.push(client);
  return { session, client };
}
const names = async ({ manager }: ManagerClient): Promise<string[]> =>
  (await manager.libraryList({})).machines.map(({ name }) => name);
/** What came of several calls at once: how many went well, and with which codes the others failed. */
async function outcomes(calls: readonly Promise<unknown>[]): Promise<{ good: number; codes: string[] }> {
  const ends = await Promise.allSettled(calls);
  const failures = ends.flatMap((end) => (end.status === 'rejected' ? [(end.reason as { code: string }).code] : []));
  return { good: ends.length - failures.length, codes: [...new Set(failures)].sort() };
}

describe('two managers on one library', () => {
  it('see what the other does, and what the other runs', async () => {
    const [{ client: a, session }, { client: b }] = await Promise.all([serve(), serve()]);
    await a.manager.libraryCreate({ name: 'one', settings });
    await expect.poll(() => b.changes).toBeGreaterThan(0);
    expect(await names(b)).toEqual(['one']);
    await b.manager.libraryChange({ name: 'one', title: 'Changed there' });
    expect((await a.manager.libraryList({})).machines).toMatchObject([{ title: 'Changed there' }]);

    const { pid } = await a.manager.libraryStart({ name: 'one' });
    expect((await b.manager.libraryList({})).machines).toMatchObject([{ name: 'one', pid }]);
    for (const act of [
      () => b.manager.libraryStart({ name: 'one' }),
      () => b.manager.libraryChange({ name: 'one', title: 'no' }),
      () => b.manager.libraryRemove({ name: 'one' }),
      () => b.manager.libraryCopy({ name: 'one', to: 'two' }),
    ]) {
      await expect(act()).rejects.toMatchObject({ code: 'machine-locked', data: { pid } });
    }
    expect(await b.engine('one').machineStatus({})).toMatchObject({ status: 'running', pid });

    // The manager that started it is killed: it goes on, and the other one ends it.
    session.kill('SIGKILL');
    await session.ended;
    expect(await b.engine('one').machineStatus({})).toMatchObject({ status: 'running', pid });
    await b.engine('one').machineQuit({});
    await expect.poll(async () => (await b.manager.libraryList({})).machines[0]?.pid).toBeUndefined();
    const { client: again } = await serve();
    expect((await again.manager.libraryList({})).machines).toMatchObject([{ name: 'one', title: 'Changed there' }]);
  });

  it('give a name once, start a machine once and never write half a file, whatever comes at once', async () => {
    const [{ client: a }, { client: b }] = await Promise.all([serve(), serve()]);
    const both = [a, b];
    const wanted = Array.from({ length: 12 }, (_, i) => `m${i}`);
    const made = await outcomes(wanted.flatMap((name) => both.map(({ manager }) => manager.libraryCreate({ name, settings }))));
    expect(made).toEqual({ good: wanted.length, codes: ['machine-exists'] });

    const starts = await outcomes(both.map(({ manager }) => manager.libraryStart({ name: 'm0' })));
    expect(starts.good).toBe(1);
    expect((await a.manager.libraryList({})).machines.filter(({ pid }) => pid !== undefined)).toHaveLength(1);

    // Everything at once to one machine: a change is there whole or is refused, and whoever reads meanwhile reads a whole file.
    let reading = true;
    const read = async (): Promise<number> => {
      let count = 0;
      for (; reading; count++) {
        MachineFile.parse(JSON.parse(readFileSync(file('m1'), 'utf8')));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      return count;
    };
    const reader = read();
    const changed = await outcomes(
      Array.from({ length: 40 }, (_, i) =>
        both.map(({ manager }, who) => manager.libraryChange({ name: 'm1', notes: `${who} ${i}`.repeat(500) })),
      ).flat(),
    );
    reading = false;
    expect(await reader).toBeGreaterThan(5);
    expect(changed.good).toBeGreaterThan(0);
    expect(changed.codes.filter((code) => code !== 'machine-locked')).toEqual([]);

    // One takes away what the other renames, copies and changes.
    const storm = await outcomes([
      ...wanted.slice(2).map((name) => a.manager.libraryRemove({ name })),
      ...wanted.slice(2).map((name) => b.manager.libraryRename({ name, to: `${name}-new` })),
      ...wanted.slice(2).map((name) => b.manager.libraryCopy({ name, to: `${name}-copy` })),
    ]);
    const known = [
      'job-limit',
      'machine-busy',
      'machine-exists',
      'machine-folder',
      'machine-locked',
      'machine-unknown',
      'file-unreadable',
    ];
    expect(storm.codes.filter((code) => !known.includes(code))).toEqual([]);
    const { machines } = await a.manager.libraryList({});
    expect(machines.filter(({ problem }) => problem !== undefined)).toEqual([]);
    expect(await names(b)).toEqual(machines.map(({ name }) => name));
    expect(readdirSync(library()).filter((name) => /^\.new-/.test(name))).toEqual([]);
    for (const { name } of machines) expect(existsSync(file(name))).toBe(true);
  });

  it('both show a machine file that somebody damaged, and work on with the others', async () => {
    const [{ client: a }, { client: b }] = await Promise.all([serve(), serve()]);
    await a.manager.libraryCreate({ name: 'bad', settings });
    await a.manager.libraryCreate({ name: 'good', settings });
    writeFileSync(file('bad'), '{"format":"rootmode-machine","ver');
    for (const { manager } of [a, b]) {
      const [bad, good] = (await manager.libraryList({})).machines;
      expect(bad).toMatchObject({ name: 'bad', failure: { class: 'machine-folder', data: { reason: 'it is not JSON' } } });
      expect(good?.problem).toBeUndefined();
      await expect(manager.libraryStart({ name: 'bad' })).rejects.toMatchObject({ code: 'machine-folder' });
    }
    expect(readFileSync(file('bad'), 'utf8')).toBe('{"format":"rootmode-machine","ver');
    await b.manager.libraryStart({ name: 'good' });
  });
});

describe('a manager that is killed', () => {
  it('in the middle of a copy leaves the machine whole and nothing of the copy, and nobody is kept from the machine', async () => {
    const { session, client } = await serve();
    const bytes = 512 << 20;
    await client.manager.libraryCreate({ name: 'one', settings, emptyDisks: [{ file: 'disk.img', bytes, preallocate: true }] });
    const copy = client.manager.libraryCopy({ name: 'one', to: 'two' });
    copy.catch(() => undefined);
    await expect.poll(() => readdirSync(library()).filter((name) => name.startsWith('.new-')).length, { interval: 2 }).toBe(1);
    session.kill('SIGKILL');
    await session.ended;
    const { client: next } = await serve();
    expect(await names(next)).toEqual(['one']);
    expect(readdirSync(library()).filter((name) => name.startsWith('.new-'))).toEqual([]);
    expect((await next.manager.libraryList({})).machines[0]?.busy).toBeUndefined();
    await next.manager.libraryChange({ name: 'one', title: 'whole' });
  });
});

describe('a full disk', () => {
  it('refuses with the reason, keeps what is there, shows it to whoever looks, and goes on when there is room', async ({
    skip,
  }) => {
    const place = join(bench.runtime, 'small');
    mkdirSync(place);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', place]).status !== 0)
      return skip('a file system of its own can only be mounted by root');
    try {
      rmSync(join(bench.data, 'rootmode'), { recursive: true });
      mkdirSync(join(place, 'rootmode/machines'), { recursive: true });
      writeFileSync(join(place, 'rootmode/machines/.welcomed'), '');
      symlinkSync(join(place, 'rootmode'), join(bench.data, 'rootmode'));
      const { client, session } = await serve();
      await client.manager.libraryCreate({ name: 'one', notes: 'kept', settings });
      expect(() => writeFileSync(join(place, 'filler'), Buffer.alloc(1 << 20))).toThrow(/ENOSPC/);
      await expect(client.manager.libraryCreate({ name: 'two', settings })).rejects.toMatchObject({
        code: 'file-unwritable',
        data: { reason: 'the disk is full' },
      });
      await expect(client.manager.libraryChange({ name: 'one', notes: 'x'.repeat(19_000) })).rejects.toMatchObject({
        code: 'file-unwritable',
      });
      await expect(client.manager.libraryStart({ name: 'one' })).rejects.toMatchObject({
        code: expect.stringMatching(/^(file-unwritable|machine-start)$/),
      });
      expect((await client.manager.libraryList({})).machines).toMatchObject([{ name: 'one', notes: 'kept' }]);
      rmSync(join(place, 'filler'));
      await client.manager.libraryStart({ name: 'one' });
      expect(await client.engine('one').machineStatus({})).toMatchObject({ status: 'running' });
      await client.engine('one').machineQuit({});
      await expect.poll(async () => (await client.manager.libraryList({})).machines[0]?.pid).toBeUndefined();
      session.kill('SIGKILL');
      await session.ended;
    } finally {
      rmSync(join(bench.data, 'rootmode'));
      // Lazily: a machine that has quit may still have its log open there.
      spawnSync('umount', ['-l', place]);
    }
  });
});
