import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { outcomeOf, parseClaims, parseEntries } from './tasks/kvm-unit-entries.ts';
import { root } from './tasks/run.ts';

const list = `# comment
[plain]
file = plain.flat

[full]
file = full.flat
smp = 2
test_args = 'one two'
qemu_params = -cpu max -m 4g
timeout = 30
`;

describe('list of entries', () => {
  it('is read with its defaults', () => {
    expect(parseEntries(list)).toEqual([
      { name: 'plain', file: 'plain.flat', vcpus: 1, memoryMiB: 256, append: '', timeout: 90 },
      { name: 'full', file: 'full.flat', vcpus: 2, memoryMiB: 4096, append: 'one two', timeout: 30 },
    ]);
  });
});

describe('table of claims', () => {
  const table = readFileSync(join(root, 'build/kvm-unit-tests.md'), 'utf8');

  const rows = parseClaims(table);

  it('has one row per entry of the suite, and a reason where a claim is not made', () => {
    expect(rows.size).toBe(87);
    for (const [name, { bare, software, remark }] of rows) {
      if (bare !== 'must pass' || software !== 'must pass') expect(remark, name).not.toBe('');
    }
  });

  it.each(['bare', 'software'] as const)('says the counts of its rows on %s', (accel) => {
    const count = (claim: string) => [...rows.values()].filter((row) => row[accel] === claim).length;
    const said = new RegExp(`On \`${accel}\`[^.]*?(\\d+) must pass, (\\d+) are not claimed, (\\d+) differ`).exec(table);
    expect(said?.slice(1).map(Number)).toEqual([count('must pass'), count('not claimed'), count('known difference')]);
  });

  it('refuses a row whose claim is no claim', () => {
    expect(parseClaims('| e | p | 1 | must pass | not claimed: passes | r |').get('e')).toEqual({
      bare: 'must pass',
      software: 'not claimed',
      remark: 'r',
    });
    expect(() => parseClaims('| e | p | 1 | must pass | x | |')).toThrow('e: "x" is none of');
  });
});

it.each([
  [1, 'passed'],
  [77, 'skipped'],
  [155, 'failed'],
  [3, 'failed'],
  [0, 'failed'],
  [null, 'failed'],
])('exit status %j is %s', (status, outcome) => {
  expect(outcomeOf({ status, stderr: '' })).toBe(outcome);
});

it('a triple fault is no pass, although its exit status is that of value 0', () => {
  const stderr = '\nrootmode: machine-1: triple fault on vCPU 0 after 12 instructions\n';
  expect(outcomeOf({ status: 1, stderr })).toBe('failed');
});
