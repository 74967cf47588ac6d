/** Accesses that share one question to the TLB fault, walk and write exactly as the interpreter's do. */
import { describe, expect, it } from 'vitest';
import { AT, type RegisterValues, Stage } from '../testing/stage.ts';
import { type Tier, tiers } from '../testing/tiers.ts';

/** Pages of 4 KiB from here, each mapped to a frame of its own; frames of neighbours are no neighbours. */
const PAGES = 0x40000000;
const FRAMES = [0x200000, 0x208000, 0x204000, 0x20c000] as const;
const [WRITABLE, READ_ONLY, ABSENT] = [7n, 5n, 0n] as const;
/** 64 MiB further up the same place of the TLB is used; it leads to the first frame. */
const SAME_PLACE = PAGES + 0x4000000;

interface Program {
  readonly text: string;
  readonly registers: RegisterValues;
  readonly rights?: readonly bigint[];
  readonly instructions?: number;
}

/** What is left on a tier: registers, memory, where it faulted, and how often page tables were walked. */
function run(tier: Tier, { text, registers, rights = [], instructions = 3000 }: Program) {
  const stage = new Stage(tier, 'long');
  const [directory, near, far] = [AT.tables + 0x3000, AT.tables + 0x4000, AT.tables + 0x4800];
  stage.write(AT.tables + 0x1000 + 8, BigInt(directory) | WRITABLE);
  stage.write(directory, BigInt(near) | WRITABLE);
  stage.write(directory + 8 * ((SAME_PLACE - PAGES) >>> 21), BigInt(far & ~0xfff) | WRITABLE);
  for (const [i, frame] of FRAMES.entries()) {
    stage.write(near + 8 * i, BigInt(frame) | (rights[i] ?? WRITABLE));
    const bytes = Uint8Array.from({ length: 4096 }, (_, at) => 7 * at + i);
    stage.cpu.machine.dma.write(frame, bytes);
  }
  stage.run(text, registers, { steps: 1 });
  stage.cpu.run(instructions);
  const { s, cpu } = stage;
  const memory = FRAMES.map((frame) => Buffer.from(cpu.machine.dma.read(frame, 4096)).toString('base64'));
  const stack = Buffer.from(cpu.machine.dma.read(AT.stack - 256, 256)).toString('hex');
  return { left: { gpr: [...s.gpr], rip: s.rip, cr2: s.cr2, xmm: [...s.xmm], memory, stack }, walks: s.tlbMisses };
}

function same(program: Program, isSameOften = false): void {
  const [oracle, interpreter, jit] = tiers.map((tier) => run(tier, program)) as [
    ReturnType<typeof run>,
    ReturnType<typeof run>,
    ReturnType<typeof run>,
  ];
  expect(interpreter.left).toEqual(oracle.left);
  expect(jit.left).toEqual(oracle.left);
  // Where a region leaves to the interpreter, that walks once more.
  if (isSameOften) expect(jit.walks).toBe(interpreter.walks);
  expect(oracle.left.gpr[15]).toBe(0x600dn); // the program has come to its end, or to its fault
}

const END = 'hlt';
const MARK = 'mov r15d, 0x600d\n';

describe('accesses by one register and constants', () => {
  it.each<[string, Program]>([
    [
      'loads that walk over the end of a page',
      {
        text: `${MARK}t: add rax, [rbx]\nadd rax, [rbx+40]\nxor rax, [rbx-24]\nrol rax, 5\nadd rbx, 3\ndec ebp\njnz t\n${END}`,
        registers: { rbx: PAGES + 4000, rbp: 60 },
      },
    ],
    [
      'stores that walk down over it',
      {
        text: `${MARK}t: mov [rbx], rbp\nmov [rbx+9], bp\nadd [rbx+17], ebp\nsub rbx, 5\ndec ebp\njnz t\n${END}`,
        registers: { rbx: PAGES + 4140, rbp: 60 },
      },
    ],
    [
      'loads and stores of a register that moves between them',
      {
        text: `${MARK}t: mov rax, [rbx]\nadd rbx, 8\nadd [rbx+16], rax\nadd rbx, 8\nmov rcx, [rbx]\nsub rbx, 9\nmov [rbx], ecx\ndec ebp\njnz t\n${END}`,
        registers: { rbx: PAGES + 3900, rbp: 80 },
      },
    ],
    [
      'vectors',
      {
        text: `${MARK}t: movdqu xmm0, [rbx]\npaddd xmm0, [rsi+32]\nmovaps xmm1, [rsi+64]\nmovdqu [rbx+32], xmm0\nmovups [rbx+48], xmm1\nadd rsi, 16\nadd rbx, 7\ndec ebp\njnz t\n${END}`,
        registers: { rbx: PAGES + 3900, rsi: PAGES + 0x2000 + 3800, rbp: 40 },
      },
    ],
    [
      'a stack across the end of a page',
      {
        text: `${MARK}lea rsp, [rbx]\nt: push rax\npush rbx\ncall f\nadd rsp, 8\npop rax\nsub rsp, 3\ndec ebp\njnz t\n${END}\nf: add [rsp+8], rbp\nxor rax, [rsp+16]\nret`,
        registers: { rbx: PAGES + 4200, rbp: 40 },
      },
    ],
    [
      'a structure that is reached on one of two paths first',
      {
        text: `${MARK}t: test ebp, 1\njz e\nadd rax, [rbx+8]\nj: add rax, [rbx+16]\nmov [rbx+24], rax\nadd rbx, 5\ndec ebp\njnz t\n${END}\ne: add [rbx+32], rax\njmp j`,
        registers: { rbx: PAGES + 4000, rbp: 40 },
      },
    ],
  ])('%s', (_, program) => same(program));
});

