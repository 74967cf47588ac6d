import { describe, expect, it } from 'vitest';
import { BLOCK } from '../regions.ts';
import { entriesOf, FIRST_LOOK, HEAT, isHot, lookAgain, warmBeside } from './heat.ts';

const AT = 64;

/** A block that was just decoded when `retired` instructions had been. */
function decoded(retired: number): Uint32Array {
  const u32 = new Uint32Array(64);
  u32[(AT + BLOCK.heat) >>> 2] = FIRST_LOOK.on;
  u32[(AT + BLOCK.since) >>> 2] = retired;
  return u32;
}

const [STARTING, SERVING] = [false, true];

interface Run {
  /** Instructions for each entry of the block. */
  readonly perEntry: number;
  readonly serving: boolean;
  readonly start?: number;
}

/** Entries when the block is found to be hot. */
function hotAfter({ perEntry, serving, start = 0 }: Run): number {
  const u32 = decoded(start);
  for (let entries = FIRST_LOOK.on; ; entries += FIRST_LOOK.on) {
    u32[(AT + BLOCK.heat) >>> 2] = 0;
    expect(entriesOf(u32, AT)).toBe(entries);
    if (isHot(u32, AT, { retired: (start + entries * perEntry) >>> 0, serving })) return entries;
  }
}

describe('a block is hot', () => {
  it('soon when it lies in a loop that runs', () => {
    expect(hotAfter({ perEntry: 10, serving: STARTING })).toBe(10_000);
    expect(hotAfter({ perEntry: 10, serving: STARTING, start: 0xffff_f000 })).toBe(10_000);
    expect(hotAfter({ perEntry: 10, serving: SERVING })).toBe(5000);
  });

  it('soon on the way of a system call that programs ask for again and again', () => {
    expect(hotAfter({ perEntry: 15_000, serving: SERVING })).toBe(5000);
    expect(hotAfter({ perEntry: 15_000, serving: STARTING })).toBe(HEAT.on);
  });

  it('after many entries when they come now and then', () => {
    expect(hotAfter({ perEntry: 20_000, serving: STARTING })).toBe(HEAT.on);
    expect(hotAfter({ perEntry: 20_000, serving: SERVING })).toBe(HEAT.on);
  });

  it('when the program comes back to it for longer, counted from when it came back', () => {
    const u32 = decoded(0);
    const look = (retired: number): boolean => isHot(u32, AT, { retired, serving: SERVING });
    expect(look(1_000_000_000)).toBe(false);
    expect(u32[(AT + BLOCK.heat) >>> 2]).toBe(FIRST_LOOK.on);
    expect(look(1_000_100_000)).toBe(false);
    expect(look(1_000_200_000)).toBe(true);
  });

  it('at every look that was asked for', () => {
    const u32 = decoded(0);
    lookAgain(u32, AT, 1000);
    expect(u32[(AT + BLOCK.heat) >>> 2]).toBe(1000);
    expect(isHot(u32, AT, { retired: 2_000_000_000, serving: STARTING })).toBe(true);
  });
});

it('what is warm beside a hot block has a part of its entries', () => {
  const u32 = decoded(0);
  const look = (retired: number): boolean => isHot(u32, AT, { retired, serving: SERVING });
  expect([look(100), look(200)]).toEqual([false, true]);
  const early = warmBeside(u32, AT);
  expect(early).toBeGreaterThan(0);
  expect(early).toBeLessThan(HEAT.on / 50);
  // It says nothing of others that this one is looked at again.
  lookAgain(u32, AT, 1000);
  expect(warmBeside(u32, AT)).toBe(early);
  for (let i = 0; i < HEAT.on / 2500; i++) look(300);
  expect(warmBeside(u32, AT)).toBeGreaterThanOrEqual(HEAT.on / 50);
});
