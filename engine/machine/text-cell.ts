/** A piece of text that one thread leaves for another in the machine's memory. A writer who does not wait for its reader replaces it. */
import { assert } from '../base/index.ts';
import type { MachineMemory } from '../memory/index.ts';

/** Words before the text: how often it was written, odd while it is; serial number of what was taken last; serial number; length. */
const VERSION = 0;
const TAKEN = 1;
const SERIAL = 2;
const LENGTH = 3;
const HEAD_BYTES = 16;

export class TextCell {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #at: number;
  readonly #most: number;

  /** Every thread takes it from the arena at the same point. `most`: bytes of the longest text. */
  constructor({ arena, i32, views }: MachineMemory, name: string, most: number) {
    this.#words = i32;
    this.#most = most;
    const at = arena.take(name, HEAD_BYTES + most, 64);
    this.#at = at >>> 2;
    this.#bytes = views.u8.subarray(at + HEAD_BYTES, at + HEAD_BYTES + most);
  }

  /** `serial` is positive and differs from the one before. */
  put(serial: number, text: string): void {
    const bytes = new TextEncoder().encode(text);
    assert(bytes.length <= this.#most, `a text of ${bytes.length} bytes fits ${this.#most}`);
    Atomics.add(this.#words, this.#at + VERSION, 1);
    this.#bytes.set(bytes);
    Atomics.store(this.#words, this.#at + LENGTH, bytes.length);
    Atomics.store(this.#words, this.#at + SERIAL, serial);
    Atomics.add(this.#words, this.#at + VERSION, 1);
  }

  /** Of what was put last; 0: nothing yet. */
  get serial(): number {
    return Atomics.load(this.#words, this.#at + SERIAL);
  }

  /** There is something that nobody has taken. */
  get filled(): boolean {
    return this.serial !== Atomics.load(this.#words, this.#at + TAKEN);
  }

  /** What was put since the last call, once. */
  take(): { readonly serial: number; readonly text: string } | undefined {
    if (!this.filled) return undefined;
    const read = this.read();
    if (read !== undefined) Atomics.store(this.#words, this.#at + TAKEN, read.serial);
    return read;
  }

  /** What was put last, however often; undefined while it is being written. */
  read(): { readonly serial: number; readonly text: string } | undefined {
    const version = Atomics.load(this.#words, this.#at + VERSION);
    if ((version & 1) !== 0) return undefined;
    const { serial } = this;
    const bytes = this.#bytes.slice(0, Math.min(this.#most, Atomics.load(this.#words, this.#at + LENGTH) >>> 0));
    if (Atomics.load(this.#words, this.#at + VERSION) !== version) return undefined;
    return { serial, text: new TextDecoder().decode(bytes) };
  }
}
