/**
 * Running the tools of the checkout. Every task works from the root of the checkout, whatever the current directory was.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

export interface Finished {
  readonly code: number;
  /** Standard output and error, in the order they arrived. Empty when passed through. */
  readonly output: string;
  readonly seconds: number;
}

interface RunOptions {
  /** Show the output while it appears instead of collecting it. */
  readonly show?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** Run a program to its end. Never rejects: a program that cannot be started has code 127 and says so in `output`. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const started = performance.now();
  return new Promise((finish) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, ...options.env },
      stdio: options.show === true ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (chunk: Buffer) => {
      output += chunk.toString('utf8');
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    const seconds = () => (performance.now() - started) / 1000;
    child.on('error', (cause) => finish({ code: 127, output: `${program}: ${cause.message}\n`, seconds: seconds() }));
    child.on('close', (code) => finish({ code: code ?? 1, output, seconds: seconds() }));
  });
}

/** A program of a package in node_modules, run by the Node that runs this task. */
export function tool(script: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return run(process.execPath, [join(root, 'node_modules', script), ...args], options);
}

/** True for a git checkout, false for an unpacked archive. */
export function inCheckout(): boolean {
  return existsSync(join(root, '.git'));
}
