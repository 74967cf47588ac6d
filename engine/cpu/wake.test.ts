/** When interrupts are taken: one ends HLT and MWAIT in every mode, also where generated code delivers it, and none comes right after STI. */
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

const waiting = everyTier.filter(([name]) => name !== 'oracle');

it.each(waiting)('what waits for STI comes one instruction after it on %s', (_, tier) => {
  for (const [next, length] of [
    ['mov ebx, 1', 5],
    ['nop', 1],
    ['mov [rsi], ebx', 2],
    ['hlt', 1],
  ] as const) {
    const stage = new Stage(tier, 'long');
    stage.cpu.machine.dma.write(Number(HANDLER), Uint8Array.of(0xf4));
    stage.cpu.interrupt(0x41);
    stage.run(`mov eax, 1\nsti\n${next}\nmov ecx, 1\nhlt`, { rsi: AT.data }, { steps: 4, together: true });
    const stack = Number(stage.s.gpr[4]);
    expect([stage.s.rip, stage.s.gpr[0], stage.s.gpr[1]], next).toEqual([HANDLER + 1n, 1n, 0n]);
    expect(stage.read(stack, 64), next).toBe(BigInt(AT.code + 6 + length));
  }
});

it.each(waiting)('where nothing waits, STI is over at once on %s', (_, tier) => {
  const stage = new Stage(tier, 'long');
  stage.run('sti\nmov ebx, 1\nadd ebx, 1\ncli\nhlt', {}, { steps: 4, together: true });
  expect([stage.s.gpr[3], stage.s.sysFlags & 0x200, stage.s.rip]).toEqual([2n, 0, BigInt(AT.code + 10)]);
});
