import { expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { pcTestdev } from './device.ts';

deviceContract(pcTestdev, { disturb: (bench) => bench.write(3, 1, 1, 'irq') });

it('keeps what is written to the data port, in any part of it', () => {
  const bench = deviceBench(pcTestdev);
  bench.write(0, 0x11223344, 4, 'data');
  bench.write(2, 0xaabb, 2, 'data');
  bench.write(1, 0xcc, 1, 'data');
  expect([bench.read(0, 4, 'data'), bench.read(1, 2, 'data')]).toEqual([0xaabbcc44, 0xbbcc]);
});

it('drives the lines it is told to', () => {
  const levels = new Map<number, boolean>();
  const bench = deviceBench(pcTestdev, {
    needs: () => ({ lines: { set: (irq: number, active: boolean) => levels.set(irq, active) } }),
  });
  bench.write(5, 1, 1, 'irq');
  expect([levels.get(5), levels.get(4)]).toEqual([true, false]);
  bench.write(5, 0x0100, 4, 'irq'); // each byte is a line of its own
  expect([levels.get(5), levels.get(6), levels.get(7)]).toEqual([false, true, false]);
});

it('has memory behind its window', () => {
  const bench = deviceBench(pcTestdev);
  bench.write(0x100, 0x12345678, 4, 'window');
  expect([bench.read(0x101, 2, 'window'), bench.read(0x1fff, 1, 'window')]).toEqual([0x3456, 0]);
});
