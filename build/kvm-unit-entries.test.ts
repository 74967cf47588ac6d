import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { claimUnder, outcomeOf, parseClaims, parseEntries } from './tasks/kvm-unit-entries.ts';
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

describe('claims under an accelerator', () => {
  const entry = (file: string) => ({ name: 'x', file, vcpus: 1, memoryMiB: 256, append: '', timeout: 90 });
  const row = (claim: 'must pass' | 'not claimed' | 'known difference', remark = '') => ({ claim, remark });

  it('are those of the table on bare, without VMX and with hypercalls on software', () => {
    expect(claimUnder('bare', entry('vmx.flat'), row('must pass'))).toBe('must pass');
    expect(claimUnder('software', entry('vmx.flat'), row('must pass'))).toBe('not claimed');
    expect(claimUnder('software', entry('hypercall.flat'), row('known difference', 'x; passes on `software`'))).toBe('must pass');
    expect(claimUnder('bare', entry('hypercall.flat'), row('known difference', 'x; passes on `software`'))).toBe(
      'known difference',
    );
    expect(claimUnder('software', entry('pku.flat'), row('not claimed'))).toBe('not claimed');
    expect(claimUnder('software', entry('new.flat'), undefined)).toBe('not in the table');
  });
});

describe('table of claims', () => {
  const table = readFileSync(join(root, 'build/kvm-unit-tests.md'), 'utf8');

  it('has one row per entry of the suite, with one claim and a reason where it is not met', () => {
    const rows = parseClaims(table);
    expect(rows.size).toBe(87);
    for (const [name, { claim, remark }] of rows) if (claim !== 'must pass') expect(remark, name).not.toBe('');
  });

  it('says the counts of its rows', () => {
    const count = (claim: string) => [...parseClaims(table).values()].filter((row) => row.claim === claim).length;
    const said = /(\d+) must pass, (\d+) are not claimed, (\d+) differ/.exec(table);
    expect(said?.slice(1).map(Number)).toEqual([count('must pass'), count('not claimed'), count('known difference')]);
  });

  it('refuses a row with two claims', () => {
    expect(() => parseClaims('| e | p | 1 | x | x | | |')).toThrow('e: one of the three');
  });
});

it.each([
  [1, 'passed'],
  [155, 'skipped'],
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
