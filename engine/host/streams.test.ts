import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const streams = new URL('./streams.ts', import.meta.url).href;

/** Runs in a thread, as the I/O thread does: answers each chunk with its bytes in hexadecimal, ends on `q`. */
const echo = `
import { Worker, isMainThread } from 'node:worker_threads';
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  worker.on('error', (error) => { console.error(error); process.exit(3); });
  worker.on('exit', () => process.exit(0));
} else {
  const { openStandardInput, openStandardOutput } = await import(${JSON.stringify(streams)});
  const sink = openStandardOutput();
  const say = (text) => sink.write(Buffer.from(text)).catch((error) => { console.error(error.code); input.close(); });
  const input = openStandardInput({
    onBytes: async (bytes) => {
      await say('<' + Buffer.from(bytes).toString('hex') + '>');
      if (bytes.includes(0x71)) { input.close(); await sink.close(); }
    },
    onEnd: async () => { await say('end'); await sink.close(); },
  });
  input.setRaw(true);
  await say(input.terminal ? 'terminal ' : 'no terminal ');
}
`;

let folder: string;
let program: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-streams-'));
  program = join(folder, 'echo.mjs');
  writeFileSync(program, echo);
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Result {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program, types each text when the one before was answered, and gives what came out. */
function talk(command: readonly string[], texts: readonly string[]): Promise<Result> {
  return new Promise((resolve) => {
    const [file = '', ...words] = command;
    const child = spawn(file, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    const left = [...texts];
    let out = '';
    let err = '';
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', (chunk) => {
      out += chunk;
      const next = left.shift();
      if (next !== undefined) child.stdin.write(next, 'latin1');
      else if (command[0] !== 'sh') child.stdin.end();
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('close', (status) => resolve({ status, out, err }));
  });
}

describe('standard streams in a thread', () => {
  it('carry bytes over pipes until the input ends', async () => {
    const { status, out, err } = await talk([process.execPath, program], ['ab', '\x01\xff']);
    expect({ status, out, err }).toEqual({ status: 0, out: 'no terminal <6162><01ff>end', err: '' });
  });

  it('work with files and with the null device', () => {
    const from = join(folder, 'from');
    const to = join(folder, 'to');
    writeFileSync(from, 'xyz');
    const shell = (line: string) => spawnSync('sh', ['-c', line, process.execPath, program, from, to], { encoding: 'utf8' });
    expect(shell('exec "$0" "$1" < "$2" > "$3"').status).toBe(0);
    expect(readFileSync(to, 'utf8')).toBe('no terminal <78797a>end');
    expect(shell('exec "$0" "$1" < /dev/null').stdout).toBe('no terminal end');
    expect(shell('exec "$0" "$1" <&-').stdout).toContain('end');
  });

  it('report a reader that went away', async () => {
    const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    await once(child.stdout, 'data');
    child.stdout.destroy();
    await once(child.stdout, 'close');
    child.stdin.write('x');
    await once(child, 'close');
    expect(err).toContain('serial-closed');
  });

  const terminal = spawnSync('sh', ['-c', 'script --version']).status === 0;
  it.runIf(terminal)('put a terminal into raw mode, and back when they close', async () => {
    const inner = `${process.execPath} ${program}; stty -a | tr -d '\\n'`;
    const { out } = await talk(['sh', '-c', 'exec script -qec "$0" /dev/null', inner], ['\x03', '\r', '\x04', 'q']);
    // Ctrl-C, return and Ctrl-D arrive as bytes: nothing interprets them, nothing echoes them.
    expect(out).toMatch(/^terminal <03><0d><04><71>/);
    expect(out).toMatch(/[^-]icanon/);
    expect(out).toMatch(/[^-]echo /);
  });
});
