/** Bytes to lines, with a bound on what is kept. */

/**
 * Splits a byte stream at line feeds; a carriage return before one is dropped. Decodes UTF-8 per line, so that a character never
 * breaks between two reads. A line above `maximum` bytes is reported by `onOverflow` once, and everything after it is ignored.
 */
export class LineSplitter {
  readonly #maximum: number;
  readonly #onLine: (line: string) => void;
  readonly #onOverflow: (bytes: number) => void;
  #parts: Uint8Array[] = [];
  #length = 0;
  #closed = false;

  constructor(options: { maximum: number; onLine(line: string): void; onOverflow(bytes: number): void }) {
    this.#maximum = options.maximum;
    this.#onLine = options.onLine;
    this.#onOverflow = options.onOverflow;
  }

  push(bytes: Uint8Array): void {
    let from = 0;
    while (!this.#closed) {
      const end = bytes.indexOf(0x0a, from);
      const part = bytes.subarray(from, end < 0 ? bytes.length : end);
      this.#length += part.length;
      if (this.#length > this.#maximum) {
        this.#closed = true;
        this.#parts = [];
        this.#onOverflow(this.#length);
        return;
      }
      if (part.length > 0) this.#parts.push(part.slice());
      if (end < 0) return;
      const line = Buffer.concat(this.#parts).toString('utf8');
      this.#parts = [];
      this.#length = 0;
      from = end + 1;
      this.#onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
    }
  }
}
