import { expect, test } from 'vitest';
import { type Counter, counterAt, outputAt, risingAfter } from './pit-counter.ts';
import { type Chips, chips, initializePics } from './testing/chips.ts';

const TICK = 1e9 / 1_193_182;
const counter = (mode: number, count: number, rest: Partial<Counter> = {}): Counter => ({
  mode,
  count,
  decimal: false,
  running: true,
  stopped: false,
  ticks: 0,
  ...rest,
});

test.each([
  // mode, count, ticks, counter, output, next rise: rows of the data sheet's wave forms
  [0, 4, 0, 4, false, 4],
  [0, 4, 3, 1, false, 4],
  [0, 4, 4, 0, true, undefined],
  [0, 4, 5, 0xffff, true, undefined],
  [1, 3, 0, 3, false, 3],
  [1, 3, 3, 0, true, undefined],
  [2, 3, 0, 3, true, 3],
  [2, 3, 1, 2, true, 3],
  [2, 3, 2, 1, false, 3],
  [2, 3, 3, 3, true, 6],
  [3, 4, 0, 4, true, 4],
  [3, 4, 1, 2, true, 4],
  [3, 4, 2, 4, false, 4],
  [3, 4, 3, 2, false, 4],
  [3, 5, 0, 4, true, 5],
  [3, 5, 1, 4, true, 5],
  [3, 5, 2, 2, true, 5],
  [3, 5, 3, 4, false, 5],
  [3, 5, 4, 2, false, 5],
  [4, 3, 2, 1, true, 4],
  [4, 3, 3, 0, false, 4],
  [4, 3, 4, 0xffff, true, undefined],
  [5, 3, 3, 0, false, 4],
  [0, 65536, 65535, 1, false, 65536],
])('mode %i, count %i, after %i ticks: reads %i, output %s, rises at %s', (mode, count, ticks, value, output, rise) => {
  const c = counter(mode, count, { ticks });
  expect([counterAt(c), outputAt(c), risingAfter(c)]).toEqual([value, output, rise]);
});

test('decimal counts, and outputs before the count is complete or while the gate is low', () => {
  expect(counterAt(counter(0, 1234, { decimal: true, ticks: 5 }))).toBe(0x1229);
  expect(counterAt(counter(0, 2, { decimal: true, ticks: 3 }))).toBe(0x9999);
  expect([0, 1, 2, 3, 4, 5].map((mode) => outputAt(counter(mode, 9, { running: false })))).toEqual([
    false,
    true,
    true,
    true,
    true,
    true,
  ]);
  expect([2, 3].map((mode) => outputAt(counter(mode, 9, { stopped: true, ticks: 8 })))).toEqual([true, true]);
  expect(risingAfter(counter(2, 9, { stopped: true }))).toBeUndefined();
});

function program({ outb }: Chips, { channel, mode, count }: { channel: number; mode: number; count: number }): void {
  outb(0x43, (channel << 6) | 0x30 | (mode << 1));
  outb(0x40 + channel, count & 0xff);
  outb(0x40 + channel, count >>> 8);
}
const read16 = ({ inb }: Chips, channel: number) => inb(0x40 + channel) | (inb(0x40 + channel) << 8);

test('a latched count stays until it is read; the next read is live', () => {
  const bench = chips(1);
  program(bench, { channel: 0, mode: 2, count: 1000 });
  bench.time.ns += Math.ceil(100 * TICK);
  bench.outb(0x43, 0x00);
  bench.time.ns += Math.ceil(100 * TICK);
  bench.outb(0x43, 0x00); // ignored: one is waiting
  expect([read16(bench, 0), read16(bench, 0)]).toEqual([900, 800]);
});

test('read-back latches count and status; status comes first', () => {
  const bench = chips(1);
  program(bench, { channel: 2, mode: 3, count: 0x1234 });
  bench.outb(0x43, 0xc8);
  expect(bench.inb(0x42)).toBe(0xb6); // output high, two bytes, mode 3
  expect(read16(bench, 2)).toBe(0x1234);
  bench.outb(0x43, 0xb0);
  bench.outb(0x43, 0xe8);
  expect(bench.inb(0x42)).toBe(0x70); // mode 0: output low, no count yet
});

test('single-byte access modes', () => {
  const bench = chips(1);
  bench.outb(0x43, 0x94);
  bench.outb(0x42, 7);
  bench.outb(0x61, 1);
  expect(bench.inb(0x42)).toBe(7);
  bench.outb(0x43, 0xa4);
  bench.outb(0x42, 2);
  bench.outb(0x61, 0);
  bench.outb(0x61, 1);
  expect(bench.inb(0x42)).toBe(2);
});

