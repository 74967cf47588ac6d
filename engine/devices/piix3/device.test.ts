import { expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { piix3 } from './device.ts';

function bridge() {
  const active = new Set<number>();
  const happened: string[] = [];
  const bench = deviceBench(piix3, {
    needs: () => ({
      lines: { set: (irq: number, on: boolean) => (on ? active.add(irq) : active.delete(irq)) },
      signals: { reset: () => happened.push('reset'), powerOff: () => undefined, debugExit: () => undefined },
    }),
  });
  const { api } = bench.device;
  const route = (pirq: number, to: number) => api.config.write(0x60 + pirq, 1, to);
  return { ...bench, api, active, happened, route };
}

deviceContract(piix3, {
  disturb: ({ device }) => {
    device.api.config.write(0x60, 4, 0x0b0b0a0a);
    device.api.setPin({ slot: 3, fn: 0, pin: 0 }, true);
  },
});

it('is a multifunction ISA bridge', () => {
  const { api } = bridge();
  expect([api.config.read(0, 4), api.config.read(8, 4) >>> 8, api.config.read(0x0e, 1)]).toEqual([0x70008086, 0x060100, 0x80]);
});

it('brings pins to the routed lines, shared ones as long as anybody asks', () => {
  const b = bridge();
  const pin = (slot: number, at: number, on: boolean) => b.api.setPin({ slot, fn: 0, pin: at }, on);
  pin(3, 0, true); // PIRQC
  expect([...b.active]).toEqual([]);
  b.route(2, 11);
  expect([...b.active]).toEqual([11]);
  pin(2, 1, true); // PIRQC as well
  pin(3, 0, false);
  expect([...b.active]).toEqual([11]);
  b.route(2, 10);
  expect([...b.active]).toEqual([10]);
  pin(2, 1, false);
  expect([...b.active]).toEqual([]);
});

it('keeps the pins of functions of one slot apart', () => {
  const b = bridge();
  b.route(0, 5);
  b.api.setPin({ slot: 1, fn: 2, pin: 0 }, true);
  b.api.setPin({ slot: 1, fn: 3, pin: 0 }, true);
  b.api.setPin({ slot: 1, fn: 2, pin: 0 }, false);
  expect([...b.active]).toEqual([5]);
});

it('routes to no line that the data sheet reserves', () => {
  const b = bridge();
  for (const irq of [0, 1, 2, 8, 13]) {
    b.route(0, irq);
    b.api.setPin({ slot: 1, fn: 0, pin: 0 }, true);
    expect([...b.active]).toEqual([]);
  }
});

it('resets when RCPU is written, and keeps the kind of reset', () => {
  const b = bridge();
  b.api.resetControl.write(0x02);
  expect([b.happened, b.api.resetControl.read()]).toEqual([[], 0x02]);
  b.api.resetControl.write(0x06);
  expect([b.happened, b.api.resetControl.read()]).toEqual([['reset'], 0x02]);
});
