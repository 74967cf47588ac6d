/** The command as installed: what a user's shell and a supervisor see of it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from './tasks/run.ts';

const installed = join(root, 'node_modules/.bin/rootmode');
const folder = mkdtempSync(join(tmpdir(), 'rootmode-command-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** No PATH of ours: the command must find its own Node. */
const env = { PATH: '/usr/bin:/bin', HOME: folder };

describe('the installed command', () => {
  it('answers', () => {
    const { status, stdout, stderr } = spawnSync(installed, ['--version'], { env, encoding: 'utf8' });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '0.1.0\n', stderr: '' });
  });

  it('is found through links to links, from any folder', () => {
    const first = join(folder, 'first');
    symlinkSync(installed, first);
    symlinkSync('first', join(folder, 'second'));
    const { stdout } = spawnSync(join(folder, 'second'), ['--version'], { env, encoding: 'utf8', cwd: '/' });
    expect(stdout).toBe('0.1.0\n');
  });

  it('is one process: Node takes the place of the shell', () => {
    const probe = join(folder, 'probe.cjs');
    writeFileSync(probe, 'process.stdout.write(String(process.pid)); process.exit(0);');
    const { pid, stdout } = spawnSync(installed, [], { env: { ...env, NODE_OPTIONS: `--require=${probe}` }, encoding: 'utf8' });
    expect(stdout).toBe(String(pid));
  });

  it('leaves a processor to the thread that runs the guest, if there are two', () => {
    const probe = join(folder, 'pool.cjs');
    writeFileSync(probe, 'process.stdout.write(process.execArgv.join()); process.exit(0);');
    const tools = join(folder, 'tools');
    mkdirSync(tools);
    const workers = [1, 2, 3, 4, 8].map((processors) => {
      writeFileSync(join(tools, 'nproc'), `#!/bin/sh\necho ${processors}\n`, { mode: 0o755 });
      const there = { ...env, PATH: `${tools}:${env.PATH}`, NODE_OPTIONS: `--require=${probe}` };
      return spawnSync(installed, [], { env: there, encoding: 'utf8' }).stdout;
    });
    expect(workers).toEqual([1, 1, 2, 3, 4].map((n) => `--v8-pool-size=${n}`));
  });

  it('ends on a terminal when the guest powers off', ({ skip }) => {
    if (spawnSync('script', ['--version']).status !== 0) skip("util-linux's script, which makes a terminal, is not installed");
    const guest = join(root, 'assets/guests/hello.bin');
    const inside = `${installed} run --kernel ${guest} --memory 16; echo status $?`;
    const { stdout } = spawnSync('script', ['-qec', inside, '/dev/null'], {
      env,
      encoding: 'utf8',
      timeout: 15_000,
    });
    expect(stdout).toMatch(/^Hello from 64-bit mode\.[\s\S]*status 0\r?\n$/);
  });

  it('refuses what it does not know with status 2', () => {
    const { status, stdout } = spawnSync(installed, ['no-such-command'], { env, encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});

it('says what to do when nothing is built', () => {
  const copy = join(folder, 'build/cli');
  spawnSync('mkdir', ['-p', copy]);
  spawnSync('cp', [join(root, 'build/cli/rootmode'), copy]);
  const { status, stderr } = spawnSync(join(copy, 'rootmode'), [], { env, encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toContain('npm ci');
});
