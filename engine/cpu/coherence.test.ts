/** What must not be remembered: translations after the flush that ends them, decoded code after its bytes changed. */
import { describe, expect, it } from 'vitest';
import { AT, everyTier, Stage } from './testing/stage.ts';

/** A 4 KiB-mapped window at linear 4 MiB: its table, two data pages with a number each, and a code page. */
const TABLE = 0x8000;
const LINEAR = 0x400000;
const PAGE_A = 0x100000;
const PAGE_B = 0x101000;
const DIRECTORY = AT.tables + 0x2000;
const [PRESENT_WRITE, GLOBAL, LARGE, ACCESSED, DIRTY] = [0x3n, 0x100n, 0x80n, 0x20n, 0x40n];
const [PGE, PCIDE] = [0x80n, 0x20000n];

function staged(tier: (typeof everyTier)[number][1], cr4 = 0n): Stage {
  const stage = new Stage(tier, 'long');
  stage.write(PAGE_A, 0xaaaan);
  stage.write(PAGE_B, 0xbbbbn);
  stage.write(DIRECTORY + 2 * 8, BigInt(TABLE) | PRESENT_WRITE);
  stage.write(TABLE, BigInt(PAGE_A) | PRESENT_WRITE);
  stage.s.cr4 |= cr4;
  stage.cpu.changed();
  return stage;
}

const read = (stage: Stage, linear = LINEAR): bigint | undefined => {
  const { rax, fault } = stage.run('mov rax, qword [rbx]', { rbx: linear });
  return fault === undefined ? rax : undefined;
};

