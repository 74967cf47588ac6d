import { describe, expect, it } from 'vitest';
import { i8237 } from '../i8237/device.ts';
import { deviceContract } from '../testing/contract.ts';
import { driveBench, recordedLine } from '../testing/drive-bench.ts';
import { patternDrive } from '../testing/drives.ts';
import { i82077 } from './device.ts';

deviceContract(i82077, {
  needs: () => ({ drives: [patternDrive('floppy', 1_474_560), patternDrive('floppy', 737_280, { readonly: true })] }),
  disturb: (bench) => bench.write(2, 0x1c, 1, 'regs'),
});

const BASE = 0x3f0;
const BUFFER = 0x4_0000;

function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 3 + (i >>> 9) * 17) & 0xff);
}

function machine(bytes = 1_474_560) {
  const content = pattern(bytes);
  const bench = driveBench([undefined, undefined, undefined, undefined, { kind: 'floppy', content }]);
  const dma = i8237.attach(bench.memory, { name: 'dma', at: { low: 0, high: 0xc0, pages: 0x80 }, irqs: {} });
  const device = i82077.attach(bench.memory, {
    name: 'floppy',
    at: { regs: BASE, input: 0x3f7 },
    irqs: { intr: recordedLine(bench, 'intr') },
    needs: { drives: bench.bay.drives.slice(4).map((drive) => drive?.line()), channel: dma.api.channel(2) },
  });
  dma.reset();
  device.reset();
  const { in: input, out } = bench;
  const send = (...bytes: number[]) => {
    for (const byte of bytes) {
      expect(input(BASE + 4) & 0xc0).toBe(0x80);
      out(BASE + 5, byte);
    }
  };
  const results = (count: number) => {
    bench.serve();
    return Array.from({ length: count }, () => {
      expect(input(BASE + 4) & 0xc0).toBe(0xc0);
      return input(BASE + 5);
    });
  };
  /** Channel 2 for so many bytes: `0x46` into memory, `0x4a` out of it. */
  const aim = (count: number, mode = 0x46, gpa = BUFFER) => {
    out(0x0a, 0x06);
    out(0x0c, 0);
    out(0x0b, mode);
    for (const byte of [gpa & 0xff, (gpa >>> 8) & 0xff]) out(0x04, byte);
    for (const byte of [(count - 1) & 0xff, (count - 1) >>> 8]) out(0x05, byte);
    out(0x81, gpa >>> 16);
    out(0x0a, 0x02);
  };
  const start = (rate = 0) => {
    out(BASE + 2, 0x00);
    out(BASE + 2, 0x1c);
    out(0x3f7, rate);
    for (const status of [0xc0, 0xc1, 0xc2, 0xc3]) {
      send(0x08);
      expect(results(2)[0]).toBe(status);
    }
    send(0x03, 0xdf, 0x02);
    send(0x07, 0x00);
    send(0x08);
    expect(results(2)).toEqual([0x20, 0]);
  };
  const seek = (cylinder: number, head = 0) => {
    send(0x0f, head << 2, cylinder);
    send(0x08);
    expect(results(2)).toEqual([0x20 | (head << 2), cylinder]);
  };
  return { bench, device, dma, content, input, out, send, results, aim, start, seek };
}

