/** Lines of graphics modes: planes, pairs of bits, bytes, and the pixels of the display interface. */
import type { DispiMode } from '../registers.ts';
import type { VideoMemory } from '../video-memory.ts';
import type { VgaPlan } from './plan.ts';

const OPAQUE = 0xff000000;

/** Where a graphics line begins and which row bits stand in for address bits. */
function rowAddress(plan: VgaPlan, y: number): { start: number; or: number; keep: number } {
  const row = plan.lines.row[y] as number;
  let or = 0;
  let keep = plan.addressMask;
  for (const [rowBit, addressBit] of plan.rowBits) {
    keep &= ~(1 << addressBit);
    if ((row >>> rowBit) & 1) or |= 1 << addressBit;
  }
  return { start: plan.lines.start[y] as number, or, keep };
}

/** One bit of each plane makes a pixel. Draws one column more than the screen has, for panning. */
export function drawPlanarLine(
  out: Uint32Array,
  y: number,
  from: { plan: VgaPlan; video: VideoMemory; colors: Uint32Array },
): void {
  const { plan, video, colors } = from;
  const { words } = video;
  const { start, or, keep } = rowAddress(plan, y);
  const { wide, columns } = plan;
  let to = 0;
  for (let column = 0; column <= columns; column++) {
    const word = words[((start + column) & keep) | or] as number;
    for (let bit = 7; bit >= 0; bit--) {
      const index = ((word >>> bit) & 1) | ((word >>> (bit + 7)) & 2) | ((word >>> (bit + 14)) & 4) | ((word >>> (bit + 21)) & 8);
      const pixel = colors[index] as number;
      out[to++] = pixel;
      if (wide) out[to++] = pixel;
    }
  }
}

/** Two bits make a pixel, four of them a byte: planes 0 and 1 one after the other, with planes 2 and 3 above them. */
export function drawInterleavedLine(
  out: Uint32Array,
  y: number,
  from: { plan: VgaPlan; video: VideoMemory; colors: Uint32Array },
): void {
  const { plan, video, colors } = from;
  const { words } = video;
  const { start, or, keep } = rowAddress(plan, y);
  const { wide, columns } = plan;
  let to = 0;
  for (let column = 0; column <= columns; column++) {
    const word = words[((start + column) & keep) | or] as number;
    for (let pair = 0; pair < 8; pair++) {
      const shift = (pair < 4 ? 6 : 14) - 2 * (pair & 3);
      const index = (((word >>> shift) & 3) | (((word >>> (shift + 16)) & 3) << 2)) & 0x0f;
      const pixel = colors[index] as number;
      out[to++] = pixel;
      if (wide) out[to++] = pixel;
    }
  }
}

/** A byte makes a pixel, which is two dots wide; the four planes follow one another. */
export function drawPackedLine(
  out: Uint32Array,
  y: number,
  from: { plan: VgaPlan; video: VideoMemory; colors: Uint32Array },
): void {
  const { plan, video, colors } = from;
  const { words } = video;
  const { start, or, keep } = rowAddress(plan, y);
  const { wide, columns } = plan;
  const repeat = wide ? 4 : 2;
  let to = 0;
  for (let column = 0; column <= columns; column++) {
    const word = words[((start + column) & keep) | or] as number;
    for (let plane = 0; plane < 4; plane++) {
      const pixel = colors[(word >>> (8 * plane)) & 0xff] as number;
      for (let i = 0; i < repeat; i++) out[to++] = pixel;
    }
  }
}

/** A line of packed pixels at 8 to 32 bits. */
export function drawLinearLine(
  out: Uint32Array,
  y: number,
  from: { mode: DispiMode; video: VideoMemory; colors: Uint32Array },
): void {
  const { mode, video, colors } = from;
  const { bytes, words } = video;
  const { width } = mode;
  const start = mode.start + y * mode.pitch;
  switch (mode.depth) {
    case 32: {
      const first = start >>> 2;
      for (let x = 0; x < width; x++) {
        const pixel = words[first + x] as number;
        out[x] = OPAQUE | ((pixel & 0xff) << 16) | (pixel & 0xff00) | ((pixel >>> 16) & 0xff);
      }
      return;
    }
    case 24:
      for (let x = 0, at = start; x < width; x++, at += 3) {
        out[x] = OPAQUE | ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
      }
      return;
    case 16:
      for (let x = 0, at = start; x < width; x++, at += 2) {
        const pixel = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
        out[x] = OPAQUE | (five(pixel) << 16) | (six(pixel >>> 5) << 8) | five(pixel >>> 11);
      }
      return;
    case 15:
      for (let x = 0, at = start; x < width; x++, at += 2) {
        const pixel = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
        out[x] = OPAQUE | (five(pixel) << 16) | (five(pixel >>> 5) << 8) | five(pixel >>> 10);
      }
      return;
    default:
      for (let x = 0; x < width; x++) out[x] = colors[bytes[start + x] as number] as number;
  }
}

/** Colour levels of five and six bits as eight. */
const five = (value: number): number => ((value & 0x1f) << 3) | ((value & 0x1f) >>> 2);
const six = (value: number): number => ((value & 0x3f) << 2) | ((value & 0x3f) >>> 4);
