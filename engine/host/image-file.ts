/** Disk images as files. Everything is synchronous, for threads that may wait for a disk. */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readvSync,
  type Stats,
  writevSync,
} from 'node:fs';
import { EngineError } from '../base/errors.ts';
import { codeOf, reasonOf } from './files.ts';
import { punchHole } from './hole.ts';
import { lockImage } from './image-lock.ts';

/** `block`'s Storage over a file. */
export interface ImageFile {
  readonly path: string;
  readonly readonly: boolean;
  readonly handle: number;
  size(): number;
  read(at: number, into: readonly Uint8Array[]): void;
  write(at: number, from: readonly Uint8Array[]): void;
  flush(): void;
  resize(bytes: number): void;
  punch(at: number, bytes: number): boolean;
  allocated(): number;
  close(): void;
}

/** Most buffers of one system call (IOV_MAX). */
const VECTOR = 1024;

/**
 * Open an image, or make one (`create`: an existing file is emptied). It stays locked for `owner` until it is closed. Fails with
 * `file-missing`, `file-unreadable`, `file-unwritable` and `image-locked`.
 */
export function openImageFile(path: string, how: 'read' | 'write' | 'create', owner: string): ImageFile {
  const flags = { read: constants.O_RDONLY, write: constants.O_RDWR, create: constants.O_RDWR | constants.O_CREAT };
  let fd: number;
  try {
    // A pipe would make its opener wait; it is refused below.
    fd = openSync(path, flags[how] | constants.O_NONBLOCK, 0o666);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' && how !== 'create') throw new EngineError('file-missing', { what: 'image', path }, { cause });
    throw refused(how, path, cause);
  }
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    const reason = stat.isDirectory() ? 'it is a folder' : 'it is no regular file';
    throw new EngineError('file-unreadable', { what: 'image', path, reason });
  }
  let unlock: () => void;
  try {
    unlock = lockImage({ path, stat, how: how === 'read' ? 'read' : 'write', owner });
  } catch (failure) {
    closeSync(fd);
    throw failure;
  }
  const file = imageFile(fd, { path, readonly: how === 'read', unlock });
  if (how === 'create') file.resize(0);
  return file;
}

function refused(how: string, path: string, cause: unknown): EngineError {
  const code = how === 'read' ? 'file-unreadable' : 'file-unwritable';
  return new EngineError(code, { what: 'image', path, reason: reasonOf(cause) }, { cause });
}

interface OpenFile {
  readonly path: string;
  readonly readonly: boolean;
  unlock(): void;
}

function imageFile(fd: number, { path, readonly, unlock }: OpenFile): ImageFile {
  let open = true;
  const fail = (cause: unknown): never => {
    const code = codeOf(cause);
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') throw new EngineError('disk-full', { path }, { cause });
    throw new EngineError('image-io', { path, reason: reasonOf(cause) }, { cause });
  };
  /** One transfer of at most `VECTOR` buffers at a time, until all is done; `call` says how many bytes went. */
  const move = (at: number, parts: readonly Uint8Array[], call: (parts: Uint8Array[], at: number) => number): Uint8Array[] => {
    let left = parts.filter((part) => part.length > 0);
    let position = at;
    while (left.length > 0) {
      const some = left.length > VECTOR ? left.slice(0, VECTOR) : left;
      let count: number;
      try {
        count = call(some as Uint8Array[], position);
      } catch (cause) {
        return fail(cause);
      }
      if (count === 0) return left;
      position += count;
      left = without(left, count);
    }
    return [];
  };
  return {
    path,
    readonly,
    handle: fd,
    size: () => fstatSync(fd).size,
    read: (at, into) => {
      for (const beyond of move(at, into, (parts, position) => readvSync(fd, parts, position))) beyond.fill(0);
    },
    write: (at, from) => {
      if (move(at, from, (parts, position) => writevSync(fd, parts, position)).length > 0) fail({ code: 'ENOSPC' });
    },
    flush: () => {
      try {
        fdatasyncSync(fd);
      } catch (cause) {
        fail(cause);
      }
    },
    resize: (bytes) => {
      try {
        ftruncateSync(fd, bytes);
      } catch (cause) {
        fail(cause);
      }
    },
    punch: (at, bytes) => punchHole(fd, at, bytes),
    allocated: () => blocksOf(fstatSync(fd)),
    close: () => {
      if (!open) return;
      open = false;
      closeSync(fd);
      unlock();
    },
  };
}

/**
 * Files that another thread has open, by their descriptors: `board`'s DirectFiles. One system call each, for what the host has in memory;
 * false when that did not move everything.
 */
export const directFiles = {
  read: (handle: number, at: number, into: readonly Uint8Array[]): boolean => movesAll(into, () => readvSync(handle, into, at)),
  write: (handle: number, at: number, from: readonly Uint8Array[]): boolean => movesAll(from, () => writevSync(handle, from, at)),
};

function movesAll(parts: readonly Uint8Array[], call: () => number): boolean {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  try {
    return parts.length <= VECTOR && call() === bytes;
  } catch {
    return false; // the thread that opened the file finds out why
  }
}

/** What a file system without block counts (Windows) sets aside is the file's size. */
function blocksOf({ blocks, size }: Stats): number {
  return Number.isFinite(blocks) ? blocks * 512 : size;
}

function without(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  let first = 0;
  while (first < parts.length && skip >= (parts[first] as Uint8Array).length) skip -= (parts[first++] as Uint8Array).length;
  const rest = parts.slice(first);
  if (skip > 0 && rest[0]) rest[0] = rest[0].subarray(skip);
  return rest;
}
