/** The pointer as a place on the guest's screen, for guests whose driver takes places: nothing has to be captured for that. */
import { ref } from 'vue';
import type { InputOf, ResultOf } from '../../engine/contract/command.ts';
import type { machinePointer } from '../../engine/contract/screen-commands.ts';
import type { Placement, Size } from './layout.ts';

type Button = NonNullable<InputOf<typeof machinePointer>['buttons']>[number];
/** By the bits of the DOM. */
const BUTTONS: readonly Button[] = ['left', 'right', 'middle'];

export interface Pointed {
  readonly x: number;
  readonly y: number;
  readonly buttons: number;
  /** Notches, towards the person positive. */
  readonly wheel: number;
}

/** The guest's pixel under a place of the window, counted from the picture's upper left corner; the nearest one outside of it. */
export function pixelAt(
  at: { readonly x: number; readonly y: number },
  shown: Placement,
  picture: Size,
): { x: number; y: number } {
  const dot = (place: number, size: number, dots: number): number =>
    Math.min(dots - 1, Math.max(0, Math.floor((place / size) * dots)));
  return { x: dot(at.x, shown.width, picture.width), y: dot(at.y, shown.height, picture.height) };
}

export class Positions {
  /** The guest takes places. It may begin to at any time: whoever moves asks again. */
  readonly taken = ref(false);
  readonly #send: (action: InputOf<typeof machinePointer>) => Promise<ResultOf<typeof machinePointer>>;
  #waiting: Pointed[] = [];
  #sending = false;

  constructor(send: (action: InputOf<typeof machinePointer>) => Promise<ResultOf<typeof machinePointer>>) {
    this.#send = send;
  }

  async ask(): Promise<void> {
    try {
      this.taken.value = (await this.#send({})).positions;
    } catch {
      this.taken.value = false;
    }
  }

  /** One message at a time: of places on the way the last one counts, of buttons and notches all. */
  point(next: Pointed): void {
    const last = this.#waiting.at(-1);
    const same = last !== undefined && last.buttons === next.buttons;
    if (same) this.#waiting[this.#waiting.length - 1] = { ...next, wheel: last.wheel + next.wheel };
    else this.#waiting.push(next);
    void this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        const { x, y, buttons, wheel } = next;
        const held = BUTTONS.filter((_button, bit) => (buttons & (1 << bit)) !== 0);
        await this.#send({ move: { kind: 'to', x, y }, buttons: [...held], ...(wheel !== 0 && { wheel }) });
      }
    } catch {
      // The guest's driver is gone, or the machine is: moves of a mouse remain.
      this.#waiting = [];
      this.taken.value = false;
    } finally {
      this.#sending = false;
    }
  }
}