describe.each(everyTier)('translations on the %s', (_name, tier) => {
  it.each([
    ['invlpg', 'invlpg byte [rbx]', 0n, 0n],
    ['invlpg of another byte of the page', 'invlpg byte [rbx+0xfff]', 0n, 0n],
    ['invlpg of a global page', 'invlpg byte [rbx]', PGE, GLOBAL],
    ['a load of CR3', 'mov rax, cr3\nmov cr3, rax', 0n, 0n],
    ['a load of CR3 with PCIDs', 'mov rax, cr3\nmov cr3, rax', PCIDE, 0n],
    ['CR4.PGE cleared', 'mov rax, cr4\nbtr rax, 7\nmov cr4, rax', PGE, GLOBAL],
    ['CR4.PGE set', 'mov rax, cr4\nbts rax, 7\nmov cr4, rax', 0n, GLOBAL],
    ['invlpg with CR0.WP changed', 'mov rax, cr0\nbtc rax, 16\nmov cr0, rax\ninvlpg byte [rbx]', 0n, 0n],
  ])('%s', (_what, text, cr4, flags) => {
    const stage = staged(tier, cr4);
    stage.write(TABLE, BigInt(PAGE_A) | PRESENT_WRITE | flags);
    expect(read(stage)).toBe(0xaaaan);
    stage.write(TABLE, BigInt(PAGE_B) | PRESENT_WRITE | flags);
    stage.run(`${text}\nnop`, { rbx: LINEAR }, { steps: text.split('\n').length });
    expect(read(stage)).toBe(0xbbbbn);
  });

  it.each([
    ['one address of one PCID', 0, 0n, 0n],
    ['one PCID', 1, 0n, 0n],
    ['all, global ones too', 2, PGE, GLOBAL],
    ['all but global ones', 3, 0n, 0n],
  ])('invpcid: %s', (_what, type, cr4, flags) => {
    const stage = staged(tier, PCIDE | cr4);
    stage.write(TABLE, BigInt(PAGE_A) | PRESENT_WRITE | flags);
    expect(read(stage)).toBe(0xaaaan);
    stage.write(TABLE, BigInt(PAGE_B) | PRESENT_WRITE | flags);
    stage.write(AT.data, 0n, BigInt(LINEAR));
    expect(stage.run('invpcid rax, xmmword [rcx]', { rax: type, rcx: AT.data }).fault).toBeUndefined();
    expect(read(stage)).toBe(0xbbbbn);
  });

  it('PCIDs keep address spaces apart', () => {
    const stage = staged(tier, PCIDE);
    const other = 0xa000;
    stage.write(other, BigInt(AT.tables + 0x1000) | 7n);
    expect(read(stage)).toBe(0xaaaan);
    stage.write(TABLE, BigInt(PAGE_B) | PRESENT_WRITE);
    // The other PCID has never translated this address: it must walk.
    stage.run('mov cr3, rax\nnop', { rax: BigInt(other) | 5n }, { steps: 1 });
    expect(read(stage)).toBe(0xbbbbn);
    // Back without flushing: either page may answer. Back with flushing: only the new one.
    stage.run('mov cr3, rax\nnop', { rax: BigInt(AT.tables) | (1n << 63n) }, { steps: 1 });
    expect([0xaaaan, 0xbbbbn]).toContain(read(stage));
    expect(stage.s.cr3).toBe(BigInt(AT.tables));
    stage.run('mov cr3, rax\nnop', { rax: AT.tables }, { steps: 1 });
    expect(read(stage)).toBe(0xbbbbn);
  });

  it('invlpg anywhere in a large page ends all of it', () => {
    const stage = staged(tier);
    stage.write(DIRECTORY + 2 * 8, PRESENT_WRITE | LARGE);
    expect(read(stage, LINEAR + PAGE_A)).toBe(0xaaaan);
    stage.write(DIRECTORY + 2 * 8, 0x200000n | PRESENT_WRITE | LARGE);
    stage.run('invlpg byte [rbx]', { rbx: LINEAR + 0x1ff000 });
    expect(read(stage, LINEAR + PAGE_A)).toBe(0n);
  });

  it('rights taken away and invalidated are gone', () => {
    const stage = staged(tier);
    const store = (): number | undefined => stage.run('mov qword [rbx], rax', { rbx: LINEAR + 8, rax: 1 }).fault;
    expect(store()).toBeUndefined();
    stage.write(TABLE, BigInt(PAGE_A) | 1n);
    stage.run('invlpg byte [rbx]', { rbx: LINEAR });
    expect(store()).toBe(14);
    stage.write(TABLE, 0n);
    stage.run('invlpg byte [rbx]', { rbx: LINEAR });
    expect(read(stage)).toBeUndefined();
    // What was absent is never remembered: no invalidation is needed.
    stage.write(TABLE, BigInt(PAGE_B) | PRESENT_WRITE);
    expect(read(stage)).toBe(0xbbbbn);
  });

  it('accessed and dirty bits come back after they were cleared and the translation ended', () => {
    const stage = staged(tier);
    const entry = (): bigint => stage.read(TABLE, 64) & (ACCESSED | DIRTY);
    read(stage);
    expect(entry()).toBe(ACCESSED);
    stage.run('mov byte [rbx], al', { rbx: LINEAR });
    expect(entry()).toBe(ACCESSED | DIRTY);
    stage.write(TABLE, BigInt(PAGE_A) | PRESENT_WRITE);
    stage.run('invlpg byte [rbx]', { rbx: LINEAR });
    read(stage);
    expect(entry()).toBe(ACCESSED);
    stage.run('lock cmpxchg byte [rbx], cl', { rbx: LINEAR, rax: 0xff });
    expect(entry()).toBe(ACCESSED | DIRTY);
  });

  it('a supervisor does not use what user code may, once SMAP is on', () => {
    const stage = staged(tier);
    stage.write(DIRECTORY + 2 * 8, BigInt(TABLE) | 7n);
    stage.write(TABLE, BigInt(PAGE_A) | 7n);
    expect(read(stage)).toBe(0xaaaan);
    stage.run('mov rax, cr4\nbts rax, 21\nmov cr4, rax\nnop', {}, { steps: 3 });
    // The stage itself lies in pages of user code; only supervisor pages may hold what the processor reads implicitly.
    expect(stage.s.cr4 & 0x200000n).toBe(0x200000n);
    expect(stage.run('stac\nmov rax, qword [rbx]', { rbx: LINEAR }, { steps: 2 }).rax).toBe(0xaaaan);
  });
});

