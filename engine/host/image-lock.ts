/**
 * Who uses an image: one may write, or any number may read. Node has no file locks, so each user leaves a file in the runtime directory
 * that names the image (by device and inode) and its process; those of processes that are gone count for nothing. QEMU's locks, where
 * the host shows them, are kept as well. Users of other accounts and other hosts are not seen.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, type Stats, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../base/errors.ts';
import { processStart } from './process.ts';
import { ensureRuntimeDirectory } from './runtime-directory.ts';

export interface LockRequest {
  readonly path: string;
  readonly stat: Stats;
  readonly how: 'read' | 'write';
  /** Shown to those who find it locked. */
  readonly owner: string;
}

interface Holder {
  readonly pid: number;
  readonly start: string;
  readonly owner: string;
  readonly how: 'read' | 'write';
}

let taken = 0;

/** Fails with `image-locked`. Returns what gives the lock back. */
export function lockImage({ path, stat, how, owner }: LockRequest): () => void {
  const folder = join(ensureRuntimeDirectory(), 'images');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const image = `${stat.dev}-${stat.ino}.`;
  const name = `${image}${process.pid}-${taken++}`;
  const mine: Holder = { pid: process.pid, start: processStart(process.pid) ?? '', owner, how };
  const release = () => rmSync(join(folder, name), { force: true });
  // Said before looking: of two that come at once both see each other, and at most one goes on.
  writeFileSync(join(folder, name), JSON.stringify(mine), { mode: 0o600 });
  for (const other of readdirSync(folder)) {
    if (!other.startsWith(image) || other === name) continue;
    const holder = readHolder(join(folder, other));
    if (holder === undefined || !isAlive(holder)) rmSync(join(folder, other), { force: true });
    else if (how === 'write' || holder.how === 'write') {
      release();
      throw new EngineError('image-locked', { path, holder: `${holder.owner} (process ${holder.pid})` });
    }
  }
  if (foreignLock(stat, how)) {
    release();
    throw new EngineError('image-locked', { path, holder: 'another program, such as QEMU' });
  }
  return release;
}

function readHolder(file: string): Holder | undefined {
  try {
    const read = JSON.parse(readFileSync(file, 'utf8')) as Partial<Holder>;
    const known = typeof read.pid === 'number' && typeof read.start === 'string' && typeof read.owner === 'string';
    return known && (read.how === 'read' || read.how === 'write') ? (read as Holder) : undefined;
  } catch {
    return undefined;
  }
}

function isAlive({ pid, start }: Holder): boolean {
  const now = processStart(pid);
  if (now !== undefined) return now === start;
  try {
    process.kill(pid, 0);
    return start === '';
  } catch {
    return false;
  }
}

/** QEMU's locks are single bytes: 100 and on say what is done with an image, 101 that it is written. */
const WRITING = 101;

function foreignLock({ dev, ino }: Stats, how: 'read' | 'write'): boolean {
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  const device = `${hex((dev >>> 8) & 0xfff)}:${hex((dev & 0xff) | ((dev >>> 12) & 0xfff00))}:${ino}`;
  let text: string;
  try {
    text = readFileSync('/proc/locks', 'utf8');
  } catch {
    return false;
  }
  return text.split('\n').some((line) => {
    const words = line.trim().split(/\s+/);
    if (words[1] !== 'OFDLCK' || words[5] !== device) return false;
    const [first, last] = [Number(words[6]), words[7] === 'EOF' ? Number.POSITIVE_INFINITY : Number(words[7])];
    return how === 'write' || (first <= WRITING && WRITING <= last);
  });
}
