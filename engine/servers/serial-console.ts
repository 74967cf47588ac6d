/** The guest's serial output as consoles see it: what it wrote last is kept, and everybody who listens gets what follows. */

/** Bytes kept for those who come later. */
const HISTORY = 256 * 1024;

export class SerialConsole {
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();
  #kept: Uint8Array[] = [];
  #length = 0;

  feed(bytes: Uint8Array): void {
    this.#kept.push(bytes);
    this.#length += bytes.length;
    while (this.#length - (this.#kept[0] as Uint8Array).length >= HISTORY) {
      this.#length -= (this.#kept.shift() as Uint8Array).length;
    }
    for (const listener of this.#listeners) listener(bytes);
  }

  history(): Uint8Array {
    return Buffer.concat(this.#kept).subarray(-HISTORY);
  }

  /** Returns what ends it. */
  listen(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
