/** The last bytes the guest has sent to its first serial port, kept while a stop waits for a text. Used under the machine lock. */
import type { MachineMemory } from '../memory/index.ts';

/** Longest text in UTF-8, and a power of two. */
const BYTES = 1024;

export class SerialTail {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #at: number;
  /** This thread keeps it. */
  kept = false;

  /** Every thread takes it from the arena at the same point. */
  constructor({ arena, i32, views }: MachineMemory) {
    const at = arena.take('serial-tail', 64 + BYTES, 64);
    this.#words = i32;
    this.#at = at >>> 2;
    this.#bytes = views.u8.subarray(at + 64, at + 64 + BYTES);
  }

  push(byte: number): void {
    const count = this.#words[this.#at] as number;
    this.#bytes[count & (BYTES - 1)] = byte;
    this.#words[this.#at] = (count + 1) | 0;
  }

  endsWith(text: Uint8Array): boolean {
    const count = this.#words[this.#at] as number;
    for (let i = 1; i <= text.length; i++) {
      if (this.#bytes[(count - i) & (BYTES - 1)] !== text[text.length - i]) return false;
    }
    return true;
  }
}
