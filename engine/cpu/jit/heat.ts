/** Which blocks have earned a region: those entered very often, and those entered often within a short time (decisions 0104, 0105). */
import { BLOCK } from '../regions.ts';

/**
 * Entries after which a block is hot at once where everything is to become a region, and in any case elsewhere. What is gained by a region
 * over the interpreter is 2 ns for each instruction, what it costs all threads together is 4 ms: about what the interpreter has spent by then.
 */
export const HEAT = { on: 100_000, force: 1 } as const;
/** Entries between two looks at a block. */
const STEP = 10_000;
/**
 * A block is hot when one of so many instructions of the last while was an entry of it: the program is in a loop around it, or the kernel is
 * asked for the same again and again, which takes it some thousand instructions each time.
 */
const DENSE = 1000;
/** Of the entries of the block that was hot: that part makes another one warm. */
const WARM = 1 / 50;
const LEAST_WARM = 100;

/** Entries after which a new block is looked at. */
export const FIRST_LOOK = { on: STEP, force: HEAT.force } as const;

/** Times a block has been entered, or more where it was hot before. */
export function entriesOf(u32: Uint32Array, block: number): number {
  return (u32[(block + BLOCK.entries) >>> 2] as number) + ((STEP - (u32[(block + BLOCK.heat) >>> 2] as number)) >>> 0);
}

/** A block is looked at: is it hot? Otherwise it is looked at later on. `retired`: instructions so far, modulo 2^32. */
export function isHot(u32: Uint32Array, block: number, retired: number): boolean {
  const [since, entries] = [(block + BLOCK.since) >>> 2, (block + BLOCK.entries) >>> 2];
  const before = u32[since] as number;
  const sum = (u32[entries] as number) + STEP;
  u32[since] = retired;
  u32[entries] = sum;
  if (sum >= HEAT.on || (retired - before) >>> 0 < STEP * DENSE) return true;
  u32[(block + BLOCK.heat) >>> 2] = STEP;
  return false;
}

/** It is hot whenever it is looked at next, after so many entries. */
export function lookAgain(u32: Uint32Array, block: number, after: number): void {
  u32[(block + BLOCK.heat) >>> 2] = after;
  u32[(block + BLOCK.entries) >>> 2] = HEAT.on;
}

/** Entries that make a block warm beside this hot one: it is taken into the region. */
export const warmBeside = (u32: Uint32Array, block: number): number =>
  Math.max(LEAST_WARM, Math.floor((u32[(block + BLOCK.entries) >>> 2] as number) * WARM));
