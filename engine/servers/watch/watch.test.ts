import { describe, expect, it } from 'vitest';
import { COUNTER_GROUPS } from '../../hypervisor/index.ts';
import { jitHeading, jitLine, jitRows, kstatText, type Row, rowsOf, type Sample, statHeading, statLine } from './stat.ts';
import { eventLine, timesText } from './trace.ts';
import { changedText, checklistText, type Vmcs, vmcsText } from './vmcs.ts';
import { walkText } from './walk.ts';

const counters = (given: Record<string, number>, kept: (name: string) => boolean = () => true) =>
  Object.fromEntries(
    Object.keys(COUNTER_GROUPS[0]?.counters ?? {}).map((name) => [name, kept(name) ? (given[name] ?? 0) : null]),
  );

function sample(
  seconds: number,
  given: Record<string, number>,
  { pid = 4668, kept = (_name: string): boolean => true } = {},
): Sample {
  const groups = [
    { group: 'vcpu', sets: [{ vcpu: 0, counters: counters(given, kept) }] },
    { group: 'vm', sets: [{ vcpu: null, counters: { lpages: 3 } }] },
  ];
  return { name: 'one', counted: { pid, accel: kept('exits') ? 'software' : 'bare', guestNanoseconds: seconds * 1e9, groups } };
}

describe('stat', () => {
  it('prints the columns of kvmstat, rates per second', () => {
    const before = sample(10, { exits: 1000, 'halt-exits': 4, 'io-exits': 7 });
    const after = sample(12, { exits: 1046, 'halt-exits': 16, 'io-exits': 9, 'irq-injections': 12, 'insn-emulation': 33 });
    expect(statHeading() + rowsOf([before], [after]).map(statLine).join('')).toBe(
      [
        '   pid vcpu |  exits :  haltx   irqx  irqwx    iox  mmiox |   irqs   emul   eptv | name\n',
        '  4668    0 |     23 :      6      0      0      1      0 |      6     17      0 | one\n',
      ].join(''),
    );
  });

  it('shows what a back end cannot know as missing, and counts of a new machine since its start', () => {
    const bare = sample(1, { 'io-exits': 5 }, { kept: (name) => name.endsWith('io-exits') });
    expect(rowsOf([], [bare]).map(statLine)).toEqual([
      '  4668    0 |      - :      -      -      -      5      0 |      -      -      - | one\n',
    ]);
    expect(kstatText(bare)).toMatch(/^one: pid 4668, bare, 1\.000 s since power on\nvcpu 0\n {2}exits +not on bare\n/);
    expect(kstatText(bare)).toMatch(/\n {2}io-exits +5\n/);
    expect(kstatText(bare)).toMatch(/\nvm\n {2}lpages +3\n$/);
  });

  it('shows what became of hot code, and how it was used since the row before', () => {
    const row = (used: Record<string, number>) => {
      const made = sample(1, {});
      const jit = {
        'jit-regions': 12,
        'jit-live': 9,
        'jit-modules': 3,
        'jit-bytes': 10_240,
        'jit-refused': 1,
        'jit-instructions': 500,
        'jit-microseconds': 7800,
        'jit-far-live': 4,
        'jit-far-live-bytes': 20_480,
        'jit-far-entries': 5,
        'jit-far-written': 2,
        'jit-far-crowded': 1,
        ...used,
      };
      const groups = [...made.counted.groups, { group: 'jit', sets: [{ vcpu: 0, counters: jit }] }];
      return jitRows([{ ...made, counted: { ...made.counted, groups } }])[0] as Row;
    };
    const causes = { 'jit-missing': 5000, 'jit-asked': 2000, 'jit-stopped': 1500, 'jit-faulted': 500 };
    const first = row({ 'jit-entries': 10_000, 'jit-chains': 40_000, 'jit-retired': 900, 'jit-all-retired': 1000, ...causes });
    const second = row({ ...first.values, 'jit-entries': 12_000, 'jit-missing': 7000, 'jit-all-retired': 1200 } as Record<
      string,
      number
    >);
    expect(jitHeading() + jitLine(first) + jitLine(second, first) + jitLine(row({}))).toBe(
      [
        '   pid vcpu |  regions   in use  modules      KiB  refused     code       ms | share% entered/k chained/k | left%:  none asked  slow fault  turn |     far     KiB entries  away/k | lost: written    anew   reset  failed crowded | name\n',
        '  4668    0 |       12        9        3       10        1      500        8 |     90        10        40 |           50    20    15     5    10 |       4      20       5       - |             2       -       -       -       1 | one\n',
        '  4668    0 |       12        9        3       10        1      500        8 |      0         2         0 |          100     0     0     0     0 |       4      20       5       - |             2       -       -       -       1 | one\n',
        '  4668    0 |       12        9        3       10        1      500        8 |      -         0         0 |            -     -     -     -     - |       4      20       5       - |             2       -       -       -       1 | one\n',
      ].join(''),
    );
  });

  it('divides by no time that has not passed', () => {
    const same = sample(5, { exits: 10 });
    expect(rowsOf([same], [same])[0]?.values.exits).toBe(0);
  });
});

