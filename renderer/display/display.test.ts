import { describe, expect, it } from 'vitest';
import { Hands } from './hands.ts';
import { HostKeyReader } from './host-key.ts';
import { place } from './layout.ts';

describe('the place of a picture', () => {
  it.each([
    [{ width: 640, height: 480 }, { width: 1000, height: 1000 }, 'integer', 1, { width: 640, height: 480, exact: true }],
    [{ width: 320, height: 200 }, { width: 1000, height: 1000 }, 'integer', 1, { width: 960, height: 600, exact: true }],
    [{ width: 320, height: 200 }, { width: 1000, height: 1000 }, 'fit', 1, { width: 1000, height: 625, exact: false }],
    [{ width: 500, height: 500 }, { width: 1000, height: 1200 }, 'fit', 1, { width: 1000, height: 1000, exact: true }],
    [{ width: 1024, height: 768 }, { width: 400, height: 300 }, 'integer', 1, { width: 1024, height: 768, exact: true }],
    [{ width: 640, height: 480 }, { width: 1000, height: 1000 }, 'one', 2, { width: 320, height: 240, exact: true }],
    [{ width: 640, height: 480 }, { width: 1000, height: 1000 }, 'integer', 1.5, { width: 853.33, height: 640, exact: true }],
  ] as const)('of %o in %o, %s, at %d', (picture, room, scale, ratio, wanted) => {
    const placed = place(picture, room, { scale, ratio });
    expect(placed.width).toBeCloseTo(wanted.width, 1);
    expect(placed.height).toBeCloseTo(wanted.height, 1);
    expect(placed.exact).toBe(wanted.exact);
    // On whole pixels of the screen, whatever the ratio.
    for (const side of [placed.left, placed.top, placed.width, placed.height])
      expect(side * ratio).toBeCloseTo(Math.round(side * ratio), 6);
  });
});

describe('the host key', () => {
  const press = (keys: HostKeyReader, now: number) => {
    keys.down('ControlRight', false);
    return keys.up('ControlRight', now).kind;
  };

  it('alone gives the keyboard back, three times lets go of everything', () => {
    const keys = new HostKeyReader('ControlRight');
    expect([press(keys, 0), press(keys, 300), press(keys, 600), press(keys, 900)]).toEqual([
      'release',
      'release',
      'panic',
      'release',
    ]);
    expect([press(keys, 5000), press(keys, 7000), press(keys, 9000)]).toEqual(['release', 'release', 'release']);
  });

  it('with another key is a command of the window and never the guest’s', () => {
    const keys = new HostKeyReader('ControlRight');
    expect(keys.down('KeyA', false)).toEqual({ kind: 'guest' });
    expect(keys.up('KeyA', 0)).toEqual({ kind: 'guest' });
    keys.down('ControlRight', false);
    expect(keys.down('KeyF', false)).toEqual({ kind: 'command', code: 'KeyF' });
    expect(keys.down('KeyF', true)).toEqual({ kind: 'nothing' });
    expect(keys.up('KeyF', 0)).toEqual({ kind: 'nothing' });
    expect(keys.up('ControlRight', 0)).toEqual({ kind: 'nothing' });
    expect(keys.down('ControlLeft', false)).toEqual({ kind: 'guest' });
  });
});

describe('hands', () => {
  it('send keys in order, add up moves, and let go of what is held', async () => {
    const sent: unknown[] = [];
    let take: () => void = () => undefined;
    const hands = new Hands((input) => {
      sent.push(input);
      return new Promise<void>((resolve) => {
        take = resolve;
      });
    });
    const turn = async (): Promise<void> => {
      take();
      for (let i = 0; i < 4; i++) await Promise.resolve();
    };
    hands.key('KeyA', true);
    hands.move({ x: 2, y: 1 });
    hands.move({ x: 3, y: -4 });
    hands.move({ buttons: 1 });
    hands.move({ buttons: 0 });
    hands.key('KeyB', false); // was not down
    for (let i = 0; i < 6; i++) await turn();
    expect(sent).toEqual([
      { keys: [{ key: 'KeyA', down: true }] },
      { keys: [], pointer: { x: 5, y: -3, wheel: 0, buttons: 0 } },
      { keys: [], pointer: { x: 0, y: 0, wheel: 0, buttons: 1 } },
      { keys: [], pointer: { x: 0, y: 0, wheel: 0, buttons: 0 } },
    ]);
    hands.release();
    for (let i = 0; i < 3; i++) await turn();
    expect(sent.at(-1)).toEqual({ keys: [{ key: 'KeyA', down: false }] });
  });
});
