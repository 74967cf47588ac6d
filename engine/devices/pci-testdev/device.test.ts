import { describe, expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { pciTestdev } from './device.ts';

/** The device with its base addresses set and decoded. */
function decoded() {
  const bench = deviceBench(pciTestdev);
  const { config } = bench.device.api;
  config.write(0x10, 4, 0xfe000000);
  config.write(0x14, 4, 0xc000);
  config.write(0x04, 2, 0x0003);
  return { ...bench, config };
}

deviceContract(pciTestdev, {
  disturb: ({ device }) => {
    device.api.config.write(0x10, 4, 0xfe000000);
    device.api.config.write(0x04, 2, 0x0002);
  },
});

it('sizes its base addresses and stands where they say', () => {
  const d = decoded();
  d.config.write(0x10, 4, 0xffffffff);
  d.config.write(0x14, 4, 0xffffffff);
  expect([d.config.read(0x10, 4), d.config.read(0x14, 4)]).toEqual([0xfffff000, 0xffffff01]);
  d.config.write(0x10, 4, 0xfd000000);
  expect([d.device.placements.memory?.address, d.device.placements.memory?.enabled]).toEqual([0xfd000000, true]);
  d.config.write(0x04, 2, 0);
  expect(d.device.placements.memory?.enabled).toBe(false);
});

describe.each([
  ['memory', 'mmio', 2048],
  ['io', 'portio', 128],
])('window %s', (region, kind, half) => {
  const field = (d: ReturnType<typeof decoded>, at: number, size: 1 | 4 = 4) => d.read(at, size, region);

  it.each([
    [0, 'no-eventfd'],
    [1, 'wildcard-eventfd'],
    [2, 'datamatch-eventfd'],
  ])('counts writes to the doorbell of test %i', (test, name) => {
    const d = decoded();
    d.write(0, test, 1, region);
    expect(field(d, 12)).toBe(0);
    expect([field(d, 1, 1), field(d, 4)]).toEqual([1, half + test]);
    for (let i = 0; i < 16; i++) d.write(field(d, 4), field(d, 8) & 0xff, 1, region);
    expect(field(d, 12)).toBe(16);
    let text = '';
    for (let i = 16; field(d, i, 1) !== 0; i++) text += String.fromCharCode(field(d, i, 1));
    expect(text).toBe(`${kind}-${name}`);
  });

  it('ends its list with a width of zero', () => {
    const d = decoded();
    d.write(0, 3, 1, region);
    expect([field(d, 1, 1), field(d, 12)]).toEqual([0, 0]);
  });
});

it('counts only the right data where data must match', () => {
  const d = decoded();
  d.write(0, 2, 1, 'memory');
  d.write(2050, 0x11, 1, 'memory');
  d.write(2050, 0xfa, 4, 'memory');
  expect(d.read(12, 4, 'memory')).toBe(0);
});

describe('an expansion ROM', () => {
  const rom = Uint8Array.from({ length: 4096 }, (_, i) => i * 7);
  const options = { needs: () => ({ rom: { bytes: rom } }) };
  const ROM_BASE = 0x30;

  deviceContract(pciTestdev, {
    ...options,
    disturb: ({ device }) => {
      device.api.config.write(ROM_BASE, 4, 0xfd000001);
      device.api.config.write(0x04, 2, 0x0002);
    },
  });

  it('is sized, moved and shown while memory is decoded', () => {
    const bench = deviceBench(pciTestdev, options);
    const { config } = bench.device.api;
    const shown = () => [bench.device.placements.rom?.address, bench.device.placements.rom?.enabled];
    config.write(ROM_BASE, 4, 0xfffffffe);
    expect(config.read(ROM_BASE, 4)).toBe(0xfffe0000);
    config.write(ROM_BASE, 4, 0xfd000001);
    expect(shown()).toEqual([0xfd000000, false]);
    config.write(0x04, 2, 0x0002);
    expect([...shown(), bench.read(0x10, 4, 'rom'), bench.read(4096, 2, 'rom')]).toEqual([0xfd000000, true, 0x857e7770, 0xffff]);
    bench.write(0x10, 0, 4, 'rom');
    expect(bench.read(0x10, 1, 'rom')).toBe(0x70);
    config.write(ROM_BASE, 4, 0xfc020000);
    expect(shown()).toEqual([0xfc020000, false]);
  });

  it('of a function without one has no base address', () => {
    const { config } = deviceBench(pciTestdev).device.api;
    config.write(ROM_BASE, 4, 0xffffffff);
    expect(config.read(ROM_BASE, 4)).toBe(0);
  });
});
