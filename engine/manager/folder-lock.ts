/**
 * The lock of a machine folder: held by the engine process that runs the machine, so that two managers, or a manager and a command line,
 * never run one machine twice nor change it while it runs. A file that names its holder; what a killed process left is taken over.
 */
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import { codeOf, reasonOf } from '../host/files.ts';
import { processStart } from '../host/process.ts';

const FILE = 'lock';
/** Held by who starts the machine, until the process that runs it has the lock itself. */
const START = 'lock.start';

/** Whether a path is that of a lock: it belongs to a process, not to the machine. */
export const isLock = (path: string): boolean =>
  /[/\\]lock(\.start)?(\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.old)?)?$/.test(path);

interface Holder {
  readonly pid: number;
  /** When that process started, as the host tells it; a pid alone may be another process by now. */
  readonly start: string;
  /** It does not run the machine but copies or packs it. */
  readonly copies?: boolean;
}

const FOR_COPY = { copies: true } as const;

/** The process that runs the machine in this folder; `undefined` when nobody does. */
export function lockHolder(folder: string): number | undefined {
  const holder = readHolder(join(folder, FILE));
  return holder !== undefined && isAlive(holder) && holder.copies !== true ? holder.pid : undefined;
}

export interface LockState {
  readonly pid: number | undefined;
  /** A process that ran the machine ended without giving the lock back: it was killed, or it crashed. */
  readonly crashed: boolean;
  /** The machine is being copied or packed. */
  readonly busy: boolean;
}

export function lockState(folder: string): LockState {
  const holder = readHolder(join(folder, FILE));
  const alive = holder !== undefined && isAlive(holder);
  const copies = holder?.copies === true;
  return {
    pid: alive && !copies ? holder.pid : undefined,
    crashed: holder !== undefined && !alive && !copies,
    busy: alive && copies,
  };
}

/**
 * Take the lock for this process. Fails with `machine-locked` while a live process holds it, with `machine-busy` while one copies the
 * machine. Returns what gives it back, told where the folder is by then: the lock moves with it.
 */
export function lockFolder(folder: string, name: string, purpose?: 'copy'): (folderNow: string) => void {
  const mine = lockPath(join(folder, FILE), { name, copies: purpose === 'copy' });
  return (folderNow) => {
    const holder = readHolder(join(folderNow, FILE));
    if (holder?.pid === mine.pid && holder.start === mine.start) rmSync(join(folderNow, FILE), { force: true });
  };
}

function lockPath(path: string, { name, copies }: { readonly name: string; readonly copies: boolean }): Holder {
  const own = `${path}.${randomUUID()}`;
  const mine: Holder = { pid: process.pid, start: processStart(process.pid) ?? '', ...(copies && FOR_COPY) };
  try {
    writeFileSync(own, JSON.stringify(mine), { mode: 0o644, flag: 'wx' });
  } catch (cause) {
    // Somebody else moved or removed the machine since it was looked for.
    if (codeOf(cause) === 'ENOENT') throw new EngineError('machine-unknown', { name }, { cause });
    throw new EngineError('file-unwritable', { what: 'lock file', path, reason: reasonOf(cause) }, { cause });
  }
  try {
    take(own, { path, name });
  } finally {
    rmSync(own, { force: true });
  }
  return mine;
}

/** How often who came second looks again before giving up. */
const PATIENCE = 1000;

/**
 * Do `act` while nobody else starts the machine in this folder; whoever came second waits. Fails with `file-unwritable`, with
 * `machine-locked` when the other one never ends, and as `act` does.
 */
export async function whileStarting<T>(
  { folder, name }: { readonly folder: string; readonly name: string },
  wait: () => Promise<void>,
  act: () => Promise<T>,
): Promise<T> {
  const path = join(folder, START);
  let own = false;
  for (let waits = 0; !own; waits++) {
    try {
      lockPath(path, { name, copies: false });
      own = true;
    } catch (failure) {
      if (!(failure instanceof EngineError) || failure.code !== 'machine-locked' || waits >= PATIENCE) throw failure;
      await wait();
    }
  }
  try {
    return await act();
  } finally {
    rmSync(path, { force: true });
  }
}

/** Linking fails when the name is taken: of two processes exactly one gets it. */
function take(own: string, { path, name }: { path: string; name: string }): void {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      linkSync(own, path);
      return;
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') throw new EngineError('machine-unknown', { name }, { cause });
      if (codeOf(cause) !== 'EEXIST') {
        throw new EngineError('file-unwritable', { what: 'lock file', path, reason: reasonOf(cause) }, { cause });
      }
    }
    const holder = readHolder(path);
    if (holder !== undefined && isAlive(holder)) {
      throw holder.copies
        ? new EngineError('machine-busy', { name })
        : new EngineError('machine-locked', { name, pid: holder.pid });
    }
    removeStale(path, `${own}.old`);
  }
  throw new EngineError('machine-locked', { name, pid: readHolder(path)?.pid ?? 0 });
}

/** By rename, and put back when it turns out that somebody took the lock since it was read. */
function removeStale(path: string, old: string): void {
  try {
    renameSync(path, old);
  } catch {
    return; // somebody else did
  }
  const moved = readHolder(old);
  if (moved !== undefined && isAlive(moved)) renameSync(old, path);
  else rmSync(old, { force: true });
}

function readHolder(path: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    const { pid, start, copies } = (value ?? {}) as Partial<Holder>;
    if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0 || typeof start !== 'string') return undefined;
    return { pid, start, ...(copies === true && FOR_COPY) };
  } catch {
    return undefined;
  }
}

function isAlive({ pid, start }: Holder): boolean {
  const now = processStart(pid);
  return now !== undefined && (start === '' || now === '' || now === start);
}
