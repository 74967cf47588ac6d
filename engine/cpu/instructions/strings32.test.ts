/** Repeated strings of 32-bit code: what is done many elements at once leaves what one element after the other does, on every tier. */
import { describe, expect, it } from 'vitest';
import { AT, Stage } from '../testing/stage.ts';
import { tiers } from '../testing/tiers.ts';

/** Passes before the one that is judged, so that it is in a region; each reads where to and how much at EBP. */
const WARM = 6;
const PASS = 16;
const PARAMETERS = 0x2e000;
const DIRECTORY = 0x40000;
/** Tables of the first and the last 4 MiB. */
const [LOW_TABLE, HIGH_TABLE] = [0x41000, 0x42000];
/** What the last two pages of the linear space are. */
const LAST = 0x50000;
const FROM = 0x300000;
const BYTES = 0xa000;
const LAST_PAGE = 0xfffff000;
const DOWN = 0x400;

interface Case {
  readonly text: string;
  readonly count: number;
  readonly from?: number;
  readonly to?: number;
  readonly down?: boolean;
  readonly cpl?: 0 | 3;
  /** Linear page that is not present, or read-only. */
  readonly absent?: number;
  readonly readOnly?: number;
  readonly segment?: { readonly name: 'es' | 'ds' | 'fs'; readonly base: number; readonly limit: number };
}

function run(tier: (typeof tiers)[number], c: Case) {
  const stage = new Stage(tier, 'code32', c.cpl ?? 0);
  const { cpu, s } = stage;
  const { dma } = cpu.machine;
  const word = (at: number, value: number): void => dma.write(at, new Uint8Array(Uint32Array.of(value).buffer));
  for (let i = 0; i < 1024; i++) word(LOW_TABLE + 4 * i, (i << 12) | 7);
  for (const i of [1022, 1023]) word(HIGH_TABLE + 4 * i, (LAST + (i - 1022) * 0x1000) | 7);
  word(DIRECTORY, LOW_TABLE | 7);
  word(DIRECTORY + 4 * 1023, HIGH_TABLE | 7);
  const entryOf = (linear: number): number =>
    (linear >= LAST_PAGE - 0x1000 ? HIGH_TABLE : LOW_TABLE) + 4 * ((linear >>> 12) & 1023);
  if (c.absent !== undefined) word(entryOf(c.absent), 0);
  if (c.readOnly !== undefined) word(entryOf(c.readOnly), (dma.read32(entryOf(c.readOnly)) & ~2) >>> 0);
  s.cr3 = BigInt(DIRECTORY);
  s.cr0 = 0x80050033n;
  dma.write(
    FROM,
    Uint8Array.from({ length: BYTES }, (_, i) => (i * 31 + (i >>> 8)) & 0xff),
  );
  dma.write(
    LAST,
    Uint8Array.from({ length: 0x2000 }, (_, i) => (i * 29 + (i >>> 8)) & 0xff),
  );
  const base = c.segment?.name === 'ds' ? c.segment.base : 0;
  const baseEs = c.segment?.name === 'es' ? c.segment.base : 0;
  for (let pass = 0; pass <= WARM; pass++) {
    const [count, from, to] =
      pass < WARM ? [2, FROM + 0x100 - base, FROM + 0x200 - baseEs] : [c.count, c.from ?? FROM, c.to ?? FROM];
    for (const [i, value] of [count, from, to].entries()) word(PARAMETERS + pass * PASS + 4 * i, value);
  }
  if (c.segment) {
    s[`${c.segment.name}Base`] = BigInt(c.segment.base);
    s[`${c.segment.name}Limit`] = c.segment.limit;
  }
  cpu.changed();
  stage.run(
    `t: mov esi, [ebp+4]\nmov edi, [ebp+8]\nmov ecx, [ebp]\n${c.text}\nadd ebp, ${PASS}\ndec ebx\njnz t\nhlt`,
    { rbp: PARAMETERS, rbx: WARM + 1, rax: 0x11223344 },
    { steps: 20_000, together: true, flags: c.down ? DOWN : 0 },
  );
  for (let i = 0; i < 100 && s.activity === 0; i++) cpu.run(20_000);
  const memory = [
    dma.read(FROM - 0x1000, BYTES + 0x2000),
    dma.read(LAST, 0x2000),
    dma.read(0, 0x1000),
    dma.read(AT.stack - 32, 32),
  ];
  return {
    stage,
    left: { gpr: [...s.gpr.slice(0, 8)], rip: s.rip, cr2: s.cr2, activity: s.activity },
    memory: Buffer.concat(memory.map((bytes) => bytes.slice())),
  };
}

const [oracle, ...others] = tiers as [(typeof tiers)[number], ...typeof tiers];

function judge(c: Case): ReturnType<typeof run> {
  const expected = run(oracle, c);
  expect(expected.left.activity).not.toBe(0);
  for (const tier of others) {
    const { left, memory, stage } = run(tier, c);
    expect([tier.name, left]).toEqual([tier.name, expected.left]);
    expect(Buffer.compare(memory, expected.memory)).toBe(0);
    if (tier.name === 'jit') expect(stage.s.regionRetired > 0n).toBe(true);
  }
  return expected;
}

