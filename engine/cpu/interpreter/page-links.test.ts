/** Direct branches to other pages: their links are taken while everything is as it was, and lead nowhere else afterwards. */
import { expect, it } from 'vitest';
import { CPU_JUMPS, CPU_LINK_EPOCH, JUMP_ENTRIES, JUMP_ENTRY_BYTES } from '../regions.ts';
import {
  CALLS,
  CHANGES,
  CONSTANT,
  callingFar,
  FRAME,
  FUNCTION,
  INSTEAD,
  ONE,
  PRESENT,
  REST,
  TABLE,
} from '../testing/far-function.ts';
import { AT } from '../testing/stage.ts';
import { tiers } from '../testing/tiers.ts';

/** In the page of the program: `jmp FUNCTION`. */
const JUMP = AT.code + 0x800;

function start(tier: (typeof tiers)[number], between: string) {
  const run = callingFar(tier, between, JUMP);
  const jump = Buffer.alloc(5, 0xe9);
  jump.writeInt32LE(FUNCTION - (JUMP + 5), 1);
  run.dma.write(JUMP, jump);
  return run;
}

it.each(CHANGES)('a branch leads to the code that is there after %s', (_, between, sum) => {
  const sums = tiers.map((tier) => start(tier, between).finish());
  expect(sums).toEqual(sums.map(() => sum));
});

it('a branch leads to what was written from outside, a translation that was flushed, blocks that were forgotten', () => {
  const interpreter = tiers.find(({ name }) => name === 'interpreter') as (typeof tiers)[number];
  for (const forget of ['write', 'changed', 'anew'] as const) {
    const { stage, dma, finish } = start(interpreter, 'nop');
    stage.cpu.run(5 * CALLS);
    while (stage.s.gpr[4] !== BigInt(AT.stack)) stage.cpu.run(1);
    const done = stage.s.gpr[0] as bigint;
    expect(done).toBeGreaterThan(10n);
    if (forget === 'write') dma.write(FRAME + CONSTANT, Uint8Array.of(7));
    else {
      stage.write(TABLE, BigInt(INSTEAD) | PRESENT);
      stage.cpu[forget]();
    }
    expect(finish()).toBe(done + (forget === 'write' ? 7n : 100n) * (ONE + REST - done));
  }
});

it('a branch is linked: the jump cache is not asked again in its epoch', () => {
  const interpreter = tiers.find(({ name }) => name === 'interpreter') as (typeof tiers)[number];
  const { stage, finish } = start(interpreter, 'nop');
  stage.cpu.run(5 * CALLS);
  const { u32 } = stage.cpu.machine;
  const { base } = stage.s;
  const epoch = u32[(base + CPU_LINK_EPOCH) >>> 2];
  while (stage.s.gpr[4] !== BigInt(AT.stack)) stage.cpu.run(1);
  // What the cache has of the function is taken out: only a link leads past it.
  const place = (base + CPU_JUMPS + ((FUNCTION ^ (FUNCTION >>> 12)) & (JUMP_ENTRIES - 1)) * JUMP_ENTRY_BYTES) >>> 2;
  expect(u32[place]).toBe(FUNCTION);
  u32.fill(0, place, place + 4);
  finish();
  expect([u32[place], u32[(base + CPU_LINK_EPOCH) >>> 2]]).toEqual([0, epoch]);
});
