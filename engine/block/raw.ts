/** A raw image: the disk's bytes and nothing else. */
import { EngineError } from '../base/index.ts';
import type { DiskImage } from './image.ts';
import { SECTOR } from './image.ts';
import { isZero, joined, type Storage, slice } from './storage.ts';

export interface RawOptions {
  /**
   * The format was guessed: writes that would make the file look like another format are refused, for the next guess would then obey what
   * the guest wrote (name a backing file of the host, say).
   */
  readonly guessed?: boolean;
  readonly readonly?: boolean;
}

const QCOW = [0x51, 0x46, 0x49, 0xfb];

/** The disk's size is the file's, rounded up to a sector: what the file lacks reads as zeros. */
export function openRaw(storage: Storage, options: RawOptions = {}): DiskImage {
  const bytes = Math.ceil(storage.size() / SECTOR) * SECTOR;
  const guard = (at: number, from: readonly Uint8Array[]) => {
    if (options.guessed !== true || at !== 0) return;
    const start = joined(slice(from, 0, 4));
    if (QCOW.every((byte, i) => start[i] === byte)) throw new EngineError('image-disguise', { path: storage.path });
  };
  const { handle } = storage;
  const readonly = storage.readonly || options.readonly === true;
  return {
    format: 'raw',
    bytes,
    readonly,
    ...(handle !== undefined && {
      extentAt: () => ({ at: 0, bytes, handle, offset: 0, writeFrom: readonly ? bytes : options.guessed ? SECTOR : 0 }),
    }),
    read: (at, into) => storage.read(at, into),
    write: (at, from) => {
      guard(at, from);
      storage.write(at, from);
    },
    zero: (at, count) => zeroRaw(storage, at, count),
    discard: (at, count) => void storage.punch(at, count),
    flush: () => storage.flush(),
    close: () => storage.close(),
  };
}

const CHUNK = 1 << 20;

function zeroRaw(storage: Storage, at: number, count: number): void {
  if (storage.punch(at, count)) return;
  const zeros = new Uint8Array(Math.min(count, CHUNK));
  const there = new Uint8Array(zeros.length);
  for (let done = 0; done < count; ) {
    const length = Math.min(zeros.length, count - done);
    // Where zeros are already, a sparse file stays sparse.
    storage.read(at + done, [there.subarray(0, length)]);
    if (!isZero(there.subarray(0, length))) storage.write(at + done, [zeros.subarray(0, length)]);
    done += length;
  }
}
