/** A byte queue in shared memory: u32 start, u32 length, then `depth` bytes. Counters are clamped, so damaged memory cannot reach beyond. */
export class Fifo8 {
  readonly depth: number;
  readonly #head: Uint32Array;
  readonly #bytes: Uint8Array;

  constructor(buffer: ArrayBuffer | SharedArrayBuffer, at: number, depth: number) {
    this.depth = depth;
    this.#head = new Uint32Array(buffer, at, 2);
    this.#bytes = new Uint8Array(buffer, at + 8, depth);
  }

  get length(): number {
    return Math.min(this.#head[1] as number, this.depth);
  }

  /** Appends a byte; false when full, and the byte is dropped. */
  push(byte: number): boolean {
    const length = this.length;
    if (length === this.depth) return false;
    this.#bytes[((this.#head[0] as number) + length) % this.depth] = byte;
    this.#head[1] = length + 1;
    return true;
  }

  /** Takes the oldest byte; undefined when empty. */
  shift(): number | undefined {
    const length = this.length;
    if (length === 0) return undefined;
    const start = (this.#head[0] as number) % this.depth;
    this.#head[0] = (start + 1) % this.depth;
    this.#head[1] = length - 1;
    return this.#bytes[start];
  }

  /** The byte at `index` from the oldest; undefined beyond the end. */
  peek(index = 0): number | undefined {
    return index < this.length ? this.#bytes[((this.#head[0] as number) + index) % this.depth] : undefined;
  }

  clear(): void {
    this.#head.fill(0);
  }

  /** A copy of the content, oldest first. */
  toBytes(): Uint8Array {
    return Uint8Array.from({ length: this.length }, (_, i) => this.peek(i) as number);
  }
}
