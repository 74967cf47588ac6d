import { describe, expect, it } from 'vitest';
import { Positions, pixelAt } from './positions.ts';

const shown = { left: 10, top: 0, width: 400, height: 300, exact: false };

describe('a place on the guest’s screen', () => {
  it.each([
    [
      { x: 0, y: 0 },
      { x: 0, y: 0 },
    ],
    [
      { x: 200, y: 150 },
      { x: 400, y: 300 },
    ],
    [
      { x: 399.9, y: 299.9 },
      { x: 799, y: 599 },
    ],
    [
      { x: -5, y: 900 },
      { x: 0, y: 599 },
    ],
  ])('%o is pixel %o', (at, pixel) => {
    expect(pixelAt(at, shown, { width: 800, height: 600 })).toEqual(pixel);
  });

  it('goes as one message at a time, without losing a click or a notch', async () => {
    const sent: unknown[] = [];
    const answers: (() => void)[] = [];
    const positions = new Positions((action) => {
      sent.push(action);
      return new Promise((resolve) => answers.push(() => resolve({ positions: true })));
    });
    const turn = () => new Promise((resolve) => setTimeout(resolve));
    positions.point({ x: 1, y: 1, buttons: 0, wheel: 0 });
    positions.point({ x: 2, y: 2, buttons: 0, wheel: 1 });
    positions.point({ x: 3, y: 3, buttons: 0, wheel: 1 });
    positions.point({ x: 3, y: 3, buttons: 1, wheel: 0 });
    positions.point({ x: 3, y: 3, buttons: 0, wheel: 0 });
    positions.point({ x: 3, y: 3, buttons: 6, wheel: 0 });
    for (let i = 0; i < 5; i++) {
      answers[i]?.();
      await turn();
    }
    const to = (at: number, buttons: string[]) => ({ move: { kind: 'to', x: at, y: at }, buttons });
    expect(sent).toEqual([to(1, []), { ...to(3, []), wheel: 2 }, to(3, ['left']), to(3, []), to(3, ['right', 'middle'])]);
  });

  it('is given up when the guest takes none any more', async () => {
    const positions = new Positions(async ({ move }) => {
      if (move !== undefined) throw new Error('the driver is gone');
      return { positions: true };
    });
    await positions.ask();
    expect(positions.taken.value).toBe(true);
    positions.point({ x: 1, y: 1, buttons: 0, wheel: 0 });
    await new Promise((resolve) => setTimeout(resolve));
    expect(positions.taken.value).toBe(false);
  });
});
