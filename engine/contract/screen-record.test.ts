import { describe, expect, it } from 'vitest';
import { unpackPixels } from './screen-pixels.ts';
import { ScreenPacker, ScreenRecordCutter, unpackScreenRecord } from './screen-record.ts';

const picture = { width: 4, pixels: Uint32Array.from({ length: 12 }, (_, i) => 0xff00_0000 + i) };
const rectangles = [
  { x: 1, y: 0, width: 2, height: 2 },
  { x: 3, y: 2, width: 1, height: 1 },
];
const packed = new ScreenPacker().pack({ stream: 7, serial: 9, width: 4, height: 3, rectangles }, picture);

describe('a record of the screen', () => {
  it('holds the pixels of its rectangles, line by line', () => {
    const { pixels, ...about } = unpackScreenRecord(packed);
    expect(about).toEqual({ stream: 7, serial: 9, width: 4, height: 3, rectangles });
    const [first, second] = [new Uint32Array(4), new Uint32Array(1)];
    const at = unpackPixels({ words: pixels, at: 0 }, { width: 2, height: 2 }, first);
    expect(unpackPixels({ words: pixels, at }, { width: 1, height: 1 }, second)).toBe(pixels.length);
    expect([...first, ...second].map((word) => word - 0xff00_0000)).toEqual([1, 2, 5, 6, 11]);
  });

  it.each([1, 2, 3, 5, 7, 1000])('comes whole out of pieces of %i bytes', (size) => {
    const both = new Uint8Array([...packed, ...packed]);
    const found: Uint8Array[] = [];
    const cutter = new ScreenRecordCutter((record) => found.push(record));
    for (let at = 0; at < both.length; at += size) cutter.push(both.subarray(at, at + size));
    expect(found).toEqual([packed, packed]);
  });

  it.each([
    ['too short', (bytes: Uint8Array<ArrayBuffer>) => bytes.subarray(0, 10)],
    ['more rectangles than bytes', (bytes: Uint8Array<ArrayBuffer>) => patch(bytes, 16, 0xffff_ffff)],
    ['a rectangle beyond the picture', (bytes: Uint8Array<ArrayBuffer>) => patch(bytes, 20, 0xffff_ffff)],
    ['a rectangle of nothing', (bytes: Uint8Array<ArrayBuffer>) => patch(bytes, 24, 0)],
    ['half a word', (bytes: Uint8Array<ArrayBuffer>) => bytes.subarray(0, bytes.length - 2)],
  ])('is refused with %s', (_what, damage) => {
    expect(() => unpackScreenRecord(damage(packed.slice()))).toThrow(RangeError);
  });

  it.each([0, 19, 0xffff_ffff])('is refused when it says that it has %i bytes', (length) => {
    const cutter = new ScreenRecordCutter(() => undefined);
    expect(() => cutter.push(patch(packed.slice(), 0, length))).toThrow(RangeError);
  });
});

function patch(bytes: Uint8Array<ArrayBuffer>, at: number, value: number): Uint8Array<ArrayBuffer> {
  new DataView(bytes.buffer).setUint32(at, value, true);
  return bytes;
}
