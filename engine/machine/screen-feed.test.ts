import { describe, expect, it } from 'vitest';
import type { Rectangle, Screen } from '../board/display.ts';
import { unpackScreenRecord } from '../contract/screen-record.ts';
import { ScreenFeed } from './screen-feed.ts';

/** A screen that a test draws on, and a feed whose pauses it ends. */
function made() {
  let changed: Rectangle[] = [];
  let size = { width: 64, height: 32 };
  const screen: Screen = {
    update: () => {
      const update = { picture: { ...size, pixels: new Uint32Array(size.width * size.height) }, changed };
      changed = [];
      return update;
    },
    text: () => undefined,
  };
  const records: ReturnType<typeof unpackScreenRecord>[] = [];
  const pauses: number[] = [];
  let go: () => void = () => undefined;
  let now = 0;
  const feed = new ScreenFeed({
    screen,
    now: () => now,
    pause: (milliseconds) => {
      pauses.push(milliseconds);
      return new Promise((resolve) => {
        go = () => {
          now += milliseconds;
          resolve();
        };
      });
    },
    post: (_stream, record) => records.push(unpackScreenRecord(record as Uint8Array<ArrayBuffer>)),
  });
  const tick = async (): Promise<void> => {
    go();
    await Promise.resolve();
    await Promise.resolve();
  };
  return {
    feed,
    records,
    pauses,
    tick,
    draw: (...rectangles: Rectangle[]) => changed.push(...rectangles),
    resize: (width: number, height: number) => {
      size = { width, height };
      changed = [{ x: 0, y: 0, width, height }];
    },
  };
}

const dot = (x: number, y: number): Rectangle => ({ x, y, width: 2, height: 2 });

describe('the feed of a screen', () => {
  it('begins with everything, then tells what changed, each viewer for itself', async () => {
    const { feed, records, tick, draw } = made();
    feed.open(1);
    expect(records).toMatchObject([{ stream: 1, serial: 1, rectangles: [{ x: 0, y: 0, width: 64, height: 32 }] }]);
    feed.shown(1, 1);
    draw(dot(4, 4), dot(20, 20));
    await tick();
    expect(records[1]).toMatchObject({ serial: 2, rectangles: [dot(4, 4), dot(20, 20)] });
    feed.open(2);
    draw(dot(8, 8));
    feed.shown(1, 2);
    await tick();
    expect(records.slice(2).map(({ stream, rectangles }) => [stream, rectangles])).toEqual([
      [1, [dot(8, 8)]],
      [2, [{ x: 0, y: 0, width: 64, height: 32 }]],
    ]);
  });

  it('sends two records ahead of a slow viewer and no more, and loses no change', async () => {
    const { feed, records, tick, draw } = made();
    feed.open(1);
    for (let i = 0; i < 10; i++) {
      draw(dot(2 * i, 0));
      await tick();
    }
    expect(records).toHaveLength(2);
    feed.shown(1, 99); // was never sent
    await tick();
    expect(records).toHaveLength(2);
    feed.shown(1, 2);
    await tick();
    const { rectangles } = records[2] as (typeof records)[0];
    const covered = (x: number): boolean => rectangles.some((one) => x >= one.x && x < one.x + one.width);
    expect([2, 4, 6, 8, 10, 12, 14, 16, 18].every(covered)).toBe(true);
  });

  it('sends everything after a change of size', async () => {
    const { feed, records, tick, resize } = made();
    feed.open(1);
    feed.shown(1, 1);
    resize(80, 25);
    await tick();
    expect(records[1]).toMatchObject({ width: 80, height: 25, rectangles: [{ x: 0, y: 0, width: 80, height: 25 }] });
  });

  it('looks often while something happens, seldom when nothing does, not at all when nobody looks', async () => {
    const { feed, pauses, tick } = made();
    feed.open(1);
    feed.shown(1, 1);
    for (let i = 0; i < 100; i++) await tick();
    expect(Math.round(pauses[1] as number)).toBe(17);
    expect(pauses.at(-1)).toBe(50);
    feed.lively();
    await tick();
    await tick();
    expect(pauses.at(-1)).toBeLessThan(20);
    feed.close(1);
    await tick();
    const { length } = pauses;
    await tick();
    expect(pauses).toHaveLength(length);
  });
});
