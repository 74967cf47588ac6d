/** Guests of ours (assets/guests) on the built program: exit statuses, the proof of threads, hostile and unlucky files. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../engine/contract/client.ts';
import { engineCommands } from '../../engine/contract/commands.ts';
import { connectEngine } from '../../engine/servers/engine-connection.ts';
import { root } from '../tasks/run.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

const guest = (name: string): string => join(root, 'assets/guests', `${name}.bin`);

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.close());

describe.skipIf(notBuilt !== undefined)(`small guests${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`, () => {
  it('print on standard output, and end with status 0 when they power off', async () => {
    const { status, out, err } = await bench.run('run', '--kernel', guest('hello'), '--memory', '16');
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(/^Hello from 64-bit mode\.\r?\n/);
    expect(readdirSync(bench.runtime)).toEqual([]);
  });

  it('write to a file, and to nowhere', async () => {
    const file = join(bench.runtime, 'serial.log');
    const to = await bench.run('run', '--kernel', guest('hello'), '--memory', '16', '--serial', `file:${file}`);
    expect(to).toMatchObject({ status: 0, out: '', err: '' });
    expect(readFileSync(file, 'latin1')).toMatch(/^Hello from 64-bit mode\./);
    const none = await bench.run('run', '--kernel', guest('hello'), '--memory', '16', '--serial', 'none');
    expect(none).toMatchObject({ status: 0, out: '', err: '' });
  });

  it('that triple-fault end with status 1 and a report under --no-reboot', async () => {
    const { status, out, err } = await bench.run('run', '--kernel', guest('triple-fault'), '--memory', '16', '--no-reboot');
    expect(status).toBe(1);
    expect(out).toMatch(/^About to triple-fault\.\s*$/);
    expect(err).toMatch(/triple fault on vCPU 0 after \d+ instructions\nvCPU 0\n {2}kvm_regs\n/);
    expect(err).toMatch(/ rip +0x[0-9a-f]{16}/);
  });

  it('that triple-fault begin again without it', async () => {
    const session = bench.start(['run', '--kernel', guest('triple-fault'), '--memory', '16']);
    for (let times = 0; times < 3; times++) await session.see('About to triple-fault.');
    session.kill('SIGINT');
    expect(await session.ended).toMatchObject({ status: 130, err: '' });
  });

  it.each([
    ['four threads', 'per-vcpu'],
    ['one thread, in turn', 'round-robin'],
  ])('prove the rules of threads: four vCPUs on %s', async (_what, threads) => {
    const { status, out, err } = await bench.run(
      ...['run', '--kernel', guest('smp'), '--memory', '64', '--cpus', '4', '--threads', threads, '--debug-exit'],
    );
    expect(out).toMatch(/^SMP proof: 4 processors\r?\n([^:]+: ok\r?\n){11}PASSED\s*$/);
    expect(err).toBe('');
    // isa-debug-exit: the guest wrote 0.
    expect(status).toBe(1);
  });

  it('end at once on Ctrl-A x and on SIGTERM before they listen to the power button, within its patience', async () => {
    const quit = bench.start(['run', '--kernel', guest('triple-fault'), '--memory', '16']);
    await quit.see('About to triple-fault.');
    quit.type('\x01x');
    expect((await quit.ended).status).toBe(0);
    const deaf = bench.start(['run', '--kernel', guest('triple-fault'), '--memory', '16']);
    await deaf.see('About to triple-fault.');
    const begun = performance.now();
    deaf.kill('SIGTERM');
    expect((await deaf.ended).status).toBe(143);
    expect(performance.now() - begun).toBeGreaterThan(9000);
    expect(performance.now() - begun).toBeLessThan(15_000);
  });
});

describe.skipIf(notBuilt !== undefined)('a signal while the machine is being made', () => {
  it.each([20, 60, 100, 150, 200, 300, 450, 700])('after %i ms ends it and leaves nothing', async (milliseconds) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const session = bench.start(['run', '--kernel', guest('triple-fault'), '--memory', '16']);
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      session.kill(signal);
      // A machine that runs by then listens to the power button first; told twice, it ends.
      await new Promise((resolve) => setTimeout(resolve, 300));
      session.kill(signal);
      const { status, signal: by } = await session.ended;
      // Before the program listens, the system ends it.
      expect(by ?? status).toSatisfy((how: unknown) => how === signal || how === (signal === 'SIGINT' ? 130 : 143));
      expect(readdirSync(bench.runtime)).toEqual([]);
    }
  });
});

const terminal = spawnSync('sh', ['-c', 'script --version']).status === 0;
const noTerminal = notBuilt ?? (terminal ? undefined : 'util-linux script, which gives a process a terminal, is not here');

describe.skipIf(noTerminal !== undefined)(`on a terminal${noTerminal === undefined ? '' : ` (skipped: ${noTerminal})`}`, () => {
  /** Starts the command on a terminal of its own, and says afterwards how it left the terminal. */
  const start = (...words: string[]) =>
    bench.start(words, { through: ['sh', '-c', 'script -qec "$*; echo status=\\$?; stty -a" /dev/null', 'sh'] });

  it("keys are the guest's but for Ctrl-A, and the terminal is as before when it ends", async () => {
    const session = start('run', '--kernel', guest('triple-fault'), '--memory', '16');
    await session.see('About to triple-fault.');
    session.type('\x03\x1a\x1c'); // what would interrupt, stop or kill a process that leaves keys to the terminal
    await session.see('About to triple-fault.');
    session.type('\x01c');
    await session.see('(rootmode) ');
    session.type('help\n');
    await session.see(/power-button +Press the power button/);
    session.type('quit\n');
    await session.see('status=0');
    const { out } = await session.ended;
    expect(out).toMatch(/[^-]icanon/);
    expect(out).toMatch(/[^-]echo /);
  });

  it('it is taken again after the process was stopped and continued', async () => {
    const session = start('run', '--kernel', guest('triple-fault'), '--memory', '16', '--name', 'stopped');
    await session.see('About to triple-fault.');
    process.env.XDG_RUNTIME_DIR = bench.runtime;
    const connection = await connectEngine('stopped');
    const { pid } = await createClient(engineCommands, connection).machineStatus({});
    connection.close();
    process.kill(pid, 'SIGSTOP');
    process.kill(pid, 'SIGCONT');
    await session.see('About to triple-fault.');
    session.type('\x03\x01x');
    await session.see('status=0');
    await session.ended;
  });
});