describe('in a page that has gone', () => {
  it.each<[string, string]>([
    ['the second load faults', 'add rax, [rbx]\nadd rcx, [rbx+16]\nadd rdx, [rbx+8]'],
    ['the last store faults, those before are made', 'mov [rbx], rbp\nmov [rbx+8], rbp\nadd rcx, 1\nmov [rbx+16], rbp'],
    ['an operation on memory faults', 'mov rax, [rbx]\nadd rax, 1\nadd [rbx+16], rax'],
    ['a vector faults', 'movups xmm0, [rbx]\nadd rax, 1\nmovups xmm1, [rbx+16]'],
  ])('%s', (_, body) => {
    for (const from of [4096 - 8, 4096 - 24, 4096 - 40, 4096 - 88])
      same({
        text: `${MARK}t: ${body}\nadd rbx, 8\ndec ebp\njnz t\n${END}`,
        registers: { rbx: PAGES + from, rbp: 40 },
        rights: [WRITABLE, ABSENT],
      });
  });
});

describe('in a page that may only be read', () => {
  it('loads are made, the store faults', () => {
    const text = `${MARK}t: add rax, [rbx]\nadd rax, [rbx+8]\ncmp ebp, 3\njne n\nmov [rbx+16], rax\nn: add rbx, 1\ndec ebp\njnz t\n${END}`;
    same({ text, registers: { rbx: PAGES + 16, rbp: 30 }, rights: [READ_ONLY] });
  });

  it('a store that comes first faults', () => {
    const text = `${MARK}t: mov rax, [rsi]\nmov rcx, [rsi+8]\nmov [rbx], rax\nmov rdx, [rbx+8]\nadd rbx, 64\ndec ebp\njnz t\n${END}`;
    same({ text, registers: { rbx: PAGES + 4096 - 640, rsi: PAGES, rbp: 30 }, rights: [WRITABLE, READ_ONLY] });
  });
});

describe('between accesses of a group', () => {
  it.each([
    ['nothing happens', 'nop'],
    ['a load drops the entry', 'mov rdx, [rsi]'],
    ['a store drops the entry', 'mov [rsi], rbp'],
    ['an operation on memory drops the entry', 'add [rsi+8], rbp'],
    ['a string drops the entry', 'mov rdi, rsi\nmov ecx, 4\nrep stosb'],
    ['a load that does not always happen drops it', 'test ebp, 3\njnz n\nmov rdx, [rsi]\nn:'],
  ])('%s', (_, between) => {
    const text = `${MARK}t: add rax, [rbx]\nadd rax, [rbx+8]\n${between}\nadd rax, [rbx+16]\nmov [rbx+24], rax\ndec ebp\njnz t\n${END}`;
    same({ text, registers: { rbx: PAGES + 16, rsi: SAME_PLACE + 64, rbp: 40 } }, true);
  });

  it('there is a page of code in the end', () => {
    const text = [
      MARK,
      't: mov [rbx], eax',
      'mov [rbx+8], ebp',
      'dec ecx',
      'jnz t',
      'mov dword [rbx], 0x90c3ffb0', // mov al, 255; ret
      'call rbx',
      'movzx esi, al',
      'mov ecx, 3',
      'u: mov rdx, [rbx+16]',
      'mov byte [rbx+1], cl', // mov al, cl
      'mov [rbx+24], rdx',
      'call rbx',
      'add esi, eax',
      'dec ecx',
      'jnz u',
      'mov ecx, 20',
      'add rbx, 0x1000',
      'dec ebp',
      'jnz t',
      END,
    ].join('\n');
    same({ text, registers: { rax: 0, rbx: PAGES, rcx: 20, rbp: 3 } });
  });

  it('the region that runs is written', () => {
    // The immediate of `add eax, 1` lies in the page of the program.
    const text = `${MARK}lea rbx, [rel p]\nt: mov rdx, [rbx-40]\nmov rcx, [rbx+8]\nmov byte [rbx+2], bpl\nnop\np: add eax, 1\nmov [rbx+600], rax\nadd rax, [rbx+608]\ndec ebp\njnz t\n${END}`;
    same({ text, registers: { rbp: 40 } });
  });
});
