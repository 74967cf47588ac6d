/** Data breakpoints inside large operands (SDM vol. 3, 17.2.4): any byte of a save area counts, not only those of its first 256. */
import { describe, expect, it } from 'vitest';
import { AT, everyTier, Stage } from './testing/stage.ts';

const DR7_WRITE_DWORD = 0xd0401n;

describe.each(everyTier)('data breakpoints on %s', (_name, tier) => {
  it.each([
    ['fxsave [rbx]', 0, 1],
    ['fxsave [rbx]', 0x163, 1],
    ['fxsave [rbx]', 0x1fc, 1],
    ['fxsave [rbx]', 0x200, 0],
    ['mov [rbx], al', 0, 1],
    ['mov al, [rbx]', 0, 0],
  ] as const)('%s with a write watched at offset %i', (text, offset, hits) => {
    const stage = new Stage(tier, 'long');
    stage.s.dr[0] = BigInt(AT.data + offset);
    stage.s.dr7 = DR7_WRITE_DWORD;
    stage.cpu.changed();
    const { fault } = stage.run(text, { rbx: AT.data });
    expect([fault, Number(stage.s.dr6 & 15n)]).toEqual([hits === 1 ? 1 : undefined, hits]);
  });
});