describe.skipIf(notBuilt !== undefined)('images that cannot be booted', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'rootmode-images-'));
    const place = (name: string, content: Uint8Array | string) => writeFileSync(join(folder, name), content);
    place('empty', '');
    place('text', 'this is no kernel\n'.repeat(100));
    place('elf', Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]), Buffer.alloc(57)]));
    place('gzip', Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), Buffer.alloc(100)]));
    place('large', new Uint8Array(20 << 20));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ['an empty file', 'empty', []],
    ['text', 'text', []],
    ['a damaged ELF file', 'elf', []],
    ['compressed data', 'gzip', []],
    ['zeros', 'large', []],
  ])('%s: one sentence, status 2, nothing left behind', async (_what, name, more) => {
    const path = join(folder, name);
    const { status, out, err } = await bench.run('run', '--kernel', path, '--memory', '64', ...more);
    expect(err).toMatch(/^rootmode: [^\n]+\.\n$/);
    expect(err).toContain(path);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(readdirSync(bench.runtime)).toEqual([]);
  });

  it('an initrd that does not fit is named, with the remedy', async () => {
    const { status, out, err } = await bench.run(
      ...['run', '--kernel', guest('hello'), '--initrd', join(folder, 'large'), '--memory', '8'],
    );
    expect(err).toMatch(/^rootmode: [^\n]*(initrd|module|large)[^\n]*memory[^\n]*\.\n$/i);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(readdirSync(bench.runtime)).toEqual([]);
  });

  it('a serial file is not made for a machine that is refused', async () => {
    const file = join(folder, 'serial.log');
    const { status } = await bench.run('run', '--kernel', join(folder, 'text'), '--serial', `file:${file}`);
    expect(status).toBe(2);
    expect(existsSync(file)).toBe(false);
  });
});