const field = (name: string, value: string, more: Partial<Vmcs['fields'][number]> = {}): Vmcs['fields'][number] => ({
  name,
  encoding: '0x681e',
  width: 'natural',
  area: 'guest',
  value,
  bits: [],
  ...more,
});

describe('vmcs', () => {
  const image: Vmcs = {
    vcpu: 1,
    pointer: '0x41000',
    launched: true,
    fields: [
      field('exitReason', '0x0000001e', { encoding: '0x4402', width: 32, area: 'read-only', bits: ['IO_INSTRUCTION'] }),
      field('guestRip', '0xffffffff81000000'),
    ],
  };

  it('groups fields by area', () => {
    expect(vmcsText(image)).toBe(
      [
        'vCPU 1, VMCS at 0x41000, launched',
        '',
        'controls',
        '',
        'exit information',
        '  exitReason                 0x4402      32          0x0000001e  IO_INSTRUCTION',
        '',
        'guest state',
        '  guestRip                   0x681e natural  0xffffffff81000000',
        '',
        'host state',
        '',
      ].join('\n'),
    );
  });

  it('shows what changed, and nothing when nothing did', () => {
    const later = { ...image, fields: [image.fields[0] as Vmcs['fields'][number], field('guestRip', '0x0000000000001000')] };
    expect(changedText(image, image)).toBe('');
    expect(changedText(image, later)).toBe('changed\n  guestRip                   0xffffffff81000000 ->  0x0000000000001000\n');
  });

  it('prints the checklist of a failed entry with the bits that are wrong', () => {
    const failed = { name: 'pinControls', value: '0x10', ones: '0x16', may: '0x7f' };
    const checks: NonNullable<Vmcs['failure']> = [
      { stage: 'controls', rule: 'CR3-target count', ok: true, fields: [] },
      { stage: 'controls', rule: 'pin controls: reserved bits', ok: false, fields: [failed, { ...failed, value: '0x116' }] },
    ];
    expect(checklistText(checks)).toBe(
      [
        'VM entry failed',
        '  ok     controls  CR3-target count',
        '  FAILED controls  pin controls: reserved bits',
        '         pinControls is 0x10; must be 1: 0x16, may be 1: 0x7f; missing: 0x6',
        '         pinControls is 0x116; must be 1: 0x16, may be 1: 0x7f; not allowed: 0x100',
        '',
      ].join('\n'),
    );
    expect(vmcsText({ ...image, failure: checks })).toMatch(/\nhost state\n\nVM entry failed\n/);
  });
});

