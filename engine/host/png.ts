/** Pictures as PNG files (ISO/IEC 15948): 8-bit RGB, no interlace, each line filtered as differences from the one above. */
import { crc32, deflateSync } from 'node:zlib';

export interface PngPicture {
  readonly width: number;
  readonly height: number;
  /** One word a pixel, red, green and blue as its first three bytes in memory order. */
  readonly pixels: Uint32Array;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const RGB = 2;
/** Filter types: 0 none, 2 the line above. */
const NONE = 0;
const UP = 2;

export function encodePng({ width, height, pixels }: PngPicture): Uint8Array {
  const stride = 1 + width * 3;
  const raw = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    let to = y * stride;
    raw[to++] = y === 0 ? NONE : UP;
    const at = y * width;
    for (let x = 0; x < width; x++) {
      const pixel = pixels[at + x] as number;
      // With no line above, the difference is taken from black.
      const above = y === 0 ? 0 : (pixels[at - width + x] as number);
      raw[to++] = (pixel & 0xff) - (above & 0xff);
      raw[to++] = ((pixel >>> 8) & 0xff) - ((above >>> 8) & 0xff);
      raw[to++] = ((pixel >>> 16) & 0xff) - ((above >>> 16) & 0xff);
    }
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, RGB, 0, 0, 0], 8);
  const parts = [
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(raw, { level: 6 })),
    chunk('IEND', new Uint8Array(0)),
  ];
  return Buffer.concat(parts);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}
