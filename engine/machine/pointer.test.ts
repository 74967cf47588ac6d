import { describe, expect, it } from 'vitest';
import type { Move, Point } from '../board/keyboard.ts';
import { createPointer } from './pointer.ts';

function desk({ positions = true, listens = true } = {}) {
  const points: Point[] = [];
  const moves: Move[] = [];
  const act = createPointer({
    name: 'm',
    size: () => ({ width: 101, height: 51 }),
    pointer: {
      takesPositions: () => positions,
      point: (at) => points.push(at) > 0,
      move: (move) => listens && moves.push(move) > 0,
    },
  });
  return { act, points, moves };
}

describe('a guest that takes positions', () => {
  it('gets places of the picture as parts of the whole', () => {
    const { act, points } = desk();
    expect(act({ move: { kind: 'to', x: 100, y: 25 }, wheel: 0 })).toEqual({ positions: true });
    expect(points).toEqual([{ x: 0xffff, y: 0x7fff + 0.5, wheel: 0, buttons: 0 }]);
  });

  it('gets a place for a distance as well, and none outside', () => {
    const { act, points } = desk();
    act({ move: { kind: 'to', x: 50, y: 50 }, wheel: 0 });
    act({ move: { kind: 'by', x: -500, y: 0 }, wheel: 0 });
    expect(points.at(-1)).toEqual({ x: 0, y: 0xffff, wheel: 0, buttons: 0 });
  });

  it('is clicked where the pointer is, and buttons stay held', () => {
    const { act, points } = desk();
    act({ move: { kind: 'to', x: 100, y: 0 }, wheel: 0 });
    act({ wheel: 0, buttons: 1 });
    act({ wheel: 2 });
    expect(points.slice(1)).toEqual([
      { x: 0xffff, y: 0, wheel: 0, buttons: 1 },
      { x: 0xffff, y: 0, wheel: 2, buttons: 1 },
    ]);
  });
});

describe('a guest with a mouse only', () => {
  it('gets moves, upwards positive, and is told no place', () => {
    const { act, moves } = desk({ positions: false });
    expect(act({ move: { kind: 'by', x: 3, y: 4 }, wheel: -1, buttons: 2 })).toEqual({ positions: false });
    expect(moves).toEqual([{ x: 3, y: -4, wheel: -1, buttons: 2 }]);
    expect(() => act({ move: { kind: 'to', x: 3, y: 4 }, wheel: 0 })).toThrow(/pointer m by/);
  });

  it('that nobody reads is an error', () => {
    const { act } = desk({ positions: false, listens: false });
    expect(() => act({ wheel: 0, buttons: 1 })).toThrow(/does not listen/);
  });
});
