/**
 * The host key: alone it gives keyboard and mouse back, with another key it is a command of this window, and three times in a row it lets
 * go of everything. What it is, a person chooses; the guest never gets it.
 */

export const hostKeys = ['ControlRight', 'AltRight', 'ShiftRight', 'MetaRight', 'ScrollLock', 'Pause'] as const;
export type HostKey = (typeof hostKeys)[number];

/** Three presses within this time let go of everything, in milliseconds. */
const PANIC = 1500;

/** What a key event means. `guest`: it goes there. */
export type Meaning =
  | { readonly kind: 'guest' }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'release' }
  | { readonly kind: 'panic' }
  | { readonly kind: 'command'; readonly code: string };

export class HostKeyReader {
  readonly key: HostKey;
  #held = false;
  #combined = false;
  #presses: number[] = [];

  constructor(key: HostKey) {
    this.key = key;
  }

  get held(): boolean {
    return this.#held;
  }

  down(code: string, repeat: boolean): Meaning {
    if (code === this.key) {
      if (!repeat) this.#combined = false;
      this.#held = true;
      return { kind: 'nothing' };
    }
    if (!this.#held) return { kind: 'guest' };
    this.#combined = true;
    return repeat ? { kind: 'nothing' } : { kind: 'command', code };
  }

  /** `now` in milliseconds. */
  up(code: string, now: number): Meaning {
    if (code !== this.key) return this.#held ? { kind: 'nothing' } : { kind: 'guest' };
    this.#held = false;
    if (this.#combined) return { kind: 'nothing' };
    this.#presses = [...this.#presses.filter((at) => now - at < PANIC), now];
    if (this.#presses.length < 3) return { kind: 'release' };
    this.#presses = [];
    return { kind: 'panic' };
  }

  /** The window lost the keyboard. */
  forget(): void {
    this.#held = false;
  }
}
