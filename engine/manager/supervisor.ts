/**
 * Starts the engine process of a machine and says why when it does not start. The process belongs to nobody: it goes on when its starter
 * ends or is killed, and is found again through the lock of its folder and its socket.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import { codeOf, reasonOf } from '../host/files.ts';

/** Of a log, at most this many bytes are read, from its end. */
const TAIL_BYTES = 256 * 1024;

export interface EngineProgram {
  /** Program and first words; the machine's folder follows. */
  readonly command: readonly [string, ...string[]];
  /** Whether the machine `name` answers and its guest runs. */
  isRunning(name: string): Promise<boolean>;
  sleep(milliseconds: number): Promise<void>;
}

const POLL_MILLISECONDS = 30;

function logPath(folder: string): string {
  return join(folder, 'logs', 'engine.log');
}

/** Start the machine in `folder`; resolves with the process once its guest runs. Fails with `machine-start`, telling what the process said. */
export async function startEngine(program: EngineProgram, { name, folder }: { name: string; folder: string }): Promise<number> {
  const log = openLog(folder);
  const [file, ...words] = program.command;
  const child = spawn(file, [...words, folder], { cwd: folder, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  let ended: string | undefined;
  let over = false;
  child.once('error', (cause) => {
    ended = reasonOf(cause);
  });
  child.once('exit', (code, signal) => {
    // A guest that was done before anybody looked.
    if (code === 0) over = true;
    else
      ended ??=
        lastWords(folder) || (signal === null ? `its process ended with status ${code}` : `its process was ended by ${signal}`);
  });
  child.unref();
  while (ended === undefined) {
    if (over || (await program.isRunning(name))) return child.pid as number;
    await program.sleep(POLL_MILLISECONDS);
  }
  throw new EngineError('machine-start', { name, reason: ended });
}

/** The log of this run; the one before it is not kept: what it said was about another process. */
function openLog(folder: string): number {
  const path = logPath(folder);
  try {
    mkdirSync(join(folder, 'logs'), { recursive: true });
    return openSync(path, 'w', 0o644);
  } catch (cause) {
    throw new EngineError('file-unwritable', { what: 'log', path, reason: reasonOf(cause) }, { cause });
  }
}

/** The last lines of the machine's log; none when it never ran. */
export function readLog(folder: string, lines: number): string[] {
  const path = logPath(folder);
  try {
    const { size } = statSync(path);
    const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const file = openSync(path, 'r');
    try {
      readSync(file, bytes, 0, bytes.length, size - bytes.length);
    } finally {
      closeSync(file);
    }
    return bytes.toString('utf8').trimEnd().split('\n').slice(-lines);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    throw new EngineError('file-unreadable', { what: 'log', path, reason: reasonOf(cause) }, { cause });
  }
}

/** The engine's own sentence: its last line, without the program's name. */
function lastWords(folder: string): string {
  return (readLog(folder, 1)[0] ?? '').replace(/^rootmode: /, '');
}
