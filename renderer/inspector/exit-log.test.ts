import { describe, expect, it } from 'vitest';
import { ExitLog } from './exit-log.ts';
import { tickStep, zoomed } from './timeline.ts';

const exit = (nanoseconds: number, vcpu: number, reason = 'HLT') => ({
  ...{ nanoseconds, vcpu },
  args: { reason, rip: `0x${nanoseconds.toString(16)}`, qualification: '0xffffffffffffffff', info: '0x0' },
  fields: { guestCr3: '0x5000' },
});

describe('the log of exits', () => {
  it('tells each exit again, with the time until the next one of the same vCPU', () => {
    const log = new ExitLog();
    log.add([exit(100, 0), exit(150, 1, 'CPUID'), exit(400, 0)]);
    expect(log.row(0)).toMatchObject({ vcpu: 0, reason: 'HLT', rip: 100n, qualification: (1n << 64n) - 1n, until: 300 });
    expect(log.row(1)).toMatchObject({ vcpu: 1, reason: 'CPUID', until: undefined, fields: { guestCr3: 0x5000n, guestRsp: 0n } });
  });

  it('finds exits by time', () => {
    const log = new ExitLog();
    log.add([exit(10, 0), exit(20, 0), exit(20, 1), exit(30, 0)]);
    expect([log.find(0), log.find(20), log.find(21), log.find(31)]).toEqual([0, 1, 3, 4]);
  });

  it('keeps the newest when it is full, and counts those it forgot', () => {
    const log = new ExitLog(4096);
    log.add(Array.from({ length: 10_000 }, (_, at) => exit(at, at % 2)));
    expect(log.length).toBeLessThanOrEqual(4096);
    expect(log.length + log.forgotten).toBe(10_000);
    expect(log.row(log.length - 1).nanoseconds).toBe(9999);
    expect(log.time(0)).toBe(log.forgotten);
    expect(log.until(0)).toBe(2);
  });

  it('holds a million exits, and finds one of them at once', () => {
    const log = new ExitLog();
    const one = { ...exit(0, 0), nanoseconds: 0 };
    for (; one.nanoseconds < 1_000_000; one.nanoseconds++) log.add([one]);
    expect(log.length).toBe(1_000_000);
    expect(log.find(765_432)).toBe(765_432);
  });
});

it('a histogram counts powers of two and leaves out what has not ended', () => {
  const log = new ExitLog();
  for (const nanoseconds of [0, 0, 1, 3, 6, 10]) log.add([{ ...exit(0, 0), nanoseconds }]);
  const [none, whole] = [new Set<number>(), { from: 0, to: log.length }];
  expect(log.histogram({ ...whole, hidden: none })).toEqual([2, 2, 1]);
  expect(log.histogram({ from: 2, to: 4, hidden: none })).toEqual([0, 2]);
  expect(log.histogram({ ...whole, hidden: new Set([log.reason(0)]) })).toEqual([]);
});

it('the timeline zooms around a moment, and its ticks are round', () => {
  expect(zoomed({ from: 0, to: 10_000 }, 2500, 0.5)).toEqual({ from: 1250, to: 6250 });
  expect([tickStep(1000, 10), tickStep(1100, 10), tickStep(3000, 10)]).toEqual([100, 200, 500]);
});
