/** What the guest's speaker plays, for those who listen. */
export class Speaker {
  readonly #listeners = new Set<(hertz: number) => void>();
  #hertz = 0;

  /** From now on; 0: nothing. */
  play(hertz: number): void {
    this.#hertz = hertz;
    for (const listener of this.#listeners) listener(hertz);
  }

  /** Hears the present tone at once, and each change until the function it returns is called. */
  listen(listener: (hertz: number) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#hertz);
    return () => void this.#listeners.delete(listener);
  }
}
