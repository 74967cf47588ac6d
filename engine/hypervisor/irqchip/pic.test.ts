import { expect, test } from 'vitest';
import { type Chips, chips, initializePics } from './testing/chips.ts';

function ready(icw4 = 1): Chips {
  const bench = chips(1);
  initializePics(bench, icw4);
  return bench;
}
const raise = ({ irqchip }: Chips, line: number) => irqchip.pic.setLine(line, true);
const lower = ({ irqchip }: Chips, line: number) => irqchip.pic.setLine(line, false);

test.each([
  [[0], [0x30]],
  [
    [3, 1],
    [0x31, 0x33],
  ],
  [
    [15, 8, 7],
    [0x38, 0x3f, 0x37],
  ],
  [
    [10, 1, 9],
    [0x31, 0x39, 0x3a],
  ],
])('lines %j are acknowledged by priority, with an EOI between', (lines, vectors) => {
  const bench = ready();
  for (const line of lines) raise(bench, line);
  const got = vectors.map(() => {
    const vector = bench.irqchip.pic.acknowledge();
    if (vector >= 0x38) bench.outb(0xa0, 0x20);
    bench.outb(0x20, 0x20);
    return vector;
  });
  expect(got).toEqual(vectors);
  expect(bench.irqchip.pic.output).toBe(false);
});

test('a line in service blocks its own and lower priorities until its EOI, higher ones interrupt', () => {
  const bench = ready();
  raise(bench, 4);
  expect(bench.irqchip.pic.acknowledge()).toBe(0x34);
  raise(bench, 5);
  expect(bench.irqchip.pic.output).toBe(false);
  raise(bench, 1);
  expect(bench.irqchip.pic.acknowledge()).toBe(0x31);
  bench.outb(0x20, 0x61); // specific EOI of line 1
  bench.outb(0x20, 0x0b);
  expect(bench.inb(0x20)).toBe(0x10);
  bench.outb(0x20, 0x20);
  expect(bench.irqchip.pic.acknowledge()).toBe(0x35);
});

test('nothing to acknowledge gives the spurious vector and no line in service', () => {
  const bench = ready();
  expect(bench.irqchip.pic.acknowledge()).toBe(0x37);
  bench.outb(0x20, 0x0b);
  expect(bench.inb(0x20)).toBe(0);
});

test('an edge is latched once; a level asks as long as it is held', () => {
  const bench = ready();
  raise(bench, 5);
  raise(bench, 5);
  bench.irqchip.pic.acknowledge();
  bench.outb(0x20, 0x20);
  expect(bench.irqchip.pic.output).toBe(false);
  lower(bench, 5);
  bench.outb(0x4d0, 0xff);
  expect(bench.inb(0x4d0)).toBe(0xf8);
  raise(bench, 5);
  bench.irqchip.pic.acknowledge();
  bench.outb(0x20, 0x20);
  expect(bench.irqchip.pic.output).toBe(true);
  lower(bench, 5);
  expect(bench.irqchip.pic.output).toBe(false);
});

test('a slave request that goes away leaves the cascade quiet', () => {
  const bench = ready();
  bench.outb(0x4d1, 0xff);
  expect(bench.inb(0x4d1)).toBe(0xde);
  raise(bench, 11);
  expect(bench.irqchip.pic.output).toBe(true);
  lower(bench, 11);
  expect(bench.irqchip.pic.output).toBe(false);
});

test('masks hold requests back and keep them', () => {
  const bench = ready();
  bench.outb(0x21, 0x08);
  raise(bench, 3);
  expect([bench.irqchip.pic.output, bench.inb(0x20), bench.inb(0x21)]).toEqual([false, 8, 8]);
  bench.outb(0x21, 0);
  expect(bench.irqchip.pic.acknowledge()).toBe(0x33);
});

test.each([
  ['rotate on non-specific EOI', 0xa0],
  ['rotate on specific EOI of line 2', 0xe2],
  ['set priority: line 2 lowest', 0xc2],
])('%s makes line 3 the highest', (_name, command) => {
  const bench = ready();
  bench.outb(0xa1, 0xff);
  bench.irqchip.pic.state.irr[0] = 0;
  bench.outb(0x20, 0xc1); // line 2 highest
  bench.irqchip.pic.state.isr[0] = command === 0xc2 ? 0 : 4;
  bench.outb(0x20, command);
  raise(bench, 0);
  raise(bench, 3);
  expect(bench.irqchip.pic.acknowledge()).toBe(0x33);
});

test('automatic EOI leaves nothing in service, and rotates when told', () => {
  const bench = ready(3);
  raise(bench, 4);
  expect(bench.irqchip.pic.acknowledge()).toBe(0x34);
  bench.outb(0x20, 0x0b);
  expect(bench.inb(0x20)).toBe(0);
  bench.outb(0x20, 0x80);
  raise(bench, 6);
  bench.irqchip.pic.acknowledge();
  raise(bench, 7);
  raise(bench, 0);
  expect(bench.irqchip.pic.acknowledge()).toBe(0x37);
});

test('special mask mode lets lower lines in while one is in service', () => {
  const bench = ready();
  raise(bench, 1);
  bench.irqchip.pic.acknowledge();
  raise(bench, 6);
  expect(bench.irqchip.pic.output).toBe(false);
  bench.outb(0x21, 0x02);
  bench.outb(0x20, 0x68);
  expect(bench.irqchip.pic.acknowledge()).toBe(0x36);
});

test('special fully nested mode lets the slave interrupt itself', () => {
  for (const [icw4, expected] of [
    [0x01, false],
    [0x11, true],
  ] as const) {
    const bench = ready(icw4);
    raise(bench, 12);
    bench.irqchip.pic.acknowledge();
    raise(bench, 9);
    expect(bench.irqchip.pic.output).toBe(expected);
  }
});

test('a poll acknowledges by reading', () => {
  const bench = ready();
  raise(bench, 5);
  bench.outb(0x20, 0x0c);
  expect(bench.inb(0x20)).toBe(0x85);
  bench.outb(0x20, 0x0c);
  expect(bench.inb(0x20)).toBe(0);
  expect(bench.irqchip.pic.output).toBe(false);
});

test('initialization clears masks, service and edges', () => {
  const bench = ready();
  raise(bench, 6);
  bench.irqchip.pic.acknowledge();
  bench.outb(0x21, 0xff);
  initializePics(bench);
  expect([bench.inb(0x20), bench.inb(0x21), bench.irqchip.pic.output]).toEqual([0, 0, false]);
  raise(bench, 6); // the line never fell, but its edge memory was cleared
  expect(bench.irqchip.pic.output).toBe(true);
});