test('gate 2 by port 61h holds mode 0, reloads mode 3 and triggers mode 1; the output is bit 5', () => {
  const bench = chips(1);
  const out2 = () => (bench.inb(0x61) >>> 5) & 1;
  bench.outb(0x61, 0);
  program(bench, { channel: 2, mode: 0, count: 1000 });
  bench.time.ns += Math.ceil(5000 * TICK);
  expect([read16(bench, 2), out2()]).toEqual([1000, 0]);
  bench.outb(0x61, 3);
  bench.time.ns += Math.ceil(400 * TICK);
  expect(read16(bench, 2)).toBe(600);
  bench.outb(0x61, 2);
  bench.time.ns += Math.ceil(5000 * TICK);
  bench.outb(0x61, 3);
  bench.time.ns += Math.ceil(599 * TICK);
  expect(out2()).toBe(0);
  bench.time.ns += Math.ceil(2 * TICK);
  expect([out2(), bench.inb(0x61) & 3]).toEqual([1, 3]);
  program(bench, { channel: 2, mode: 1, count: 100 });
  bench.time.ns += Math.ceil(200 * TICK);
  expect([out2(), read16(bench, 2)]).toEqual([1, 100]);
  bench.outb(0x61, 0);
  bench.outb(0x61, 1);
  expect(out2()).toBe(0);
  bench.time.ns += Math.ceil(101 * TICK);
  expect(out2()).toBe(1);
});

test('a new count in mode 2 takes over at the end of the cycle', () => {
  const bench = chips(1);
  program(bench, { channel: 2, mode: 2, count: 1000 });
  bench.outb(0x61, 1);
  bench.time.ns += Math.ceil(400 * TICK);
  bench.outb(0x42, 100);
  bench.outb(0x42, 0);
  expect(read16(bench, 2)).toBe(600);
  bench.time.ns += Math.ceil(610 * TICK);
  expect(read16(bench, 2)).toBe(90);
});

test('channel 0 interrupts through the 8259 as often as programmed', () => {
  const bench = chips(1);
  initializePics(bench);
  program(bench, { channel: 0, mode: 2, count: 11932 }); // 10 ms
  const vectors: number[] = [];
  for (let ms = 0; ms < 100; ms++) {
    bench.advance(1e6);
    if (bench.irqchip.pending(0)) {
      vectors.push(bench.irqchip.acknowledge(0));
      bench.outb(0x20, 0x20);
    }
  }
  // The control word raises the output: the first. The end of the tenth period comes 0.15 us after the loop.
  expect(vectors).toEqual(Array(10).fill(0x30));
});

test('mode 0 interrupts once, a control word alone never', () => {
  const bench = chips(1);
  initializePics(bench);
  bench.outb(0x43, 0x30);
  bench.advance(1e9);
  expect(bench.irqchip.pending(0)).toBe(false);
  bench.outb(0x40, 0xff);
  bench.outb(0x40, 0x00);
  bench.advance(300_000);
  expect(bench.irqchip.acknowledge(0)).toBe(0x30);
  bench.outb(0x20, 0x20);
  bench.advance(1e9);
  expect(bench.irqchip.pending(0)).toBe(false);
});

test('one tick per period does not hold the thread that serves deadlines', () => {
  const bench = chips(1);
  program(bench, { channel: 0, mode: 2, count: 1 });
  const before = bench.machine.deadlines.next();
  bench.advance(1e6);
  expect(bench.machine.deadlines.next() - before).toBeGreaterThanOrEqual(200_000);
  bench.time.ns = 0;
  expect(read16(bench, 0)).toBeLessThanOrEqual(1);
});

test('the speaker plays channel 2 as a square wave behind its gate and its data bit, and says so at each change', () => {
  const bench = chips(1);
  const heard: number[] = [];
  bench.irqchip.speaker = (hertz) => heard.push(Math.round(hertz));
  program(bench, { channel: 2, mode: 3, count: 1193 });
  expect(heard).toEqual([]);
  bench.outb(0x61, 1); // counts, but nobody hears it
  bench.outb(0x61, 3);
  bench.outb(0x61, 3);
  program(bench, { channel: 2, mode: 3, count: 2386 });
  bench.outb(0x61, 0);
  expect(heard).toEqual([1000, 0, 500, 0]); // a control word stops the wave until the count is complete
});
