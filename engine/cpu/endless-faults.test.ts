/** A handler that faults before its first instruction: delivery follows delivery until the stack has taken everything. */
import { expect, it } from 'vitest';
import { AT, SEL, Stage } from './testing/stage.ts';
import { tiers } from './testing/tiers.ts';

const FRAME_BYTES = 12;
/** Code at 64 MiB, where the test machine has nothing. */
const NOWHERE = 4n << 56n;

it.each(tiers.filter(({ name }) => name !== 'oracle'))('comes back from run() on the $name, and goes on where it was', (tier) => {
  const stage = new Stage(tier, 'code32');
  const { cpu, s } = stage;
  stage.write(AT.gdt + SEL.code0_32, stage.read(AT.gdt + SEL.code0_32, 64) | NOWHERE);
  const top = 0x180000;
  stage.run('ud2', { rsp: top });
  const frames = (): number => (top - Number(s.gpr[4])) / FRAME_BYTES;
  const first = frames();
  expect([first > 100, first < 5000]).toEqual([true, true]);
  expect(cpu.run(1_000_000)).toEqual({ reason: 'request', retired: 0 });
  expect([frames() > first, frames() < 2 * first + 2]).toEqual([true, true]);
  // Frame by frame the same place: the first byte of the handler of #UD.
  expect(stage.read(Number(s.gpr[4]), 32)).toBe(BigInt(AT.handlers + 6 * 16));
});
