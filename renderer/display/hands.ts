/** A person's hands on the guest's keyboard and mouse: what was done since the last message goes in the next one. */

interface Input {
  readonly keys: { key: string; down: boolean }[];
  readonly pointer?: { x: number; y: number; wheel: number; buttons: number };
}

/** DOM buttons are left, right, middle, back, forward as well, in the same bits. */
const BUTTONS = 31;
const MOST_COUNTS = 4096;
const clamp = (counts: number): number => Math.max(-MOST_COUNTS, Math.min(MOST_COUNTS, Math.round(counts)));

export class Hands {
  readonly #send: (input: Input) => Promise<unknown>;
  readonly #held = new Set<string>();
  #keys: { key: string; down: boolean }[] = [];
  #pointer: { x: number; y: number; wheel: number; buttons: number } | undefined;
  #buttons = 0;
  #sending = false;

  constructor(send: (input: Input) => Promise<unknown>) {
    this.#send = send;
  }

  key(code: string, down: boolean): void {
    if (down) this.#held.add(code);
    else if (!this.#held.delete(code)) return;
    this.#keys.push({ key: code, down });
    void this.#flush();
  }

  /** Counts of the mouse; `buttons` as the DOM has them. */
  move({ x = 0, y = 0, wheel = 0, buttons = this.#buttons }): void {
    this.#buttons = buttons & BUTTONS;
    const before = this.#pointer;
    // A button that went down and up between two messages must not be lost.
    if (before !== undefined && before.buttons !== this.#buttons && this.#sending) this.#backlog.push(before);
    const base = before === undefined || before.buttons !== this.#buttons ? { x: 0, y: 0, wheel: 0 } : before;
    this.#pointer = { x: base.x + x, y: base.y + y, wheel: base.wheel + wheel, buttons: this.#buttons };
    void this.#flush();
  }

  /** Let go of every key and button. */
  release(): void {
    for (const code of [...this.#held]) this.key(code, false);
    if (this.#buttons !== 0) this.move({ buttons: 0 });
  }

  readonly #backlog: { x: number; y: number; wheel: number; buttons: number }[] = [];

  /** One message at a time: moves add up while the engine takes the last. */
  async #flush(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (this.#keys.length > 0 || this.#pointer !== undefined || this.#backlog.length > 0) {
        const keys = this.#keys.splice(0, 64);
        const moved = this.#backlog.shift() ?? this.#pointer;
        if (moved === this.#pointer) this.#pointer = undefined;
        const pointer = moved && { x: clamp(moved.x), y: clamp(moved.y), wheel: clamp(moved.wheel), buttons: moved.buttons };
        await this.#send({ keys, ...(pointer && { pointer }) });
      }
    } catch {
      this.#keys = [];
      this.#pointer = undefined;
    } finally {
      this.#sending = false;
    }
  }
}
