/**
 * Where the bytes of an image are: a file of the host, or memory in tests. Synchronous; offsets and lengths in bytes. Node has no call
 * that tells holes of files (SEEK_DATA): whoever copies a disk reads it all and leaves out what is zero.
 */
export interface Storage {
  /** As a person would name it. */
  readonly path: string;
  readonly readonly: boolean;
  /** By which other threads of this process know the file until it is closed; absent: they do not. */
  readonly handle?: number;
  size(): number;
  /** Fills every buffer, in order, from `at` on. What lies beyond the end reads as zeros. Fails with `image-io`. */
  read(at: number, into: readonly Uint8Array[]): void;
  /** Writes every buffer, in order, from `at` on; the storage grows as needed. Fails with `disk-full` or `image-io`. */
  write(at: number, from: readonly Uint8Array[]): void;
  /** What was written is on stable storage when this returns. */
  flush(): void;
  resize(bytes: number): void;
  /** Give the host back what a range occupies; it then reads as zeros. False when this host cannot: nothing has changed then. */
  punch(at: number, bytes: number): boolean;
  /** Bytes that the host has set aside. */
  allocated(): number;
  close(): void;
}

/** `count` bytes of a list of buffers from byte `from` of it on, without copying. */
export function slice(parts: readonly Uint8Array[], from: number, count: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  let skip = from;
  let left = count;
  for (const part of parts) {
    if (left === 0) break;
    if (skip >= part.length) {
      skip -= part.length;
      continue;
    }
    const taken = Math.min(part.length - skip, left);
    found.push(skip === 0 && taken === part.length ? part : part.subarray(skip, skip + taken));
    skip = 0;
    left -= taken;
  }
  return found;
}

function total(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}

export function zeroes(parts: readonly Uint8Array[]): void {
  for (const part of parts) part.fill(0);
}

/** One buffer with the bytes of all. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  const all = new Uint8Array(total(parts));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Whether a buffer has zeros only; eight bytes at a time where it is aligned. */
export function isZero(bytes: Uint8Array): boolean {
  const head = Math.min((8 - (bytes.byteOffset & 7)) & 7, bytes.length);
  for (let i = 0; i < head; i++) if (bytes[i] !== 0) return false;
  const words = (bytes.length - head) >>> 3;
  if (words > 0) {
    const view = new Float64Array(bytes.buffer, bytes.byteOffset + head, words);
    // A negative zero and a NaN are no zeros: their bits differ.
    for (let i = 0; i < words; i++) if (!Object.is(view[i], 0)) return false;
  }
  for (let i = head + words * 8; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
