import { expect, it } from 'vitest';
import { PciBus } from '../pci/bus.ts';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { i440fx, type ShadowSegment } from './device.ts';

function bridge() {
  const bus = new PciBus();
  const seen: { segments: readonly ShadowSegment[]; reset: number[] } = { segments: [], reset: [] };
  const bench = deviceBench(i440fx, {
    needs: () => ({
      bus,
      shadow: { apply: (segments: readonly ShadowSegment[]) => (seen.segments = segments) },
      resetControl: { read: () => 0x02, write: (value: number) => seen.reset.push(value) },
    }),
  });
  bus.plug(0, 0, bench.device.api.config);
  const select = (address: number) => bench.write(0, address, 4, 'address');
  return { ...bench, bus, seen, select };
}

deviceContract(i440fx, { disturb: (bench) => bench.write(0, 0x80000058, 4, 'address') });

it('reads and writes configuration space in any size', () => {
  const b = bridge();
  b.select(0x80000000);
  expect([b.read(0, 4, 'data'), b.read(2, 2, 'data'), b.read(0, 1, 'data')]).toEqual([0x12378086, 0x1237, 0x86]);
  b.select(0x80000008);
  expect(b.read(0, 4, 'data')).toBe(0x06000002);
  b.select(0x80000000);
  b.write(0, 0, 4, 'data');
  expect(b.read(0, 4, 'data')).toBe(0x12378086);
});

it('finds nobody on other buses, in empty places and while it is off', () => {
  const b = bridge();
  for (const address of [0x80010000, 0x80000800, 0x00000000]) {
    b.select(address);
    expect(b.read(0, 4, 'data')).toBe(0xffffffff);
  }
  expect(b.read(0, 4, 'address')).toBe(0);
});

it('shadows memory as the PAM registers say', () => {
  const b = bridge();
  expect(b.seen.segments.every((s) => !s.readable && !s.writable)).toBe(true);
  b.select(0x80000058);
  b.write(1, 0x30, 1, 'data'); // F segment
  b.write(2, 0x21, 1, 'data'); // C0000 read, C4000 write
  const at = (start: number) => b.seen.segments.find((s) => s.start === start);
  expect(at(0xf0000)).toEqual({ start: 0xf0000, size: 0x10000, readable: true, writable: true });
  expect([at(0xc0000)?.readable, at(0xc0000)?.writable, at(0xc4000)?.readable, at(0xc4000)?.writable]).toEqual([
    true,
    false,
    false,
    true,
  ]);
  expect(b.seen.segments.reduce((sum, s) => sum + s.size, 0)).toBe(0x40000);
});

it('leaves single bytes at CF9h to the reset register', () => {
  const b = bridge();
  b.select(0x80000800);
  b.write(1, 0x06, 1, 'address');
  expect([b.seen.reset, b.read(1, 1, 'address'), b.read(0, 4, 'address')]).toEqual([[6], 0x02, 0x80000800]);
});
