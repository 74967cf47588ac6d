/** Keyboard and mouse as whoever sits before the screen has them. */
import { KEYS } from '../devices/i8042/keys.ts';
import type { Move } from '../devices/i8042/mouse.ts';
import type { Point } from '../devices/vmmouse/device.ts';

export type { Move, Point };

/** Every key of the keyboard, by the codes of W3C UI Events. */
export const keyNames: readonly string[] = KEYS.map(({ name }) => name);

export type { Move as PointerMove } from '../devices/i8042/mouse.ts';

export interface BoardKeyboard {
  /** A key by its name. False when it was dropped: the keyboard is full, or told not to scan. */
  key(name: string, down: boolean): boolean;
  /** The guest has read all that the keyboard has sent. */
  keysRead(): boolean;
  /** The mouse moves. False when nobody listens. */
  move(move: Move): boolean;
  /** The guest takes positions. */
  takesPositions(): boolean;
  /** The pointer is at a place. False when the guest takes no positions. */
  point(at: Point): boolean;
}
