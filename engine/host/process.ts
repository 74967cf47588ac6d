/** This process as the host sees it: title, signals, cost, end. */
import { readFileSync } from 'node:fs';
import { availableParallelism, release, totalmem } from 'node:os';

/** Show `title` in `ps` and its first 15 characters in `top`. The system cuts it to the length the command line had. */
export function setProcessTitle(title: string): void {
  process.title = title;
}

export const processId = process.pid;

/** CPU time of all threads so far, user and system, in microseconds. */
export function processCpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Resident memory of the process in bytes. */
export function residentBytes(): number {
  return process.memoryUsage.rss();
}

/** Is it an option of Node that threads of a process do not take: how many threads V8 has for itself? */
export const isOfProcess = (word: string): boolean => word.startsWith('--v8-pool-size=');

/** Options that another process of ours is started with, so that V8 has no more threads there than here. */
export const ownOptions = (): string[] => process.execArgv.filter(isOfProcess);

export type HandledSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGCONT';

/** Call `handler` for each signal that arrives. Returns a function that gives the signals back to the system. */
export function onSignals(signals: readonly HandledSignal[], handler: (signal: HandledSignal) => void): () => void {
  const handlers = signals.map((signal) => {
    const handle = (): void => handler(signal);
    process.on(signal, handle);
    return { signal, handle };
  });
  return () => {
    for (const { signal, handle } of handlers) process.off(signal, handle);
  };
}

/** Logical processors this process may use. */
export function hostProcessors(): number {
  return availableParallelism();
}

/** Memory of the host in bytes. */
export function hostMemoryBytes(): number {
  return totalmem();
}

/** Versions of what runs this program, and of the system, for people. */
export function hostVersions(): string {
  return `Node ${process.versions.node}, V8 ${process.versions.v8}, ${process.platform} ${release()} ${process.arch}`;
}

/** Largest memory, in bytes, that this host's engine gives one machine to share among its threads. Reserved for a moment to find out. */
export function sharedMemoryLimit(): number {
  for (const pages of [65536, 49152, 32768, 16384, 8192]) {
    try {
      // Address space only: no page is touched.
      new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
      return pages * 65536;
    } catch {
      // Try less.
    }
  }
  return 0;
}

/** When a process started, in the host's own words, to tell it from a later one with its number; empty where the host does not say. `undefined`: no such process. */
export function processStart(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
  }
  try {
    // proc(5): the 22nd field of stat; the second is a name in brackets that may contain blanks.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended: it only waits for its parent.
    return fields[0] === 'Z' ? undefined : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** Resolves when the event loop of this thread has looked at everything else. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