describe('walk', () => {
  it('shows every entry with the way through EPT before it', () => {
    const ept = { name: 'EPT PTE', at: '0x283000', value: '0x200037', flags: ['R', 'W', 'X', 'WB'] };
    expect(
      walkText({
        vcpu: 0,
        gva: '0xffff800000001234',
        paging: '4-level',
        ept: true,
        entries: [{ name: 'PTE', at: '0x3008', value: '0x8000000000005063', flags: ['P', 'W', 'A', 'D', 'XD'], ept: [ept] }],
        gpa: '0x5234',
        last: [ept],
        hpa: '0x200234',
        hva: '0x3a00234',
        pageBytes: 4096,
        rights: { write: true, user: false, execute: false },
      }),
    ).toBe(
      [
        'gva 0xffff800000001234  vCPU 0, 4-level paging, EPT below',
        '    EPT PTE   at hpa 0x283000      0x0000000000200037  R W X WB',
        '  PTE    at gpa 0x3008          0x8000000000005063  P W A D XD',
        'gpa 0x0000000000005234',
        '    EPT PTE   at hpa 0x283000      0x0000000000200037  R W X WB',
        "hpa 0x0000000000200234  at 0x3a00234 in the machine's memory",
        'page of 4 KiB',
        'rights: writable, not for users, not executable',
        '',
      ].join('\n'),
    );
  });

  it('says where it ended', () => {
    const entries = [
      { name: 'PDPTE', value: '0x3001', flags: ['P'], ept: [] },
      { name: 'PDE', at: '0x3010', flags: [], ept: [] },
    ];
    const fault = { at: 'PDE', reason: 'no memory is where the entry should be' };
    expect(walkText({ vcpu: 2, gva: '0x400000', paging: 'PAE', ept: false, entries, last: [], fault })).toBe(
      [
        'gva 0x0000000000400000  vCPU 2, PAE paging, no EPT',
        '  PDPTE  in a register          0x0000000000003001  P',
        '  PDE    at gpa 0x3010          not readable',
        'ends at PDE: no memory is where the entry should be',
        '',
      ].join('\n'),
    );
  });
});

describe('trace', () => {
  it('prints an event as one line', () => {
    const args = { reason: 'IO_INSTRUCTION', port: '0x3f8', write: '0x1' };
    const event = { nanoseconds: 1_500_000_250, vcpu: 3, probe: 'exit', args, fields: { guestRip: '0x1000' } };
    expect(eventLine(event)).toBe('     1.500000250  3 exit       IO_INSTRUCTION port=0x3f8 write=0x1 guestRip=0x1000\n');
    expect(eventLine({ ...event, vcpu: null, probe: 'pic', args: { line: '0x4' }, fields: {} })).toBe(
      '     1.500000250  - pic        line=0x4\n',
    );
  });

  it('draws histograms in powers of two, gaps included, and the sums by reason', () => {
    const guest = {
      nanoseconds: 5_000,
      buckets: [
        { from: 512, count: 3 },
        { from: 2048, count: 1 },
      ],
    };
    const handlers = {
      nanoseconds: 900,
      buckets: [
        { from: 0, count: 1 },
        { from: 2, count: 3 },
      ],
    };
    const reasons = [
      { reason: 'CPUID', count: 3, nanoseconds: 300 },
      { reason: 'IO_INSTRUCTION', count: 1, nanoseconds: 600 },
    ];
    const lines = timesText({ vcpu: 0, guest, handlers, halted: { nanoseconds: 0, buckets: [] }, reasons }).split('\n');
    expect(lines[0]).toBe('vCPU 0: time in the guest until an exit: 4 times, 0.005 ms');
    expect(lines.slice(2, 5)).toEqual([
      `           512 |${'@'.repeat(30)}           3`,
      `          1024 |${' '.repeat(40)} 0`,
      `          2048 |${'@'.repeat(10)}${' '.repeat(30)} 1`,
    ]);
    expect(lines.filter((line) => /^ +(0|2) \|/.test(line)).length).toBe(2);
    expect(lines.at(-3)).toMatch(/^ {2}IO_INSTRUCTION +1 +0\.001 +600$/);
    expect(lines.at(-2)).toMatch(/^ {2}CPUID +3 +0\.000 +100$/);
  });
});
