import { describe, expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { i8237 } from './device.ts';

deviceContract(i8237, { disturb: (bench) => bench.write(2, 0x34, 1, 'low') });

describe.each([
  ['low', 1],
  ['high', 2],
])('controller %s', (region, step) => {
  it('takes addresses and counts in two bytes', () => {
    const d = deviceBench(i8237);
    d.write(12 * step, 0, 1, region); // flip-flop
    d.write(2 * step, 0x34, 1, region);
    d.write(2 * step, 0x12, 1, region);
    expect([d.read(2 * step, 1, region), d.read(2 * step, 1, region)]).toEqual([0x34, 0x12]);
  });

  it('masks channels one by one, all at once, and at a master clear', () => {
    const d = deviceBench(i8237);
    const mask = () => d.read(15 * step, 1, region) & 0x0f;
    expect(mask()).toBe(0x0f);
    d.write(14 * step, 0, 1, region);
    d.write(10 * step, 0x06, 1, region);
    expect(mask()).toBe(0x04);
    d.write(15 * step, 0x09, 1, region);
    expect(mask()).toBe(0x09);
    d.write(13 * step, 0, 1, region);
    expect(mask()).toBe(0x0f);
  });
});

it('keeps page registers, port 80h among them', () => {
  const d = deviceBench(i8237);
  d.write(0, 0x42, 1, 'pages');
  d.write(0x0f, 0x24, 1, 'pages');
  expect([d.read(0, 1, 'pages'), d.read(0x0f, 1, 'pages')]).toEqual([0x42, 0x24]);
});
