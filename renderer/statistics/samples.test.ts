import { describe, expect, it } from 'vitest';
import { countersOf, ratesAsCsv, ratesAsJson, ratesBetween, type Sample, sumOf } from './samples.ts';

const counted = (exits: number) => ({
  groups: [
    { group: 'vcpu', sets: [{ counters: { exits, 'nmi-exits': null } }, { counters: { exits: 1, 'nmi-exits': null } }] },
    { group: 'vm', sets: [{ counters: { lpages: 7 } }] },
  ],
});
const sample = (at: number, change: Partial<Sample> = {}): Sample => ({
  ...{
    at,
    guestSeconds: at,
    counters: countersOf(counted(at * 100)),
    instructions: at * 5e6,
    hostCpuSeconds: at / 2,
    residentBytes: 100,
  },
  ...change,
});

describe('counters', () => {
  it('are summed over vCPUs, and stay absent where nobody counts', () => {
    const counters = countersOf(counted(41));
    expect(counters.get('exits')).toEqual({ group: 'vcpu', each: [41, 1], total: 42 });
    expect(counters.get('nmi-exits')?.total).toBeNull();
  });

  it('become rates of machine time, while speed and load are of host time', () => {
    const rates = ratesBetween(sample(10), sample(12, { guestSeconds: 11 }));
    expect(rates?.counters.get('exits')).toBe(200);
    expect(rates?.counters.has('nmi-exits')).toBe(false);
    expect(rates).toMatchObject({ mips: 5, cpuPercent: 50 });
  });

  it('stand still while the machine does', () => {
    expect(ratesBetween(sample(10), sample(11, { guestSeconds: 10 }))?.counters.get('exits')).toBe(0);
  });

  it('of another run are no rates', () => {
    expect(ratesBetween(sample(10), sample(11, { guestSeconds: 1 }))).toBeUndefined();
  });

  it('tell how much compiled regions did, and all machines together', () => {
    const tiers = (compiled: number, all: number) =>
      countersOf({ groups: [{ group: 'jit', sets: [{ counters: { 'jit-retired': compiled, 'jit-all-retired': all } }] }] });
    const fast = ratesBetween(
      sample(10, { counters: tiers(0, 0) }),
      sample(11, { counters: tiers(75, 100), instructions: 80e6 }),
    );
    const slow = ratesBetween(sample(10, { counters: tiers(0, 0) }), sample(11, { counters: tiers(0, 10), instructions: 60e6 }));
    expect([fast?.compiledPercent, slow?.compiledPercent]).toEqual([75, 0]);
    if (fast === undefined || slow === undefined) return;
    // Of 40 million instructions each second, 30 run three quarters compiled and 10 not at all.
    expect(sumOf([fast, slow])).toMatchObject({ mips: 40, compiledPercent: 56.25, cpuPercent: 100, residentBytes: 200 });
    expect(sumOf([fast, slow])?.counters.get('jit-all-retired')).toBe(110);
    expect(sumOf([])).toBeUndefined();
  });

  it('are exported whole', () => {
    const rates = ratesBetween(sample(10), sample(11));
    const all = new Map([['one', rates === undefined ? [] : [rates]]]);
    expect(ratesAsCsv(all).split('\n')).toEqual([
      'time,machine,mips,compiled-percent,cpu-percent,resident-bytes,exits,lpages',
      '1970-01-01T00:00:11.000Z,one,5,,50,100,100,0',
      '',
    ]);
    expect(JSON.parse(ratesAsJson(all))).toMatchObject({ one: [{ mips: 5, counters: { exits: 100 } }] });
  });
});
