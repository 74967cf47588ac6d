/**
 * Starts the engine process of a machine and says why when it does not start. The process belongs to nobody: it goes on when its starter
 * ends or is killed, and is found again through the lock of its folder and its socket.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import { parseLog } from '../contract/log-entries.ts';
import { codeOf, reasonOf } from '../host/files.ts';
import { forgetFailure, readFailure } from './failure-file.ts';
import { lockHolder, whileStarting } from './folder-lock.ts';

/** Of a log, at most this many bytes are read, from its end. */
const TAIL_BYTES = 256 * 1024;

export interface EngineProgram {
  /** Start the engine process of the machine in `folder`; what it says goes to the file `log`, which exists. */
  launch(where: { readonly folder: string; readonly log: string }): LaunchedEngine;
  /** Whether the machine `name` answers and its guest runs. */
  isRunning(name: string): Promise<boolean>;
  sleep(milliseconds: number): Promise<void>;
}

/** A process that was just started. */
export interface LaunchedEngine {
  readonly pid: number | undefined;
  /** Called once: with its exit status, or with what ended it or kept it from starting. */
  onEnd(listener: (end: number | string) => void): void;
}

const POLL_MILLISECONDS = 30;

/** Launch on plain Node: `command` are the program and its first words, the machine's folder follows. The process belongs to nobody. */
export function detachedEngine(command: readonly [string, ...string[]]): EngineProgram['launch'] {
  return ({ folder, log }) => {
    const [file, ...words] = command;
    const output = openSync(log, 'a');
    const child = spawn(file, [...words, folder], { cwd: folder, detached: true, stdio: ['ignore', output, output] });
    closeSync(output);
    child.unref();
    return {
      pid: child.pid,
      onEnd: (listener) => {
        child.once('error', (cause) => listener(reasonOf(cause)));
        child.once('exit', (code, signal) => listener(code ?? `its process was ended by ${signal}`));
      },
    };
  };
}

function logPath(folder: string): string {
  return join(folder, 'logs', 'engine.log');
}

/**
 * Start the machine in `folder`; resolves with the process once its guest runs. Fails with `machine-start`, telling what the process
 * said, and with `machine-locked` while it runs.
 */
export function startEngine(program: EngineProgram, machine: { name: string; folder: string }): Promise<number> {
  const wait = (): Promise<void> => program.sleep(POLL_MILLISECONDS);
  return whileStarting(machine, wait, () => {
    const pid = lockHolder(machine.folder);
    if (pid !== undefined) throw new EngineError('machine-locked', { name: machine.name, pid });
    return launchEngine(program, machine);
  });
}

async function launchEngine(program: EngineProgram, { name, folder }: { name: string; folder: string }): Promise<number> {
  emptyLog(folder);
  const engine = program.launch({ folder, log: logPath(folder) });
  let end: number | string | undefined;
  engine.onEnd((how) => {
    end ??= how;
  });
  // Status 0: a guest that was done before anybody looked.
  while (end === undefined || end === 0) {
    // What answers to the name may be another process, which then has the lock.
    const isOurs = end === 0 || (lockHolder(folder) === engine.pid && (await program.isRunning(name)));
    if (isOurs) return engine.pid as number;
    await program.sleep(POLL_MILLISECONDS);
  }
  const reason = typeof end === 'string' ? end : lastWords(folder) || `its process ended with status ${end}.`;
  throw new EngineError('machine-start', { name, reason, cause: readFailure(folder) });
}

/** The log is of one run; what the run before it said was about another process. */
function emptyLog(folder: string): void {
  const path = logPath(folder);
  try {
    mkdirSync(join(folder, 'logs'), { recursive: true });
    writeFileSync(path, '', { mode: 0o644 });
    forgetFailure(folder);
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

/** The engine's own sentence: the last thing it said, if that was an error. */
function lastWords(folder: string): string {
  const last = parseLog(readLog(folder, 50)).at(-1);
  return last === undefined || (last.level !== 'error' && last.level !== undefined) ? '' : last.text;
}
