/** A guest under measurement: the installed command in a process group of its own, its serial port on pipes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../tasks/run.ts';

export interface GuestProcess {
  /** Process group, for the readings of process-group.ts. */
  readonly group: number;
  /** Milliseconds of the monotonic clock when the command was started. */
  readonly started: number;
  /** Wait until the serial port has said `text` after what earlier waits consumed; returns the time of it. Rejects at the end or after `seconds`. */
  until(text: string, seconds: number): Promise<number>;
  type(text: string): void;
  /** What the serial port has said since that was asked last, up to the last whole line. */
  heard(): string;
  /** Wait for the end; returns the exit status and the time of it. */
  ended(): Promise<{ readonly status: number | null; readonly at: number }>;
  kill(): void;
}

/** Start `rootmode run` with these options. */
export function startGuest(options: readonly string[], environment: NodeJS.ProcessEnv = {}): GuestProcess {
  return startProgram(join(root, 'build/cli/rootmode'), ['run', ...options], environment);
}

/** Another program with its guest's serial port on standard output. */
export function startProgram(program: string, words: readonly string[], environment: NodeJS.ProcessEnv = {}): GuestProcess {
  const started = performance.now();
  const child: ChildProcess = spawn(program, words, { detached: true, stdio: 'pipe', env: { ...process.env, ...environment } });
  let heard = '';
  let errors = '';
  const listeners = new Set<() => void>();
  const wake = () => {
    for (const listener of [...listeners]) listener();
  };
  child.stdout?.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
    wake();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString('utf8');
  });
  const end = new Promise<{ status: number | null; at: number }>((done) => {
    child.on('exit', (status) => done({ status, at: performance.now() }));
  });
  const group = child.pid ?? 0;
  return {
    group,
    started,
    until(text, seconds) {
      return new Promise((found, missed) => {
        const finish = (act: () => void) => {
          clearTimeout(timer);
          listeners.delete(look);
          act();
        };
        const look = () => {
          const at = heard.indexOf(text);
          if (at < 0) return;
          heard = heard.slice(at + text.length);
          finish(() => found(performance.now()));
        };
        const timer = setTimeout(() => finish(() => missed(new Error(`no "${text}" within ${seconds} s`))), seconds * 1000);
        listeners.add(look);
        void end.then(({ status }) => finish(() => missed(new Error(`the command ended with ${status}: ${errors.trim()}`))));
        look();
      });
    },
    heard() {
      const end = heard.lastIndexOf('\n') + 1;
      const lines = heard.slice(0, end);
      heard = heard.slice(end);
      return lines;
    },
    type: (text) => void child.stdin?.write(text),
    ended: () => end,
    kill() {
      try {
        process.kill(-group, 'SIGKILL');
      } catch {
        // Ended by itself.
      }
    },
  };
}