describe.each(everyTier)('decoded code on the %s', (_name, tier) => {
  it('a store into the next instruction of the same block is seen', () => {
    const stage = staged(tier);
    const text = 'mov byte [rel l+1], 0x22\nl: mov al, 0x11\nnop';
    for (let round = 0; round < 3; round++) expect(stage.run(text, {}, { steps: 2 }).rax & 0xffn).toBe(0x22n);
  });

  it('a loop that rewrites its own constant sees every new value', () => {
    const stage = staged(tier);
    const text = 'again: add eax, 1\ninc byte [rel again+2]\ndec ecx\njnz again\nnop';
    expect(stage.run(text, { rcx: 5 }, { steps: 20 }).rax).toBe(15n);
  });

  it('a store through another linear address is seen', () => {
    const stage = staged(tier);
    stage.write(TABLE, BigInt(AT.code) | PRESENT_WRITE);
    stage.run('invlpg byte [rbx]', { rbx: LINEAR });
    // MOV has four bytes, three NOPs follow: the constant of the last instruction is byte 8.
    const text = 'mov byte [rbx+8], 0x44\nnop\nnop\nnop\nmov al, 0x33';
    expect(stage.run(text, { rbx: LINEAR }, { steps: 5 }).rax & 0xffn).toBe(0x44n);
  });

  it.each([1, 2, 3, 4])('stores through %i linear addresses that had been written before are seen', (windows) => {
    const stage = staged(tier);
    // The last one has all bits set that its entry's place depends on.
    const offsets = [0x1000, 0x2000, 0x5000, 0x1ff000].slice(-windows);
    for (const offset of [0, ...offsets]) stage.write(TABLE + offset / 512, BigInt(PAGE_A) | PRESENT_WRITE);
    stage.cpu.machine.dma.write(PAGE_A + 0x800, Uint8Array.of(0xb8, 1, 0, 0, 0, 0xf4));
    for (const offset of offsets) stage.run('mov byte [rbx], 1', { rbx: LINEAR + offset + 0xf00 });
    const jump = (): bigint => stage.run('jmp rbx', { rbx: LINEAR + 0x800 }, { steps: 2 }).rax;
    expect(jump()).toBe(1n);
    for (const [i, offset] of offsets.entries()) {
      stage.run(`mov byte [rbx], ${i + 2}`, { rbx: LINEAR + offset + 0x801 });
      expect(jump()).toBe(BigInt(i + 2));
    }
  });

  it('code that crosses into a rewritten page is decoded again', () => {
    const stage = staged(tier);
    stage.write(TABLE, BigInt(PAGE_A) | PRESENT_WRITE);
    stage.write(TABLE + 8, BigInt(PAGE_B) | PRESENT_WRITE);
    // MOV EAX, imm32 with its last two bytes in the second page, then HLT.
    stage.cpu.machine.dma.write(PAGE_A + 0xffd, Uint8Array.of(0xb8, 0x11, 0x22));
    stage.cpu.machine.dma.write(PAGE_B, Uint8Array.of(0x33, 0x44, 0xf4));
    const jump = (): bigint => stage.run('jmp rbx', { rbx: LINEAR + 0xffd }, { steps: 2 }).rax;
    expect(jump()).toBe(0x44332211n);
    stage.cpu.machine.dma.write(PAGE_B, Uint8Array.of(0x55));
    expect(jump()).toBe(0x44552211n);
    stage.run('mov byte [rbx], 0x66', { rbx: LINEAR + 0x1001 });
    expect(jump()).toBe(0x66552211n);
  });

  it.each([
    ['invlpg', 'invlpg byte [rbx]'],
    ['a load of CR3', 'mov rax, cr3\nmov cr3, rax'],
  ])('code that crosses into a page mapped elsewhere is decoded again: %s', (_what, text) => {
    const stage = staged(tier);
    stage.write(TABLE, BigInt(PAGE_A) | PRESENT_WRITE);
    stage.write(TABLE + 8, BigInt(PAGE_B) | PRESENT_WRITE);
    stage.cpu.machine.dma.write(PAGE_A + 0xffd, Uint8Array.of(0xb8, 0x11, 0x22));
    stage.cpu.machine.dma.write(PAGE_B, Uint8Array.of(0x33, 0x44, 0xf4));
    stage.cpu.machine.dma.write(PAGE_B + 0x1000, Uint8Array.of(0x77, 0x88, 0xf4));
    const jump = () => stage.run('jmp rbx', { rbx: LINEAR + 0xffd }, { steps: 2 });
    expect(jump().rax).toBe(0x44332211n);
    const map = (entry: bigint): void => {
      stage.write(TABLE + 8, entry);
      stage.run(`${text}\nnop`, { rbx: LINEAR + 0x1000 }, { steps: text.split('\n').length });
    };
    map(BigInt(PAGE_B + 0x1000) | PRESENT_WRITE);
    expect(jump().rax).toBe(0x88772211n);
    map(0n);
    expect(jump()).toMatchObject({ fault: 14, rip: BigInt(LINEAR + 0xffd) });
    expect(stage.s.cr2).toBe(BigInt(LINEAR + 0x1000));
  });

  it('a code page mapped elsewhere and invalidated is fetched anew', () => {
    const stage = staged(tier);
    stage.cpu.machine.dma.write(PAGE_A + 0x800, Uint8Array.of(0xb8, 1, 0, 0, 0, 0xf4));
    stage.cpu.machine.dma.write(PAGE_B + 0x800, Uint8Array.of(0xb8, 2, 0, 0, 0, 0xf4));
    const jump = (): bigint => stage.run('jmp rbx', { rbx: LINEAR + 0x800 }, { steps: 2 }).rax;
    expect(jump()).toBe(1n);
    stage.write(TABLE, BigInt(PAGE_B) | PRESENT_WRITE);
    stage.run('invlpg byte [rbx]', { rbx: LINEAR });
    expect(jump()).toBe(2n);
  });

  it.each([
    ['own', PCIDE, 0n],
    ['global', PCIDE | PGE, GLOBAL],
    ['global, CR4.PGE clear', PCIDE, GLOBAL],
  ])('address spaces with pages of their %s keep their code and data', (what, cr4, flags) => {
    const stage = staged(tier, cr4);
    const [other, directory, table] = [0xa000, 0xb000, 0xd000];
    stage.write(other, BigInt(directory) | 7n);
    stage.write(directory, BigInt(directory + 0x1000) | 7n);
    stage.write(directory + 0x1000, 0x87n, 0x200087n, BigInt(table) | PRESENT_WRITE);
    stage.write(TABLE, BigInt(PAGE_A) | PRESENT_WRITE | flags);
    stage.write(table, BigInt(PAGE_B) | PRESENT_WRITE | flags);
    for (const [page, value] of [
      [PAGE_A, 1],
      [PAGE_B, 2],
    ] as const) {
      stage.cpu.machine.dma.write(page + 0x800, Uint8Array.of(0xb8, value, 0, 0, 0, 0xf4));
    }
    const spaces = [BigInt(AT.tables), BigInt(other) | 5n];
    const enter = (space: number): void => {
      stage.run('mov cr3, rax\nnop', { rax: (spaces[space] as bigint) | (1n << 63n) }, { steps: 1 });
    };
    const shared = what === 'global';
    for (const space of [0, 1, 0, 1]) {
      enter(space);
      const [code, data] = space === 0 ? [1n, 0xaaaan] : [2n, 0xbbbbn];
      // A global page may be taken for one of every address space.
      expect(shared ? [1n, 2n] : [code]).toContain(stage.run('jmp rbx', { rbx: LINEAR + 0x800 }, { steps: 2 }).rax);
      expect(shared ? [0xaaaan, 0xbbbbn] : [data]).toContain(read(stage));
    }
    stage.run('invlpg byte [rbx]', { rbx: LINEAR });
    expect(read(stage)).toBe(0xbbbbn);
    expect(stage.run('jmp rbx', { rbx: LINEAR + 0x800 }, { steps: 2 }).rax).toBe(2n);
  });

  it('string stores over code that is about to run are seen', () => {
    const stage = staged(tier);
    const text = 'rep stosb\nl: mov ebx, 0x77777777\nnop';
    // The four constant bytes begin three bytes after the start: F3 AA BB.
    const after = stage.run(text, { rdi: AT.code + 3, rcx: 4, rax: 0x5a }, { steps: 2 });
    expect(after.rbx).toBe(0x5a5a5a5an);
  });
});
