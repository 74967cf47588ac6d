/** MOV to CR3 in generated code against the oracle, which has no TLB: address spaces with and without PCIDs, kept and forgotten. */
import { expect, it } from 'vitest';
import { Random } from '../testing/random.ts';
import { AT, Stage } from '../testing/stage.ts';
import { type Tier, tiers } from '../testing/tiers.ts';

const ROUNDS = 60;
/** Tables of a second address space, in which the second large page is the first again. */
const OTHER = 0x40000;
const DIRECTORY = OTHER + 0x2000;
const READ = 0x220000;
const PROGRAM = [
  ...['mov cr3, rax', 'mov r8, [rbx]', 'mov cr3, rdx', 'mov r9, [rbx]', 'mov cr3, rax', 'mov r10, [rbx]'],
  // What a table says changes, and its address space is loaded without keeping anything.
  ...['mov [rcx], rsi', 'mov cr3, rdi', 'mov r11, [rbx]', 'mov cr3, rax', 'mov r12, [rbx]', 'mov cr3, rdx', 'mov r13, [rbx]'],
];
const PCIDS = [0, 1, 2, 17, 33, 0xfff];
const KEEP = 1n << 63n;
const UNTOUCHED = 0x5ca1ab1en;

function outcome(stage: Stage, seed: number): { values: unknown; isQuick: boolean } {
  const random = new Random(seed);
  const { s } = stage;
  s.cr3 = BigInt(AT.tables);
  s.cr4 &= ~(1n << 17n);
  stage.cpu.changed();
  stage.write(OTHER, BigInt(OTHER + 0x1000) | 7n);
  stage.write(OTHER + 0x1000, BigInt(DIRECTORY) | 7n);
  stage.write(DIRECTORY, 0x87n, 0x87n);
  stage.write(READ & 0x1fffff, 0x1111n);
  stage.write((READ & 0x1fffff) + 0x1000, 0x2222n);
  stage.write(READ, 0x3333n);
  const tagged = random.chance(80);
  if (tagged) s.cr4 |= 1n << 17n;
  const pcid = (): bigint => BigInt(tagged ? random.pick(PCIDS) : random.pick([0, 0x18]));
  const keep = (): bigint => (tagged && random.chance(50) ? KEEP : random.chance(4) ? KEEP | (1n << 45n) : 0n);
  const [first, second] = [pcid(), pcid()];
  // With one PCID for both nothing may be kept.
  const kept = first === second ? 0n : keep();
  const rdx = BigInt(OTHER) | second;
  const text = PROGRAM.slice(0, random.chance(70) ? PROGRAM.length : 2 + random.below(PROGRAM.length)).join('\n');
  s.scratch[0] = UNTOUCHED;
  const { fault, error, rip, r8, r9, r10, r11, r12, r13 } = stage.run(
    text,
    {
      rax: BigInt(AT.tables) | first | kept,
      rdx: rdx | (first === second ? 0n : kept),
      rdi: rdx,
      rcx: DIRECTORY + 8,
      rsi: 0x200087n,
      rbx: READ + (random.chance(30) ? 0x1000 : 0),
    },
    { steps: text.split('\n').length },
  );
  const { cr3 } = s;
  return { values: { fault, error, rip, r8, r9, r10, r11, r12, r13, cr3 }, isQuick: s.scratch[0] === UNTOUCHED };
}

it('reads what the present address space maps', () => {
  const [exact, quick] = (['oracle', 'interpreter'] as const).map(
    (name) => new Stage(tiers.find((tier) => tier.name === name) as Tier, 'long'),
  ) as [Stage, Stage];
  let quickly = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    const found = outcome(quick, round);
    expect(found.values, `round ${round}`).toEqual(outcome(exact, round).values);
    if (found.isQuick) quickly++;
  }
  expect(quickly).toBeGreaterThan(ROUNDS / 4);
});
