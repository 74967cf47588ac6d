/** 32-bit code in all 4 GiB, found page by page without the tables of segments: what is run is what is there. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../isa/assemble.ts';
import { AT, Stage } from './testing/stage.ts';
import { tiers } from './testing/tiers.ts';

const DIRECTORY = 0x40000;
/** Tables of the first 4 MiB, of those from `FUNCTION` on and of the last; the one of another address space. */
const [LOW_TABLE, TABLE, LAST_TABLE, OTHER_DIRECTORY, OTHER_TABLE] = [0x41000, 0x42000, 0x43000, 0x44000, 0x45000];
const [FRAME, INSTEAD] = [0x50000, 0x51000];
const FUNCTION = 0x400000;
/** In the page of the program: `jmp FUNCTION`. */
const JUMP = AT.code + 0x800;
const LAST_PAGE = 0xfffff000;
const CALLS = 30;
const ROUNDS = 6;

function start(tier: (typeof tiers)[number]) {
  const stage = new Stage(tier, 'code32');
  const { s, cpu } = stage;
  const word = (at: number, value: number): void => cpu.machine.dma.write(at, new Uint8Array(Uint32Array.of(value).buffer));
  const put = (at: number, text: string, origin = at): void =>
    cpu.machine.dma.write(at, assemble(text, { code: 32, origin: BigInt(origin) }).bytes);
  for (let i = 0; i < 1024; i++) word(LOW_TABLE + 4 * i, (i << 12) | 7);
  for (const [directory, table, frame] of [
    [DIRECTORY, TABLE, FRAME],
    [OTHER_DIRECTORY, OTHER_TABLE, INSTEAD],
  ] as const) {
    word(directory, LOW_TABLE | 7);
    word(directory + 4, table | 7);
    word(table, frame | 7);
    word(directory + 4 * 1023, LAST_TABLE | 7);
  }
  s.cr3 = BigInt(DIRECTORY);
  s.cr0 = 0x80050033n;
  cpu.changed();
  return { stage, word, put };
}

const CHANGES: readonly (readonly [what: string, between: string, sum: number])[] = [
  ['nothing', 'nop', CALLS * ROUNDS],
  ['INVLPG', `mov dword [${TABLE}], ${INSTEAD | 7}\ninvlpg [${FUNCTION}]`, CALLS * (1 + 100 * (ROUNDS - 1))],
  ['a write to CR3', `mov dword [${TABLE}], ${INSTEAD | 7}\nmov edx, cr3\nmov cr3, edx`, CALLS * (1 + 100 * (ROUNDS - 1))],
  ['a store to the code', `mov byte [${FRAME + 2}], 50`, CALLS * (1 + 50 * (ROUNDS - 1))],
  [
    'address spaces that take turns',
    `mov edx, cr3\nxor edx, ${DIRECTORY ^ OTHER_DIRECTORY}\nmov cr3, edx`,
    (CALLS * ROUNDS * 101) / 2,
  ],
];

describe.each(tiers)('flat 32-bit code on the $name', (tier) => {
  it.each(CHANGES)('calls and jumps lead to the code that is there after %s', (_, between, sum) => {
    for (const how of [`call ${FUNCTION}`, 'call ebx', `call ${JUMP}`]) {
      const { stage, put, word } = start(tier);
      put(FRAME, 'add eax, 1\nret', FUNCTION);
      put(INSTEAD, 'add eax, 100\nret', FUNCTION);
      stage.cpu.machine.dma.write(JUMP, Uint8Array.of(0xe9));
      word(JUMP + 1, FUNCTION - (JUMP + 5));
      stage.run(
        `o: mov ecx, ${CALLS}\ni: ${how}\ndec ecx\njnz i\n${between}\ndec ebp\njnz o\nhlt`,
        { rbx: FUNCTION, rbp: ROUNDS },
        { steps: 20_000, together: true },
      );
      expect([how, stage.s.activity !== 0, stage.s.gpr[0]]).toEqual([how, true, BigInt(sum)]);
    }
  });

  it('a page ends where its linear address ends below 4 GiB', () => {
    const { stage, word, put } = start(tier);
    const { s, cpu } = stage;
    // At the end of a page and the beginning of the next: once in the middle, once with nothing behind it.
    put(FRAME + 0xff0, `add eax, 1\n${'nop\n'.repeat(10)}mov ecx, 0x01020304\nret`, FUNCTION + 0xff0);
    word(TABLE + 4, (FRAME + 0x1000) | 7);
    word(LAST_TABLE + 4 * 1023, FRAME | 7);
    put(AT.code, 't: call ebx\ndec edx\njnz t\nhlt');
    const pass = (page: number, times: number) => {
      s.gpr.set([0n, 0n, BigInt(times), BigInt(page + 0xff0), BigInt(AT.stack)]);
      s.rip = BigInt(AT.code);
      s.activity = 0;
      cpu.modeChanged();
      for (let i = 0; i < 20 && s.activity === 0; i++) cpu.run(100);
      const isFault = Number(s.rip) >= AT.handlers && Number(s.rip) < AT.handlers + 0x1000;
      return [isFault ? Number(stage.read(Number(s.gpr[4]) + 4, 32)) : -1, Number(s.gpr[0]), Number(s.gpr[1])];
    };
    for (let round = 0; round < 4; round++) {
      expect(pass(FUNCTION, 20)).toEqual([-1, 20, 0x01020304]);
      for (let i = 0; i < 2; i++) expect(pass(LAST_PAGE, 1)).toEqual([LAST_PAGE + 0xffd, 1, 0]);
    }
  });
});
