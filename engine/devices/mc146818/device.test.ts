import { describe, expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { mc146818 } from './device.ts';
import { A, B, C, Index } from './spec.ts';
import { fromRegisters, nextAlarm, toRegisters } from './time.ts';

/** 2026-11-21 13:45:56.5 UTC, a Saturday. */
const START = Date.UTC(2026, 10, 21, 13, 45, 56) * 1000 + 500_000;

function clock(start = START) {
  let passed = () => 0;
  const bench = deviceBench(mc146818, { needs: () => ({ calendar: { microseconds: () => start + passed() / 1000 } }) });
  passed = () => bench.time.ns - 1e9;
  const get = (index: number) => {
    bench.write(0, index);
    return bench.read(1);
  };
  const set = (index: number, value: number) => {
    bench.write(0, index);
    bench.write(1, value);
  };
  bench.device.reset();
  return { ...bench, get, set };
}

deviceContract(mc146818, {
  disturb: (bench) => {
    for (const [index, value] of [
      [Index.B, 0x72],
      [Index.A, 0x2a],
      [0x40, 7],
    ] as const) {
      bench.write(0, index);
      bench.write(1, value);
    }
  },
});

describe('time', () => {
  it('stands in BCD and 24 hours at power-on', () => {
    const c = clock();
    const seen = [Index.Seconds, Index.Minutes, Index.Hours, Index.Weekday, Index.Day, Index.Month, Index.Year, Index.Century];
    expect(seen.map(c.get)).toEqual([0x56, 0x45, 0x13, 0x07, 0x21, 0x11, 0x26, 0x20]);
  });

  it('follows register B: binary and 12 hours', () => {
    const c = clock();
    c.set(Index.B, B.Binary);
    expect([c.get(Index.Seconds), c.get(Index.Hours)]).toEqual([56, 0x81]);
  });

  it('goes on by itself', () => {
    const c = clock();
    c.advance(10e9);
    expect([c.get(Index.Minutes), c.get(Index.Seconds)]).toEqual([0x46, 0x06]);
  });

  it('is set while SET holds it, and continues from there', () => {
    const c = clock();
    c.set(Index.B, B.Set | B.Hours24);
    c.advance(5e9);
    expect(c.get(Index.Seconds)).toBe(0x56); // held
    for (const [index, value] of [
      [Index.Seconds, 0x58],
      [Index.Minutes, 0x59],
      [Index.Hours, 0x23],
      [Index.Day, 0x31],
      [Index.Month, 0x12],
      [Index.Year, 0x99],
      [Index.Century, 0x19],
    ] as const) {
      c.set(index, value);
    }
    c.set(Index.B, B.Hours24);
    c.advance(2.6e9);
    expect([Index.Seconds, Index.Hours, Index.Day, Index.Month, Index.Year, Index.Century].map(c.get)).toEqual([
      0, 0, 1, 1, 0, 0x20,
    ]);
  });

  it('is the calendar of JavaScript for four centuries', () => {
    for (let day = -40_000; day < 106_000; day += 13) {
      const date = new Date(day * 86_400_000);
      const [, , , weekday, of, month, year, century] = toRegisters(day * 86_400, B.Binary | B.Hours24);
      const expected = [date.getUTCDay() + 1, date.getUTCDate(), date.getUTCMonth() + 1, date.getUTCFullYear() % 100];
      expect([weekday, of, month, year], `day ${day}`).toEqual(expected);
      expect(century).toBe(Number.parseInt(String(Math.floor(date.getUTCFullYear() / 100)), 16));
    }
  });

  it.each([0, B.Binary, B.Hours24, B.Binary | B.Hours24])('is the same read and written in format %i', (b) => {
    for (const at of [0, 951_782_400, 1_709_164_800 + 43_200, 4_102_444_799])
      expect(fromRegisters(toRegisters(at, b), b)).toBe(at);
  });

  it('shows the update in progress just before a second ends', () => {
    const c = clock();
    expect(c.get(Index.A) & A.Updating).toBe(0);
    c.advance(499e6);
    expect(c.get(Index.A) & A.Updating).toBe(A.Updating);
    c.advance(2e6);
    expect(c.get(Index.A) & A.Updating).toBe(0);
  });
});

describe('interrupts', () => {
  it('come when an update ends, once until C is read', () => {
    const c = clock();
    c.set(Index.B, B.Hours24 | B.UpdateEnded);
    c.get(Index.C);
    c.advance(3e9);
    expect([c.lines.intr, c.edges.intr]).toEqual([true, 1]);
    expect(c.get(Index.C)).toBe(C.Any | C.UpdateEnded | C.Periodic); // the periodic flag needs no enable
    expect(c.lines.intr).toBe(false);
  });

  it('come at the alarm, with bytes that match anything', () => {
    const c = clock();
    c.set(Index.SecondsAlarm, 0x10);
    c.set(Index.MinutesAlarm, 0xff);
    c.set(Index.HoursAlarm, 0xc0);
    c.set(Index.B, B.Hours24 | B.Alarm);
    c.advance(13e9);
    expect(c.lines.intr).toBe(false);
    c.advance(1e9);
    expect(c.lines.intr).toBe(true);
    expect(c.get(Index.C) & (C.Any | C.Alarm)).toBe(C.Any | C.Alarm);
  });

  it.each([
    // from 13:45:56                     h     m     s   seconds until it rings
    ['the next second', 0xc0, 0xff, 0xff, 1],
    ['a second that is over', 0xff, 0xff, 0x56, 60],
    ['a minute that is over', 0xff, 0x45, 0x10, 3600 - 46],
    ['the same second tomorrow', 0x13, 0x45, 0x56, 86_400],
    ['midnight', 0x00, 0x00, 0x00, 10 * 3600 + 14 * 60 + 4],
    ['no time at all', 0x24, 0x00, 0x00, undefined],
  ])('find %s', (_what, hours, minutes, seconds, expected) => {
    const from = START / 1e6 - 0.5;
    const at = nextAlarm(from, { hours, minutes, seconds }, B.Hours24);
    expect(at === undefined ? undefined : at - from).toBe(expected);
  });

  it('come periodically at the rate of register A', () => {
    const c = clock();
    c.set(Index.A, 0x26); // 1024 Hz
    c.set(Index.B, B.Hours24 | B.Periodic);
    let seen = 0;
    for (let i = 0; i < 1000; i++) {
      c.advance(100_000);
      if (c.lines.intr) {
        seen++;
        expect(c.get(Index.C) & C.Periodic).toBe(C.Periodic);
      }
    }
    expect(seen).toBeGreaterThanOrEqual(101);
    expect(seen).toBeLessThanOrEqual(103);
  });

  it('leave flags for those who poll', () => {
    const c = clock();
    c.get(Index.C);
    c.advance(1e9);
    expect(c.get(Index.C)).toBe(C.UpdateEnded | C.Periodic);
    expect(c.lines.intr).toBe(false);
  });
});

it('keeps CMOS bytes in both banks', () => {
  const c = clock();
  c.set(0x40, 0x12);
  c.write(2, 0x40);
  c.write(3, 0x34);
  expect([c.get(0x40), c.read(3)]).toEqual([0x12, 0x34]);
});

it('bears a calendar that steps back', () => {
  const c = clock();
  c.set(Index.B, B.Hours24 | B.UpdateEnded);
  c.time.ns -= 5e8;
  expect(c.get(Index.Seconds)).toBe(0x56);
  c.advance(2e9);
  expect(c.lines.intr).toBe(true);
});