const SIZES = { b: 1, w: 2, d: 4 } as const;
const sizes = Object.entries(SIZES);

describe.each(sizes)('elements of %s in 32-bit code', (letter, size) => {
  const count = Math.floor(0x1345 / size);
  const [movs, stos] = [`rep movs${letter}`, `rep stos${letter}`];

  it.each([0x4000 + size, 0xff8, size, 1, -1, -0xff8])('moved by %i bytes', (distance) => {
    const down = distance < 0;
    judge({ text: movs, count, from: FROM + 0x4803, to: FROM + 0x4803 + distance, down });
    if (Math.abs(distance) > 1) judge({ text: movs, count, from: FROM + 0x4803, to: FROM + 0x4803 + distance, down: !down });
  });

  it('stored', () => {
    judge({ text: stos, count, to: FROM + 0x2ffd });
    judge({ text: stos, count, to: FROM + 0x5000, down: true });
    judge({ text: stos, count: 0 });
  });

  it.each([0, 1])('offsets wrap at 4 GiB, %i bytes from the edge of an element', (away) => {
    const before = 0x100 * size;
    const edge = 2 ** 32 - before - away;
    // Up to the edge, and beyond.
    judge({ text: stos, count: 0x100, to: edge });
    judge({ text: movs, count: 0x100, from: edge - size, to: edge });
    judge({ text: movs, count: 0x81, from: 0x80 * size + away, to: 0x80 * size + away, down: true });
    judge({ text: stos, count: 0x200, to: edge });
    judge({ text: movs, count: 0x200, from: FROM, to: edge });
    judge({ text: movs, count: 0x200, from: edge, to: FROM });
    judge({ text: movs, count: 0x200, from: 0x80 * size + away, to: FROM + 0x4000, down: true });
    judge({ text: movs, count: 0x200, from: FROM + 0x4000, to: 0x180 * size + away, down: true });
  });

  it.each([
    [0, 0],
    [3, 3],
  ] as const)('a page fault leaves the registers at the element that failed, CPL %i', (cpl, away) => {
    const absent = FROM + 0x3000;
    const at = absent - 0x1000 + away;
    const expected = judge({ text: movs, count, to: at, absent, cpl });
    expect(expected.left.cr2).toBe(BigInt(absent));
    judge({ text: movs, count, from: at, to: FROM + 0x8000, absent, cpl });
    judge({ text: movs, count, from: absent + 0x2000 + away, to: FROM + 0x8000, absent, cpl, down: true });
    judge({ text: stos, count, to: at, absent, cpl });
    judge({ text: stos, count, to: at, readOnly: absent, cpl });
  });

  it('limits hold for each element', () => {
    const limit = FROM + 0x1801;
    judge({ text: movs, count, to: FROM + 0x100, segment: { name: 'es', base: 0, limit } });
    judge({ text: stos, count, to: FROM + 0x100, segment: { name: 'es', base: 0, limit } });
    judge({ text: stos, count, to: 0x100, segment: { name: 'es', base: FROM, limit: 0xffffffff } });
    judge({
      text: `rep fs movs${letter}`,
      count,
      from: 0x1000,
      to: FROM + 0x4000,
      segment: { name: 'fs', base: FROM, limit: 0x7fff },
    });
    judge({ text: `rep fs movs${letter}`, count, from: 0x7000, segment: { name: 'fs', base: FROM, limit: 0x7fff } });
    // A segment that is flat but not used, and a flat one by its prefix.
    judge({ text: `rep fs movs${letter}`, count, to: FROM + 0x4000, segment: { name: 'ds', base: 0, limit: 0x3fffff } });
    judge({ text: stos, count, to: FROM + 0x4000, segment: { name: 'fs', base: 16, limit: 0x3ffff } });
  });

  it('with 16-bit addresses the offsets wrap at 64 KiB', () => {
    judge({ text: `rep a16 movs${letter}`, count: 0x90000 + 20, from: FROM + 0xfff0, to: 0x70000 });
    judge({ text: `rep a16 stos${letter}`, count: 0x90000 + 20, to: 0x70100 });
  });

  it('upper halves of registers count for nothing, and are 0 where a register is written', () => {
    const upper = 0xabcd_0000_0000n;
    const [first, ...rest] = tiers.map((tier) => {
      const stage = new Stage(tier, 'code32');
      return [0, 3, 0, 3, 0, 3, 0x1800].map((elements) => {
        const registers = {
          rcx: upper | BigInt(elements),
          rsi: upper | BigInt(FROM),
          rdi: upper | BigInt(FROM + 0x4000),
          rax: -2,
        };
        const text = `rep movs${letter}\nmov ecx, 3\nrep stos${letter}\nhlt`;
        const { rcx, rsi, rdi } = stage.run(text, registers, { steps: 20_000, together: true });
        return [rcx, rsi, rdi, stage.read(Number(rdi) - 16, 64), stage.read(Number(rdi) - 8, 64)];
      });
    });
    for (const after of rest) expect(after).toEqual(first);
  });
});