describe('a 1.44 MB floppy', () => {
  it('reads over both heads of a cylinder, and says what comes next', () => {
    const { bench, content, send, results, aim, start, seek } = machine();
    start();
    seek(3);
    aim(20 * 512);
    send(0xe6, 0x00, 3, 0, 10, 2, 18, 0x1b, 0xff);
    expect(results(7)).toEqual([0x00, 0, 0, 3, 1, 12, 2]);
    const from = (3 * 36 + 9) * 512;
    expect(bench.memory.dma.read(BUFFER, 20 * 512)).toEqual(content.slice(from, from + 20 * 512));
    expect(bench.lines.intr).toBe(false);
    expect(bench.in(0x08)).toBe(0x04);
  });

  it('ends in an error where the track ends before the count', () => {
    const { send, results, aim, start } = machine();
    start();
    aim(10 * 512);
    send(0x46, 0x00, 0, 0, 15, 2, 18, 0x1b, 0xff);
    expect(results(7).slice(0, 3)).toEqual([0x40, 0x80, 0]);
  });

  it('writes, formats and verifies', () => {
    const { bench, send, results, aim, start, seek } = machine();
    start();
    seek(79, 1);
    bench.memory.dma.write(BUFFER, new Uint8Array(1024).fill(0xab));
    aim(1024, 0x4a);
    send(0x45, 0x04, 79, 1, 17, 2, 18, 0x1b, 0xff);
    expect(results(7)).toEqual([0x04, 0, 0, 80, 1, 1, 2]);
    const content = () => bench.storages[4]?.content() ?? new Uint8Array();
    expect(
      content()
        .subarray(-1024)
        .every((byte) => byte === 0xab),
    ).toBe(true);
    aim(18 * 4, 0x4a);
    send(0x4d, 0x04, 2, 18, 0x6c, 0xf6);
    expect(results(7)[0]).toBe(0x04);
    expect(
      content()
        .subarray(-18 * 512)
        .every((byte) => byte === 0xf6),
    ).toBe(true);
    send(0x16, 0x04, 79, 1, 1, 2, 18, 0x1b, 0xff);
    expect(results(7)[0]).toBe(0x04);
  });

  it('finds nothing at a wrong rate, on a wrong cylinder, or beyond the track', () => {
    const { send, results, aim, start, out } = machine();
    start();
    aim(512);
    send(0x46, 0x00, 1, 0, 1, 2, 18, 0x1b, 0xff);
    expect(results(7).slice(0, 3)).toEqual([0x40, 0x04, 0x10]);
    send(0x46, 0x00, 0, 0, 19, 2, 19, 0x1b, 0xff);
    expect(results(7).slice(0, 3)).toEqual([0x40, 0x04, 0]);
    out(0x3f7, 2);
    send(0x4a, 0x00);
    expect(results(7).slice(0, 2)).toEqual([0x40, 0x01]);
    out(0x3f7, 0);
    send(0x4a, 0x00);
    expect(results(7)).toEqual([0, 0, 0, 0, 0, 1, 2]);
    send(0x1f);
    expect(results(1)).toEqual([0x80]);
  });

  it('shows the change line until the head has moved over a new medium', () => {
    const { bench, input, start, seek, content } = machine();
    start();
    expect(input(0x3f7)).toBe(0);
    bench.insert(4, undefined);
    seek(1);
    expect(input(0x3f7)).toBe(0x80);
    bench.insert(4, content);
    expect(input(0x3f7)).toBe(0x80);
    seek(2);
    expect(input(0x3f7)).toBe(0);
  });

  it('asks again after a restore for what was under way', () => {
    const { bench, device, content, send, results, aim, start } = machine();
    start();
    aim(512);
    send(0x46, 0x00, 0, 0, 2, 2, 18, 0x1b, 0xff);
    const saved = device.save();
    bench.bay.drives[4]?.lanes[0].cancel();
    device.restore(saved);
    expect(results(7)[0]).toBe(0);
    expect(bench.memory.dma.read(BUFFER, 512)).toEqual(content.slice(512, 1024));
  });

  it('wraps inside 64 KiB, as the address counter does', () => {
    const { bench, content, send, results, aim, start } = machine();
    start();
    aim(1024, 0x46, 0x4_fe00);
    send(0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    expect(results(7)[0]).toBe(0);
    expect(bench.memory.dma.read(0x4_fe00, 512)).toEqual(content.slice(0, 512));
    expect(bench.memory.dma.read(0x4_0000, 512)).toEqual(content.slice(512, 1024));
  });
});

it.each([
  [737_280, 2, 9],
  [1_228_800, 0, 15],
  [368_640, 2, 9],
  [163_840, 2, 8],
  [2_949_120, 3, 36],
])('a floppy of %i bytes has its own geometry', (bytes, rate, track) => {
  const { bench, content, send, results, aim, start } = machine(bytes);
  start(rate);
  aim(512);
  send(0x46, 0x00, 0, 0, track, 2, track, 0x1b, 0xff);
  expect(results(7)[0]).toBe(0);
  expect(bench.memory.dma.read(BUFFER, 512)).toEqual(content.slice((track - 1) * 512, track * 512));
});
