/** Which blocks have earned a region: those entered very often, and those entered often within a short time (decisions 0104, 0105, 0114). */
import { BLOCK } from '../regions.ts';

/**
 * Entries after which a block is hot at once where everything is to become a region, and in any case elsewhere. What is gained by a region
 * over the interpreter is 2 ns for each instruction, what it cost all threads together when this was measured is 4 ms (decision 0104;
 * a fifth less since 0124): about what the interpreter has spent by then.
 */
export const HEAT = { on: 100_000, force: 1 } as const;
/** Entries between two looks at a block. */
const STEP = 2500;
/**
 * A block is hot when so many entries came one in so many instructions: the program is in a loop around it, or is asked for the same again
 * and again, which takes a kernel some thousand instructions each time. A kernel that starts does what it does for a while only.
 */
const STARTING = { entries: 10_000, instructions: 1000 } as const;
const SERVING = { entries: 5000, instructions: 16_000 } as const;
/** In place of entries until the last look: it is hot at the next one. */
const AT_NEXT_LOOK = 0xffffffff;
/** Of the entries of the block that was hot: that part makes another one warm. */
const WARM = 1 / 50;
const LEAST_WARM = 100;

/**
 * Entries into a region after which it is made with code of other pages, when that is asked once more, and how often that may be.
 * The compiler takes as long as tens of thousands of entries do.
 */
export const CHAINS = { on: 500_000, force: 2 } as const;
export const CHAINS_AGAIN = { on: 5_000_000, force: 20 } as const;
export const MOST_FAR = 3;
/** Entries after which a region is asked for once more where the first instruction lies on two pages. */
export const CROSSING_AGAIN = 1_000_000;
/** Entries for which the one without code of other pages runs when the address space has not all of these pages, or not yet. */
export const ELSEWHERE = { on: 2000, force: 3 } as const;

/** Entries after which a new block is looked at. */
export const FIRST_LOOK = { on: STEP, force: HEAT.force } as const;

/** Times a block has been entered, or more where it was hot before. */
export function entriesOf(u32: Uint32Array, block: number): number {
  return (u32[(block + BLOCK.entries) >>> 2] as number) + ((STEP - (u32[(block + BLOCK.heat) >>> 2] as number)) >>> 0);
}

/** `retired`: instructions so far, modulo 2^32; `serving`: programs ask for what is done. */
export interface Look {
  readonly retired: number;
  readonly serving: boolean;
}

/** A block is looked at: is it hot? Otherwise it is looked at later on. */
export function isHot(u32: Uint32Array, block: number, { retired, serving }: Look): boolean {
  const [since, entries, before] = [(block + BLOCK.since) >>> 2, (block + BLOCK.entries) >>> 2, (block + BLOCK.before) >>> 2];
  const sum = (u32[entries] as number) + STEP;
  u32[entries] = sum;
  const lately = sum - (u32[before] as number);
  const least = serving ? SERVING : STARTING;
  const isDense = (retired - (u32[since] as number)) >>> 0 < lately * least.instructions;
  if (sum >= HEAT.on || (u32[before] as number) === AT_NEXT_LOOK || (isDense && lately >= least.entries)) return true;
  if (!isDense) {
    u32[since] = retired;
    u32[before] = sum;
  }
  u32[(block + BLOCK.heat) >>> 2] = STEP;
  return false;
}

/** It is hot whenever it is looked at next, after so many entries. */
export function lookAgain(u32: Uint32Array, block: number, after: number): void {
  u32[(block + BLOCK.heat) >>> 2] = after;
  u32[(block + BLOCK.before) >>> 2] = AT_NEXT_LOOK;
}

/** Entries that make a block warm beside this hot one: it is taken into the region. */
export const warmBeside = (u32: Uint32Array, block: number): number =>
  Math.max(LEAST_WARM, Math.floor((u32[(block + BLOCK.entries) >>> 2] as number) * WARM));
