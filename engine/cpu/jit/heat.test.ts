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

/** Instructions retired when the block is found to be hot, with so many for each entry of it. */
function hotAfter(perEntry: number, start = 0): number {
  const u32 = decoded(start);
  for (let entries = FIRST_LOOK.on; ; entries += FIRST_LOOK.on) {
    u32[(AT + BLOCK.heat) >>> 2] = 0;
    expect(entriesOf(u32, AT)).toBe(entries);
    if (isHot(u32, AT, (start + entries * perEntry) >>> 0)) return entries;
  }
}

describe('a block is hot', () => {
  it('at the first look when it lies in a loop that runs', () => {
    expect(hotAfter(10)).toBe(FIRST_LOOK.on);
    expect(hotAfter(10, 0xffff_f000)).toBe(FIRST_LOOK.on);
  });

  it('after many entries when they come now and then', () => {
    expect(hotAfter(10_000)).toBe(HEAT.on);
  });

  it('when the program comes back to it for longer', () => {
    const u32 = decoded(0);
    expect(isHot(u32, AT, 1_000_000_000)).toBe(false);
    expect(u32[(AT + BLOCK.heat) >>> 2]).toBe(FIRST_LOOK.on);
    expect(isHot(u32, AT, 1_000_100_000)).toBe(true);
  });

  it('at every look that was asked for', () => {
    const u32 = decoded(0);
    lookAgain(u32, AT, 1000);
    expect(u32[(AT + BLOCK.heat) >>> 2]).toBe(1000);
    expect(isHot(u32, AT, 2_000_000_000)).toBe(true);
  });
});

it('what is warm beside a hot block has a part of its entries', () => {
  const u32 = decoded(0);
  expect(isHot(u32, AT, 100)).toBe(true);
  const early = warmBeside(u32, AT);
  lookAgain(u32, AT, 1000);
  expect(early).toBeGreaterThan(0);
  expect(warmBeside(u32, AT)).toBe(HEAT.on / 50);
  expect(early).toBeLessThan(HEAT.on / 50);
});
