/** An interrupt ends HLT and MWAIT in every mode: also where generated code delivers it. */
import { expect, it } from 'vitest';
import { AT, everyTier, Stage } from './testing/stage.ts';

const HANDLER = BigInt(AT.handlers + 0x41 * 16);

it.each(
  everyTier
    .filter(([name]) => name !== 'oracle')
    .flatMap(([name, tier]) => (['code32', 'long'] as const).map((mode) => ({ name, tier, mode }))),
)('HLT in $mode on $name', ({ tier, mode }) => {
  const stage = new Stage(tier, mode);
  stage.run('sti\nhlt', {}, { steps: 2 });
  expect(stage.s.activity).toBe(1);
  stage.cpu.machine.dma.write(Number(HANDLER), Uint8Array.of(0x90, 0xf4));
  stage.cpu.interrupt(0x41);
  expect(stage.cpu.run(1).retired).toBe(1);
  expect([stage.s.activity, stage.s.rip]).toEqual([0, HANDLER + 1n]);
});
