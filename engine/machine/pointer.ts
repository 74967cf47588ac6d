/** The pointer of whoever sits before the screen: positions where the guest takes them, moves of a mouse where not. On the I/O thread. */
import { EngineError } from '../base/index.ts';
import type { BoardKeyboard } from '../board/keyboard.ts';

export interface PointerAction {
  /** In dots of the screen's picture: to a place, or further right and down. */
  readonly move?: { readonly kind: 'to' | 'by'; readonly x: number; readonly y: number } | undefined;
  /** Notches, towards the person positive. */
  readonly wheel: number;
  /** Held from now on: bit 0 left, 1 right, 2 middle; absent: as before. */
  readonly buttons?: number | undefined;
}

/** The board's pointer; every function takes the machine lock itself. */
export type FedPointer = Pick<BoardKeyboard, 'move' | 'point' | 'takesPositions'>;

interface PointerParts {
  readonly pointer: FedPointer;
  /** Name of the machine. */
  readonly name: string;
  /** Size of the screen's picture. */
  size(): { readonly width: number; readonly height: number };
}

const WHOLE = 0xffff;

/** Carries out actions. Fails with `pointer-relative` and `pointer-unheard`; then nothing happened. */
export function createPointer({ pointer, name, size }: PointerParts): (action: PointerAction) => { readonly positions: boolean } {
  let place = { x: 0, y: 0 };
  let held = 0;
  return ({ move, wheel, buttons = held }) => {
    const positions = pointer.takesPositions();
    if (!positions) {
      if (move?.kind === 'to') throw new EngineError('pointer-relative', { name });
      if (!pointer.move({ x: move?.x ?? 0, y: -(move?.y ?? 0), wheel, buttons }))
        throw new EngineError('pointer-unheard', { name });
      held = buttons;
      return { positions };
    }
    const { width, height } = size();
    const inside = (at: number, dots: number) => Math.min(dots - 1, Math.max(0, at));
    const from = move?.kind === 'by' ? place : { x: 0, y: 0 };
    if (move) place = { x: inside(from.x + move.x, width), y: inside(from.y + move.y, height) };
    const part = (at: number, dots: number) => (at / Math.max(1, dots - 1)) * WHOLE;
    pointer.point({ x: part(place.x, width), y: part(place.y, height), wheel, buttons });
    held = buttons;
    return { positions };
  };
}
