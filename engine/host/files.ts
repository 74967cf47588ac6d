/** Files named by people. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { EngineError } from '../base/errors.ts';

/** Read a regular file whole. `what` names its role in sentences: "kernel". Devices and pipes are refused: they may never end. */
export function readRegularFile(path: string, what: string): Uint8Array<ArrayBuffer> {
  const file = openForReading(path, what);
  try {
    const { size } = fstatSync(file);
    const bytes = new Uint8Array(size);
    let at = 0;
    while (at < size) {
      const count = readSync(file, bytes, at, Math.min(size - at, 1 << 30), at);
      if (count === 0) break;
      at += count;
    }
    return at === size ? bytes : bytes.slice(0, at);
  } catch (cause) {
    throw new EngineError('file-unreadable', { what, path, reason: reasonOf(cause) }, { cause });
  } finally {
    closeSync(file);
  }
}

/** Check now what `readRegularFile` would refuse, without reading. Returns the size in bytes. */
export function checkRegularFile(path: string, what: string): number {
  const file = openForReading(path, what);
  try {
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}

/** Make `path` as a copy of `from`, unless there is something already. Fails with `file-missing`, `file-unreadable` and `file-unwritable`. */
export function copyIfMissing(from: string, path: string, what: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  const bytes = readRegularFile(from, what);
  try {
    writeFileSync(path, bytes, { flag: 'wx' });
  } catch (cause) {
    throw new EngineError('file-unwritable', { what, path, reason: reasonOf(cause) }, { cause });
  }
}

/** Whether `path` names a regular file, readable or not. */
export function isRegularFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function openForReading(path: string, what: string): number {
  let file: number;
  try {
    // Opening a pipe for reading would wait for a writer; with O_NONBLOCK it returns, and is refused below.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') throw new EngineError('file-missing', { what, path }, { cause });
    throw new EngineError('file-unreadable', { what, path, reason: reasonOf(cause) }, { cause });
  }
  const stat = fstatSync(file);
  if (stat.isFile()) return file;
  closeSync(file);
  throw new EngineError('file-unreadable', {
    what,
    path,
    reason: stat.isDirectory() ? 'it is a folder' : 'it is no regular file',
  });
}

/** The system's name of a failure, `EACCES`; empty when it has none. */
export function codeOf(failure: unknown): string {
  const code = (failure as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

const reasons: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is no folder',
  ENOENT: 'the folder does not exist',
  ELOOP: 'too many links',
  ENAMETOOLONG: 'the name is too long',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
  EIO: 'the disk reports an error',
  ETXTBSY: 'it is being executed',
  EPIPE: 'the pipe is closed',
  EADDRINUSE: 'the address is in use',
  ECONNREFUSED: 'nobody answers there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'there is no such host',
  ETIMEDOUT: 'it took too long',
  ECONNRESET: 'the connection broke off',
};

/** A failure of the host in a few words for a sentence. */
export function reasonOf(failure: unknown): string {
  const code = codeOf(failure);
  return reasons[code] ?? (code !== '' ? code : failure instanceof Error ? failure.message : String(failure));
}
