import { assert } from './assert.ts';

/** Bytes of memory a ring of `capacity` bytes needs. */
export function ringBytes(capacity: number): number {
  return 16 + capacity;
}

/**
 * One-producer, one-consumer byte ring in shared memory. Block: i32 written, i32 read (both counted modulo 2^32), i32 reserved twice,
 * then `capacity` bytes (a power of two). A consumer may wait for bytes on the first word, a producer for room on the second.
 */
export class ByteRing {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #mask: number;
  readonly #capacity: number;

  constructor(buffer: ArrayBuffer | SharedArrayBuffer, at: number, capacity: number) {
    assert(
      capacity > 0 && (capacity & (capacity - 1)) === 0 && at % 4 === 0,
      'a ring has a power of two as capacity and an aligned place',
    );
    this.#words = new Int32Array(buffer, at, 4);
    this.#bytes = new Uint8Array(buffer, at + 16, capacity);
    this.#mask = capacity - 1;
    this.#capacity = capacity;
  }

  /** Bytes that can be read now; clamped, so that a peer that scribbles over the counters costs data, not safety. */
  get length(): number {
    const used = (Atomics.load(this.#words, 0) - Atomics.load(this.#words, 1)) >>> 0;
    return used > this.#capacity ? this.#capacity : used;
  }

  /** Copies as many of `bytes` as fit, wakes the consumer, returns how many that were. */
  write(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.#capacity - this.length);
    if (count === 0) return 0;
    const written = Atomics.load(this.#words, 0);
    for (let i = 0; i < count; i++) this.#bytes[(written + i) & this.#mask] = bytes[i] as number;
    Atomics.store(this.#words, 0, (written + count) | 0);
    Atomics.notify(this.#words, 0);
    return count;
  }

  /** One byte; false when the ring is full. */
  push(byte: number): boolean {
    if (this.length === this.#capacity) return false;
    const written = Atomics.load(this.#words, 0);
    this.#bytes[written & this.#mask] = byte;
    Atomics.store(this.#words, 0, (written + 1) | 0);
    Atomics.notify(this.#words, 0);
    return true;
  }

  /** Takes up to `limit` bytes and wakes the producer. */
  read(limit: number): Uint8Array {
    const count = Math.min(limit, this.length);
    const from = Atomics.load(this.#words, 1);
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) bytes[i] = this.#bytes[(from + i) & this.#mask] as number;
    if (count > 0) {
      Atomics.store(this.#words, 1, (from + count) | 0);
      Atomics.notify(this.#words, 1);
    }
    return bytes;
  }

  /** Blocks until there is a byte to read or `milliseconds` have passed; true when there is one. Not for the main thread. */
  waitForBytes(milliseconds: number): boolean {
    const written = Atomics.load(this.#words, 0);
    if (this.length > 0) return true;
    Atomics.wait(this.#words, 0, written, milliseconds);
    return this.length > 0;
  }

  /** As `waitForBytes`, for a thread with an event loop. */
  async bytesReady(milliseconds: number): Promise<boolean> {
    const written = Atomics.load(this.#words, 0);
    if (this.length > 0) return true;
    const waited = Atomics.waitAsync(this.#words as Int32Array<SharedArrayBuffer>, 0, written, milliseconds);
    if (waited.async) await waited.value;
    return this.length > 0;
  }

  /** The producer blocks until at least half of the ring is free or `milliseconds` have passed; true when it is. */
  waitForRoom(milliseconds: number): boolean {
    const seen = Atomics.load(this.#words, 1);
    if (this.length <= this.#capacity / 2) return true;
    Atomics.wait(this.#words, 1, seen, milliseconds);
    return this.length <= this.#capacity / 2;
  }

  /** The producer waits for any room, on a thread with an event loop; true when there is some. */
  async roomReady(milliseconds: number): Promise<boolean> {
    const seen = Atomics.load(this.#words, 1);
    if (this.length < this.#capacity) return true;
    const waited = Atomics.waitAsync(this.#words as Int32Array<SharedArrayBuffer>, 1, seen, milliseconds);
    if (waited.async) await waited.value;
    return this.length < this.#capacity;
  }

  /** Ends a wait of the consumer although there is nothing new. */
  wake(): void {
    Atomics.notify(this.#words, 0);
  }
}
