/** A storage in memory, for tests: sparse by pages, and failing when told. */
import { EngineError } from '../../base/index.ts';
import type { Storage } from '../storage.ts';

export interface MemoryStorage extends Storage {
  readonly flushes: number;
  /** Bytes it may grow to; beyond, writes fail as on a full disk. */
  limit: number;
  /** Reads and writes that touch this byte fail. */
  bad: number | undefined;
  content(): Uint8Array;
}

export function memoryStorage(content: Uint8Array | number, { path = 'memory', readonly = false } = {}): MemoryStorage {
  let room = typeof content === 'number' ? new Uint8Array(content) : content.slice();
  let bytes = room;
  let flushes = 0;
  const check = (at: number, count: number, self: MemoryStorage) => {
    if (self.bad !== undefined && at <= self.bad && self.bad < at + count)
      throw new EngineError('image-io', { path, reason: 'EIO' });
  };
  const storage: MemoryStorage = {
    path,
    readonly,
    limit: Number.POSITIVE_INFINITY,
    bad: undefined,
    get flushes() {
      return flushes;
    },
    content: () => bytes,
    size: () => bytes.length,
    read: (at, into) => {
      let from = at;
      for (const part of into) {
        check(from, part.length, storage);
        part.fill(0);
        if (from < bytes.length) part.set(bytes.subarray(from, from + part.length));
        from += part.length;
      }
    },
    write: (at, from) => {
      let to = at;
      for (const part of from) {
        check(to, part.length, storage);
        if (to + part.length > storage.limit) throw new EngineError('disk-full', { path });
        if (to + part.length > bytes.length) storage.resize(to + part.length);
        bytes.set(part, to);
        to += part.length;
      }
    },
    flush: () => void flushes++,
    resize: (size) => {
      if (size < bytes.length) room.fill(0, size);
      if (size > room.length) {
        const larger = new Uint8Array(Math.max(size, 2 * room.length));
        larger.set(bytes);
        room = larger;
      }
      bytes = room.subarray(0, size);
    },
    punch: (at, count) => {
      bytes.fill(0, at, Math.min(bytes.length, at + count));
      return true;
    },
    allocated: () => bytes.length,
    close: () => undefined,
  };
  return storage;
}
