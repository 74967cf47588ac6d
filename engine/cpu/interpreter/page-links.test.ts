/** Direct branches to other pages: their links are taken while everything is as it was, and lead nowhere else afterwards. */
import { expect, it } from 'vitest';
import { CPU_JUMPS, CPU_LINK_EPOCH, JUMP_ENTRIES, JUMP_ENTRY_BYTES } from '../regions.ts';
import { AT, Stage } from '../testing/stage.ts';
import { tiers } from '../testing/tiers.ts';

/** The function's page, in a GiB without large pages; its table, and the frames it may lie in, which are mapped where they are besides. */
const FUNCTION = 0x40000000;
const [DIRECTORY, TABLE] = [AT.tables + 0x3000, AT.tables + 0x4000];
const [FRAME, INSTEAD] = [0x200000, 0x201000];
const SECOND = { root: 0x90000, pointers: 0x91000, directory: 0x92000, table: 0x93000 };
const PRESENT = 7n;
/** `add rax, imm8; ret`, and where its constant is. */
const adding = (n: number): Uint8Array => Uint8Array.of(0x48, 0x83, 0xc0, n, 0xc3);
const CONSTANT = 3;
/** In the page of the program: `jmp FUNCTION`. */
const JUMP = AT.code + 0x800;
const CALLS = 30;
const ROUNDS = 6;
const ALL = 20_000;

const program = (between: string): string => `o: mov ecx, ${CALLS}\ni: call rbx\ndec ecx\njnz i\n${between}\ndec ebp\njnz o\nhlt`;

function start(tier: (typeof tiers)[number], between: string) {
  const stage = new Stage(tier, 'long');
  stage.write(AT.tables + 0x1000 + 8, BigInt(DIRECTORY) | PRESENT);
  stage.write(DIRECTORY, BigInt(TABLE) | PRESENT);
  stage.write(TABLE, BigInt(FRAME) | PRESENT);
  stage.write(SECOND.root, BigInt(SECOND.pointers) | PRESENT);
  stage.write(SECOND.pointers, BigInt(AT.tables + 0x2000) | PRESENT, BigInt(SECOND.directory) | PRESENT);
  stage.write(SECOND.directory, BigInt(SECOND.table) | PRESENT);
  stage.write(SECOND.table, BigInt(INSTEAD) | PRESENT);
  const { dma } = stage.cpu.machine;
  dma.write(FRAME, adding(1));
  dma.write(INSTEAD, adding(100));
  const jump = Buffer.alloc(5, 0xe9);
  jump.writeInt32LE(FUNCTION - (JUMP + 5), 1);
  dma.write(JUMP, jump);
  const registers = {
    rax: 0,
    rbx: JUMP,
    rbp: ROUNDS,
    rsi: TABLE,
    rdi: FRAME + CONSTANT,
    rdx: BigInt(INSTEAD) | PRESENT,
    r11: FUNCTION,
  };
  stage.run(program(between), { ...registers, r8: SECOND.root }, { steps: 1 });
  const finish = (): bigint => {
    stage.cpu.run(ALL);
    expect(stage.s.activity).not.toBe(0);
    return stage.s.gpr[0] as bigint;
  };
  return { stage, dma, finish };
}

const ONE = BigInt(CALLS);
const REST = BigInt(CALLS * (ROUNDS - 1));

it.each([
  ['nothing', 'nop', ONE + REST],
  ['INVLPG', 'mov [rsi], rdx\ninvlpg [r11]', ONE + 100n * REST],
  ['a write to CR3', 'mov [rsi], rdx\nmov r10, cr3\nmov cr3, r10', ONE + 100n * REST],
  ['another address space', 'mov cr3, r8', ONE + 100n * REST],
  ['global pages turned off and on', 'mov [rsi], rdx\nmov r10, cr4\nxor r10, 128\nmov cr4, r10', ONE + 100n * REST],
  ['a store to the code', 'mov byte [rdi], 50', ONE + 50n * REST],
  ['a store to the code by its own address', `mov byte [r11+${CONSTANT}], 50`, ONE + 50n * REST],
])('a branch leads to the code that is there after %s', (_, between, sum) => {
  const sums = tiers.map((tier) => start(tier, between).finish());
  expect(sums).toEqual(sums.map(() => sum));
});

it('a branch is right in address spaces that take turns', () => {
  const between = 'mov r10, cr3\nxchg r8, r10\nmov cr3, r10';
  const sums = tiers.map((tier) => start(tier, between).finish());
  expect(sums).toEqual(sums.map(() => 101n * BigInt((CALLS * ROUNDS) / 2)));
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
