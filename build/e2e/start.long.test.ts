/** `npm start` on a machine that has never seen Rootmode: which window opens, and that a machine is in it that runs. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { root } from '../tasks/run.ts';
import { connectToManager } from './manager-client.ts';
import { type Bench, createBench, createSession, notBuilt, type Session } from './session.ts';

let bench: Bench;
let tools: string;
beforeEach(({ skip }) => {
  if (notBuilt !== undefined) skip(notBuilt);
  bench = createBench();
  rmSync(join(bench.data, 'rootmode'), { recursive: true });
  tools = join(bench.runtime, 'bin');
  mkdirSync(tools);
});
afterEach(() => bench.close());

/** A program that writes down what it is started with. */
function recorder(path: string, to: string): void {
  writeFileSync(path, `#!/bin/sh\necho "$@" > ${to}\n`, { mode: 0o755 });
}

function start(environment: Readonly<Record<string, string>>): Session {
  const env = { ...process.env, XDG_RUNTIME_DIR: bench.runtime, XDG_DATA_HOME: bench.data, ...environment };
  const child = spawn(process.execPath, [join(root, 'build/tasks/start.ts')], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  return createSession(child);
}

it('opens the browser where Electron is not, says so in one line, and has a machine that runs', async ({ skip }) => {
  if (existsSync(join(root, 'node_modules/electron/dist'))) return skip('Electron is installed here');
  const opened = join(bench.runtime, 'opened');
  recorder(join(tools, 'xdg-open'), opened);
  const session = start({ PATH: `${tools}:${process.env['PATH']}` });
  try {
    const [url] = await session.see(/http:\S+/, 30_000);
    expect(session.err.trim().split('\n')).toEqual([expect.stringMatching(/^Electron is not installed here .* in your browser/)]);
    await expect.poll(() => existsSync(opened) && readFileSync(opened, 'utf8').trim()).toBe(url);
    const client = await connectToManager(url);
    const { machines } = await client.manager.libraryList({});
    expect(machines.map(({ name }) => name)).toEqual(['welcome']);
    const before = performance.now();
    await client.manager.libraryStart({ name: 'welcome' });
    expect(await client.engine('welcome').machineStatus({})).toMatchObject({ status: 'running' });
    expect(performance.now() - before).toBeLessThan(20_000);
    await client.engine('welcome').machineQuit({});
    client.close();
  } finally {
    session.kill('SIGTERM');
    await session.ended;
  }
});

it('starts Electron where it is', async () => {
  const started = join(bench.runtime, 'started');
  recorder(join(tools, 'electron'), started);
  const { status, err } = await start({ ELECTRON_OVERRIDE_DIST_PATH: tools }).ended;
  expect({ status, err, words: readFileSync(started, 'utf8').trim() }).toEqual({ status: 0, err: '', words: root });
});
