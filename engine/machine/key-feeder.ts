/** Strokes of keys on their way to the guest: one after the other, each when the guest has read the one before. On the I/O thread. */
import { EngineError } from '../base/index.ts';
import type { PointerMove } from '../board/keyboard.ts';
import type { MachineMemory } from '../memory/index.ts';
import type { KeyStroke } from './keymap.ts';

/** The board's keyboard; every function takes the machine lock itself. */
export interface FedKeyboard {
  key(name: string, down: boolean): boolean;
  keysRead(): boolean;
  /** False when nobody listens to the mouse. */
  move(move: PointerMove): boolean;
}

/** Shared by all threads: whoever sees the guest read the last key tells the feeder. */
export interface KeyReaderWord {
  /** On any thread, when the guest has read all keys. */
  hasRead(): void;
  /** Resolves after the guest has read keys, or after so many milliseconds. */
  read(milliseconds: number): Promise<void>;
  /** Resolves after so many milliseconds. */
  pause(milliseconds: number): Promise<void>;
}

/** Every thread takes the word at the same point. */
export function takeKeyReader({ arena, i32 }: MachineMemory): KeyReaderWord {
  const words = i32 as Int32Array<SharedArrayBuffer>;
  const at = arena.take('key-reader', 8, 64) >>> 2;
  const wait = async (index: number, milliseconds: number): Promise<void> => {
    const waited = Atomics.waitAsync(words, index, Atomics.load(words, index), milliseconds);
    if (waited.async) await waited.value;
  };
  return {
    hasRead: () => {
      Atomics.add(words, at, 1);
      Atomics.notify(words, at);
    },
    read: (milliseconds) => wait(at, milliseconds),
    pause: (milliseconds) => wait(at + 1, milliseconds), // nobody notifies this one
  };
}

/** Most strokes that wait: a page of text. */
const MOST_STROKES = 50_000;
/** Between two strokes, in milliseconds: a guest that reads at once still needs to look at the key. */
const PACE = 4;
/** How long to wait for the guest before looking again, in milliseconds; nothing depends on it. */
const LOOK = 100;
/** How long a keyboard may refuse keys, told not to scan, before what waits is dropped, in looks. */
const REFUSALS = 50;

export class KeyFeeder {
  readonly #keyboard: FedKeyboard;
  readonly #reader: KeyReaderWord;
  #waiting: KeyStroke[] = [];
  #feeding = false;

  constructor(keyboard: FedKeyboard, reader: KeyReaderWord) {
    this.#keyboard = keyboard;
    this.#reader = reader;
  }

  /** Fails with `keys-waiting` when the guest is too far behind; nothing is queued then. */
  push(strokes: readonly KeyStroke[]): void {
    const waiting = this.#waiting.length;
    if (waiting > 0 && waiting + strokes.length > MOST_STROKES) throw new EngineError('keys-waiting', { waiting });
    this.#waiting.push(...strokes);
    if (!this.#feeding) void this.#feed();
  }

  /** Nothing that waits is sent any more: the machine begins again or ends. */
  clear(): void {
    this.#waiting = [];
  }

  async #feed(): Promise<void> {
    this.#feeding = true;
    let refused = 0;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!this.#keyboard.keysRead()) {
        await this.#reader.read(LOOK);
        continue;
      }
      if (this.#keyboard.key(next.key, next.down)) {
        refused = 0;
        if (this.#waiting[0] === next) this.#waiting.shift();
        await this.#reader.pause(PACE);
      } else if (++refused > REFUSALS) this.clear();
      else await this.#reader.read(LOOK);
    }
    this.#feeding = false;
  }
}
