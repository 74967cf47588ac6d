/** A loop that calls a function of another page again and again, and what may happen to that page between two rounds. */
import { expect } from 'vitest';
import { AT, Stage } from './stage.ts';
import type { Tier } from './tiers.ts';

/** The function's page, in a GiB without large pages; its table, and the frames it may lie in, which are mapped where they are besides. */
export const FUNCTION = 0x40000000;
const DIRECTORY = AT.tables + 0x3000;
export const TABLE = AT.tables + 0x4000;
export const [FRAME, INSTEAD] = [0x200000, 0x201000];
const SECOND = { root: 0x90000, pointers: 0x91000, directory: 0x92000, table: 0x93000 };
export const PRESENT = 7n;
/** `add rax, imm8; ret`, and where its constant is. */
const adding = (n: number): Uint8Array => Uint8Array.of(0x48, 0x83, 0xc0, n, 0xc3);
export const CONSTANT = 3;
export const CALLS = 30;
const ROUNDS = 6;
/** Instructions, more than the program has. */
export const ALL = 20_000;
/** What the function adds in the first round and in the rest. */
export const ONE = BigInt(CALLS);
export const REST = BigInt(CALLS * (ROUNDS - 1));

const program = (between: string): string => `o: mov ecx, ${CALLS}\ni: call rbx\ndec ecx\njnz i\n${between}\ndec ebp\njnz o\nhlt`;

/** What is done between two rounds, and what RAX is in the end. RAX is 0, R11 the function, R8 the root of an address space with INSTEAD. */
export const CHANGES: readonly (readonly [what: string, between: string, sum: bigint])[] = [
  ['nothing', 'nop', ONE + REST],
  ['INVLPG', 'mov [rsi], rdx\ninvlpg [r11]', ONE + 100n * REST],
  ['a write to CR3', 'mov [rsi], rdx\nmov r10, cr3\nmov cr3, r10', ONE + 100n * REST],
  ['another address space', 'mov cr3, r8', ONE + 100n * REST],
  ['global pages turned off and on', 'mov [rsi], rdx\nmov r10, cr4\nxor r10, 128\nmov cr4, r10', ONE + 100n * REST],
  ['a store to the code', 'mov byte [rdi], 50', ONE + 50n * REST],
  ['a store to the code by its own address', `mov byte [r11+${CONSTANT}], 50`, ONE + 50n * REST],
  ['address spaces that take turns', 'mov r10, cr3\nxchg r8, r10\nmov cr3, r10', 101n * BigInt((CALLS * ROUNDS) / 2)],
];

/** Stands after the first instruction. `called`: where the calls by RBX lead to, which the function is at the end of. */
export function callingFar(tier: Tier, between: string, called = FUNCTION) {
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
  const page = { rsi: TABLE, rdi: FRAME + CONSTANT, rdx: BigInt(INSTEAD) | PRESENT, r8: SECOND.root };
  stage.run(program(between), { rax: 0, rbx: called, rbp: ROUNDS, r11: FUNCTION, ...page }, { steps: 1 });
  /** RAX after all rounds. */
  const finish = (): bigint => {
    stage.cpu.run(ALL);
    expect(stage.s.activity).not.toBe(0);
    return stage.s.gpr[0] as bigint;
  };
  return { stage, dma, finish };
}
