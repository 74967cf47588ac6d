import { describe, expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { hpet } from './device.ts';
import { Reg, Timer } from './spec.ts';

function timers() {
  const edges: number[] = [];
  const levels = new Map<number, boolean>();
  const replaced: boolean[] = [];
  const bench = deviceBench(hpet, {
    needs: () => ({
      lines: {
        set: (line: number, active: boolean) => {
          if (active && !levels.get(line)) edges.push(line);
          levels.set(line, active);
        },
      },
      legacy: { replaced: (active: boolean) => replaced.push(active) },
    }),
  });
  const set = (at: number, value: number) => bench.write(at, value, 4);
  const get = (at: number) => bench.read(at, 4);
  return { ...bench, edges, levels, replaced, set, get };
}
const timer = (n: number, register = 0) => Reg.Timer0 + n * 0x20 + register;
const route = (line: number) => line << 9;

deviceContract(hpet, {
  disturb: (bench) => {
    bench.write(timer(0, 8), 1000, 4);
    bench.write(timer(0), Timer.Enable | Timer.Periodic | Timer.SetValue | route(20), 4);
    bench.write(Reg.Configuration, 1, 4);
  },
});

it('says what it is: 10 ns, three timers of 64 bits, legacy replacement', () => {
  const t = timers();
  expect([t.get(0), t.get(4), t.get(timer(2)), t.get(timer(2, 4))]).toEqual([0x8086_a201, 10_000_000, 0x30, 0x00f0_0000]);
});

describe('main counter', () => {
  it('counts machine time while it is enabled, and can be set while it is not', () => {
    const t = timers();
    t.advance(1e6);
    expect(t.get(Reg.Counter)).toBe(0);
    t.set(Reg.Counter, 5);
    t.set(Reg.Counter + 4, 1);
    t.set(Reg.Configuration, 1);
    t.advance(1000);
    t.set(Reg.Counter, 77);
    expect([t.get(Reg.Counter), t.get(Reg.Counter + 4)]).toEqual([105, 1]);
    t.set(Reg.Configuration, 0);
    t.advance(1000);
    expect(t.get(Reg.Counter)).toBe(105);
  });
});

describe('comparators', () => {
  it('fire once', () => {
    const t = timers();
    t.set(Reg.Configuration, 1);
    t.set(timer(1), Timer.Enable | Timer.Narrow | route(21));
    t.set(timer(1, 8), 100_000);
    t.advance(999_990);
    expect(t.edges).toEqual([]);
    t.advance(20);
    expect(t.edges).toEqual([21]);
    t.advance(10e9);
    expect(t.edges).toEqual([21]);
    t.advance(43e9); // the lower half of the counter comes round
    expect(t.edges).toEqual([21, 21]);
  });

  it('fire again and again, in step however late they are served', () => {
    const t = timers();
    t.set(Reg.Configuration, 1);
    t.set(timer(0), Timer.Enable | Timer.Periodic | Timer.SetValue | Timer.Narrow | route(20));
    t.set(timer(0, 8), 100_000); // first at 1 ms
    t.set(timer(0, 8), 200_000); // then every 2 ms
    t.advance(7.5e6);
    expect(t.edges).toEqual([20, 20, 20, 20]);
    t.time.ns += 5e6; // nobody serves: 9 and 11 ms pass
    t.machine.deadlines.serve(t.machine.clock.now());
    expect(t.edges).toHaveLength(5);
    t.advance(0.3e6);
    expect(t.edges).toHaveLength(6); // that of 11 ms follows soon
    t.advance(0.3e6);
    expect(t.edges).toHaveLength(7); // 13 ms
    t.time.ns += 1e9; // half a thousand: gone
    t.machine.deadlines.serve(t.machine.clock.now());
    t.advance(1e6);
    expect(t.edges).toHaveLength(8);
  });

  it('hold a level until its status is cleared', () => {
    const t = timers();
    t.set(Reg.Configuration, 1);
    t.set(timer(2), Timer.Enable | Timer.Level | Timer.Narrow | route(23));
    t.set(timer(2, 8), 100);
    t.advance(2000);
    expect([t.levels.get(23), t.get(Reg.Status)]).toEqual([true, 4]);
    t.set(Reg.Status, 4);
    expect([t.levels.get(23), t.get(Reg.Status)]).toEqual([false, 0]);
  });

  it('take the places of interval timer and clock', () => {
    const t = timers();
    t.set(timer(0), Timer.Enable | Timer.Narrow);
    t.set(timer(0, 8), 100);
    t.set(timer(1), Timer.Enable | Timer.Narrow);
    t.set(timer(1, 8), 200);
    t.set(Reg.Configuration, 3);
    t.advance(5000);
    expect([t.edges, t.replaced.at(-1)]).toEqual([[0, 8], true]);
    t.set(Reg.Configuration, 1);
    expect(t.replaced.at(-1)).toBe(false);
  });
});
