/** A `rootmode` process under test: what it prints, what is typed, how it ends. The built program, started as people start it. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WELCOMED } from '../../engine/manager/welcome.ts';
import { root } from '../tasks/run.ts';

const command = join(root, 'build/cli/rootmode');

/** Why the program cannot be tested here, if so. */
export const notBuilt = existsSync(join(root, '.out/cli.js')) ? undefined : "the program is not built; 'npm ci' builds it";

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface Session {
  readonly pid: number;
  /** Everything on standard output so far. */
  readonly out: string;
  readonly err: string;
  type(text: string): void;
  /** Waits until `pattern` appears on standard output after what earlier calls matched. Rejects with the last lines when it does not. */
  see(pattern: RegExp | string, milliseconds?: number): Promise<RegExpExecArray>;
  /** The same on standard error. */
  seeError(pattern: RegExp | string, milliseconds?: number): Promise<RegExpExecArray>;
  /** Stop reading standard output, as a pager does that waits for its user; `false` goes on. */
  hold(held: boolean): void;
  kill(signal: NodeJS.Signals): void;
  closeInput(): void;
  readonly ended: Promise<Ended>;
}

/** A place for the sockets of one test, and the end of every process started there. */
export interface Bench {
  /** XDG_RUNTIME_DIR of what is started: empty when all of it has ended. */
  readonly runtime: string;
  /** A folder for XDG_DATA_HOME, with a library that no longer needs its Welcome machine. */
  readonly data: string;
  start(words: readonly string[], options?: StartOptions): Session;
  /** Run to the end. */
  run(...words: string[]): Promise<Ended>;
  close(): Promise<void>;
}

export interface StartOptions {
  /** Another program that runs ours, as `script` for a terminal; it gets the command as its last words. */
  readonly through?: readonly string[];
}

export function createBench(): Bench {
  const place = mkdtempSync(join(tmpdir(), 'rootmode-e2e-'));
  const [runtime, data] = [join(place, 'run'), join(place, 'data')];
  mkdirSync(runtime, { mode: 0o700 });
  // Libraries of tests are empty: the Welcome machine has a test of its own.
  const library = join(data, 'rootmode/machines');
  mkdirSync(library, { recursive: true });
  writeFileSync(join(library, WELCOMED), '');
  const sessions: Session[] = [];
  const start = (words: readonly string[], { through = [] }: StartOptions = {}): Session => {
    const [program = command, ...rest] = [...through, command, ...words];
    const env = { ...process.env, XDG_RUNTIME_DIR: runtime, XDG_DATA_HOME: data };
    const session = createSession(spawn(program, rest, { env, stdio: ['pipe', 'pipe', 'pipe'] }));
    sessions.push(session);
    return session;
  };
  return {
    runtime,
    data,
    start,
    run: (...words) => {
      const session = start(words);
      session.closeInput();
      return session.ended;
    },
    close: async () => {
      for (const session of sessions) session.kill('SIGKILL');
      await Promise.all(sessions.map(({ ended }) => ended));
      rmSync(place, { recursive: true, force: true });
    },
  };
}

interface Stream {
  text: string;
  /** Up to where `see` has matched. */
  seen: number;
  readonly waiters: Set<() => void>;
}

export function createSession(child: ChildProcessWithoutNullStreams): Session {
  const follow = (readable: NodeJS.ReadableStream): Stream => {
    const stream: Stream = { text: '', seen: 0, waiters: new Set() };
    readable.setEncoding('latin1');
    readable.on('data', (chunk: string) => {
      stream.text += chunk;
      for (const waiter of stream.waiters) waiter();
    });
    return stream;
  };
  const out = follow(child.stdout);
  const err = follow(child.stderr);
  let over = false;
  child.stdin.on('error', () => undefined); // typing into a process that has ended
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (status, signal) => {
      over = true;
      resolve({ status, signal, out: out.text, err: err.text });
      for (const waiter of [...out.waiters, ...err.waiters]) waiter();
    });
  });

  const see = (stream: Stream, pattern: RegExp | string, milliseconds: number): Promise<RegExpExecArray> => {
    const wanted = typeof pattern === 'string' ? new RegExp(pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : pattern;
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        stream.waiters.delete(look);
      };
      const fail = (why: string): void => {
        done();
        reject(
          new Error(`${why} waiting for ${wanted}; the end of what came:\n${stream.text.slice(-2000)}\n${err.text.slice(-500)}`),
        );
      };
      const timer = setTimeout(() => fail(`gave up after ${milliseconds} ms`), milliseconds);
      const look = (): void => {
        const match = wanted.exec(stream.text.slice(stream.seen));
        if (match !== null) {
          stream.seen += match.index + match[0].length;
          done();
          resolve(match);
        } else if (over) fail('the process ended');
      };
      stream.waiters.add(look);
      look();
    });
  };

  return {
    pid: child.pid ?? -1,
    get out() {
      return out.text;
    },
    get err() {
      return err.text;
    },
    type: (text) => void child.stdin.write(text),
    see: (pattern, milliseconds = 60_000) => see(out, pattern, milliseconds),
    seeError: (pattern, milliseconds = 10_000) => see(err, pattern, milliseconds),
    hold: (held) => void (held ? child.stdout.pause() : child.stdout.resume()),
    kill: (signal) => {
      if (!over) child.kill(signal);
    },
    closeInput: () => child.stdin.end(),
    ended,
  };
}
