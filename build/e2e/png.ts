/** Pictures that `rootmode screenshot` wrote, read back by the standard alone (ISO/IEC 15948): 8-bit RGB without interlace. */
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue as one number, 0xRRGGBB. */
  at(x: number, y: number): number;
}

const FILTERS: Readonly<Record<number, (left: number, above: number) => number>> = {
  0: () => 0,
  1: (left) => left,
  2: (_left, above) => above,
};

export function readPng(file: string): Picture {
  const bytes = readFileSync(file);
  const parts: Buffer[] = [];
  let [width, height] = [0, 0];
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') {
      [width, height] = [data.readUInt32BE(0), data.readUInt32BE(4)];
      if (data[8] !== 8 || data[9] !== 2 || data[12] !== 0) throw new Error('not 8-bit RGB without interlace');
    } else if (type === 'IDAT') parts.push(data);
    at += length + 12;
  }
  const raw = inflateSync(Buffer.concat(parts));
  const stride = width * 3;
  const pixels = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = FILTERS[raw[y * (stride + 1)] ?? -1];
    if (filter === undefined) throw new Error(`line ${y} has a filter this reader lacks`);
    for (let x = 0; x < stride; x++) {
      const to = y * stride + x;
      const left = x < 3 ? 0 : (pixels[to - 3] as number);
      const above = y === 0 ? 0 : (pixels[to - stride] as number);
      pixels[to] = (raw[y * (stride + 1) + 1 + x] as number) + filter(left, above);
    }
  }
  return {
    width,
    height,
    at: (x, y) => {
      const from = y * stride + x * 3;
      return ((pixels[from] as number) << 16) | ((pixels[from + 1] as number) << 8) | (pixels[from + 2] as number);
    },
  };
}
