/** Machines that are kept, as people use them: the built command against a library of its own. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { root } from '../tasks/run.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

const guest = join(root, 'assets/guests/hello.bin');
let bench: Bench;
let before: string | undefined;

beforeEach(({ skip }) => {
  if (notBuilt !== undefined) skip(notBuilt);
  bench = createBench();
  before = process.env.XDG_DATA_HOME;
  process.env.XDG_DATA_HOME = bench.data;
});
afterEach(async () => {
  await bench.close();
  if (before === undefined) delete process.env.XDG_DATA_HOME;
  else process.env.XDG_DATA_HOME = before;
});

const folder = (name: string): string => join(bench.data, 'rootmode/machines', `${name}.rmvm`);

it('a machine is made, started in the background, refused twice, removed and brought back', async () => {
  expect(await bench.run('create', 'echo', '--kernel', join(root, 'assets/guests/echo.bin'), '--memory', '16')).toMatchObject({
    status: 0,
    err: '',
  });
  const started = await bench.run('start', 'echo');
  const pid = Number(/process (\d+)/.exec(started.out)?.[1]);
  try {
    expect((await bench.run('list')).out).toMatch(new RegExp(`echo +running \\(${pid}\\)`));
    expect(await bench.run('start', 'echo')).toMatchObject({ status: 2, err: expect.stringContaining('is running') });
    expect(await bench.run('remove', 'echo')).toMatchObject({ status: 2, err: expect.stringContaining(`process ${pid}`) });
    expect((await bench.run('regs', 'echo')).out).toContain('rip');
  } finally {
    process.kill(pid, 'SIGKILL');
  }
  while ((await bench.run('list')).out.includes('running')) await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await bench.run('remove', 'echo')).status).toBe(0);
  expect((await bench.run('list')).out).toContain('empty');
  expect((await bench.run('restore', 'echo')).status).toBe(0);
  expect((await bench.run('list')).out).toMatch(/echo +stopped/);
});

it('a machine whose kernel went away says so, and is not locked afterwards', async () => {
  const kernel = join(bench.runtime, 'kernel');
  writeFileSync(kernel, 'x');
  await bench.run('create', 'lost', '--kernel', kernel);
  expect(await bench.run('start', 'lost')).toMatchObject({ status: 2, err: expect.stringContaining('lost did not start') });
  expect((await bench.run('list')).out).toMatch(/lost +stopped/);
  expect(existsSync(join(folder('lost'), 'lock'))).toBe(false);
});

it('the same folder is not run twice', async () => {
  await bench.run('create', 'one', '--kernel', guest, '--memory', '16');
  writeFileSync(join(folder('one'), 'lock'), JSON.stringify({ pid: spawn('sleep', ['5']).pid, start: '' }));
  expect(await bench.run('run', '--machine', folder('one'))).toMatchObject({
    status: 2,
    err: expect.stringContaining('stop it first'),
  });
});
