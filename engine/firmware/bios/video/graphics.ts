/** Characters and pixels in the VGA's graphics modes, through the memory a program sees, so that planes and latches do what they do. */
import type { BiosMemory } from '../host.ts';
import { read8, write8 } from '../words.ts';
import type { VideoMode } from './modes.ts';
import type { VgaPorts } from './vga-ports.ts';

/** What drawing needs of the screen. */
export interface Canvas {
  readonly memory: BiosMemory;
  readonly vga: VgaPorts;
  readonly characterHeight: number;
  readonly pageBytes: number;
}

/** Bit of a colour that mixes it with what is there. */
const MIX = 0x80;

/** First byte of a line; CGA modes keep odd lines 8 KiB above even ones. */
function lineAddress(canvas: Canvas, mode: VideoMode, y: number, page: number): number {
  const base = mode.segment * 16;
  if (mode.layout === 'planar') return base + ((canvas.pageBytes * page + (y * mode.width) / 8) & 0xffff);
  if (mode.layout === 'packed') return base + ((y * mode.width) & 0xffff);
  return base + ((((y & 1) * 0x2000 + (y >>> 1) * 80) & 0x3fff) | 0);
}

function withPlanar(canvas: Canvas, setup: readonly (readonly [number, number])[], draw: () => void): void {
  for (const [index, value] of setup) canvas.vga.graphics(index, value);
  draw();
  for (const [index, value] of [
    [0, 0],
    [1, 0],
    [3, 0],
    [4, 0],
    [5, 0],
    [8, 0xff],
  ] as const)
    canvas.vga.graphics(index, value);
  canvas.vga.sequencer(2, 0x0f);
}

/** A colour's bits spread over the pixels that a shape sets: two bits each in 4-colour modes. */
const spread = (line: number, colour: number): number => {
  let bits = 0;
  for (let i = 0; i < 8; i++) if (line & (0x80 >>> i)) bits |= (colour & 3) << (14 - 2 * i);
  return bits;
};

interface Cell {
  readonly column: number;
  readonly row: number;
  readonly page: number;
}

export function drawCharacter(
  canvas: Canvas,
  mode: VideoMode,
  cell: Cell & { readonly glyph: Uint8Array; readonly colour: number },
): void {
  const { column, row, page, glyph, colour } = cell;
  const mix = (colour & MIX) !== 0;
  const { memory } = canvas;
  const top = row * canvas.characterHeight;
  if (top + glyph.length > mode.height + canvas.characterHeight || column * 8 >= mode.width) return;
  if (mode.layout === 'planar') {
    const setup = [
      [0, colour & 0x0f],
      [1, 0x0f],
      [3, mix ? 0x18 : 0],
      [5, 0],
    ] as const;
    canvas.vga.sequencer(2, 0x0f);
    withPlanar(canvas, setup, () => {
      glyph.forEach((line, i) => {
        const at = lineAddress(canvas, mode, top + i, page) + column;
        read8(memory, at);
        canvas.vga.graphics(8, line);
        write8(memory, at, 0xff);
        if (mix) return;
        canvas.vga.graphics(0, 0);
        canvas.vga.graphics(8, ~line & 0xff);
        read8(memory, at);
        write8(memory, at, 0xff);
        canvas.vga.graphics(0, colour & 0x0f);
      });
    });
    return;
  }
  glyph.forEach((line, i) => {
    const start = lineAddress(canvas, mode, top + i, page);
    const bytes =
      mode.layout === 'packed'
        ? Uint8Array.from({ length: 8 }, (_, x) => (line & (0x80 >>> x) ? colour : 0))
        : mode.layout === 'cga2'
          ? Uint8Array.of(colour & 1 ? line : 0)
          : Uint8Array.of(spread(line, colour) >>> 8, spread(line, colour));
    const at = start + column * bytes.length;
    const before = mix && mode.layout !== 'packed' ? memory.read(at, bytes.length) : undefined;
    memory.write(at, before ? bytes.map((byte, x) => byte ^ (before[x] ?? 0)) : bytes);
  });
}

/** A cell's shape: which pixels are not background. */
export function readPixels(canvas: Canvas, mode: VideoMode, { column, row, page }: Cell): Uint8Array {
  const top = row * canvas.characterHeight;
  return Uint8Array.from({ length: canvas.characterHeight }, (_, i) => {
    let line = 0;
    for (let x = 0; x < 8; x++) if (readPixel(canvas, mode, { x: column * 8 + x, y: top + i, page }) !== 0) line |= 0x80 >>> x;
    return line;
  });
}

interface Pixel {
  readonly x: number;
  readonly y: number;
  readonly page: number;
}

export function readPixel(canvas: Canvas, mode: VideoMode, { x, y, page }: Pixel): number {
  const { memory } = canvas;
  const start = lineAddress(canvas, mode, y, page);
  if (mode.layout === 'packed') return read8(memory, start + x);
  if (mode.layout === 'cga2') return (read8(memory, start + (x >>> 3)) >>> (7 - (x & 7))) & 1;
  if (mode.layout === 'cga4') return (read8(memory, start + (x >>> 2)) >>> (6 - 2 * (x & 3))) & 3;
  let colour = 0;
  canvas.vga.graphics(5, 0);
  for (let plane = 0; plane < 4; plane++) {
    canvas.vga.graphics(4, plane);
    colour |= ((read8(memory, start + (x >>> 3)) >>> (7 - (x & 7))) & 1) << plane;
  }
  canvas.vga.graphics(4, 0);
  return colour;
}

export function writePixel(canvas: Canvas, mode: VideoMode, { x, y, page, colour }: Pixel & { readonly colour: number }): void {
  if (x >= mode.width || y >= mode.height) return;
  const { memory } = canvas;
  const start = lineAddress(canvas, mode, y, page);
  if (mode.layout === 'packed') {
    write8(memory, start + x, colour);
    return;
  }
  if (mode.layout === 'planar') {
    const setup = [
      [0, colour & 0x0f],
      [1, 0x0f],
      [3, colour & MIX ? 0x18 : 0],
      [5, 0],
      [8, 0x80 >>> (x & 7)],
    ] as const;
    canvas.vga.sequencer(2, 0x0f);
    withPlanar(canvas, setup, () => {
      read8(memory, start + (x >>> 3));
      write8(memory, start + (x >>> 3), 0xff);
    });
    return;
  }
  const bits = mode.layout === 'cga2' ? 1 : 2;
  const at = start + ((x * bits) >>> 3);
  const shift = 8 - bits - ((x * bits) & 7);
  const mask = ((1 << bits) - 1) << shift;
  const before = read8(memory, at);
  const value = (colour << shift) & mask;
  write8(memory, at, colour & MIX ? before ^ value : (before & ~mask) | value);
}

interface PixelScroll {
  readonly window: { readonly top: number; readonly left: number; readonly bottom: number; readonly right: number };
  /** Lines of characters; 0 clears. */
  readonly lines: number;
  readonly colour: number;
  readonly page: number;
}

/** Move a window by lines of characters and clear what becomes free. */
export function scrollPixels(canvas: Canvas, mode: VideoMode, { window, lines, colour, page }: PixelScroll): void {
  const { memory, characterHeight } = canvas;
  const { top, left, bottom, right } = window;
  const first = top * characterHeight;
  const last = Math.min((bottom + 1) * characterHeight, mode.height) - 1;
  const shift = lines * characterHeight;
  const bytesPerCell = { planar: 1, packed: 8, cga2: 1, cga4: 2, text: 1 }[mode.layout];
  const width = (right - left + 1) * bytesPerCell;
  const at = (y: number) => lineAddress(canvas, mode, y, page) + left * bytesPerCell;
  const ys = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (lines < 0 ? last - i : first + i));
  const moves = lines === 0 ? [] : ys.filter((y) => y + shift >= first && y + shift <= last);
  const clears = lines === 0 ? ys : ys.filter((y) => y + shift < first || y + shift > last);
  if (mode.layout === 'planar') {
    canvas.vga.sequencer(2, 0x0f);
    // Write mode 1 stores the latches that the read before it filled: all planes at once.
    withPlanar(canvas, [[5, 1]], () => {
      for (const y of moves) {
        for (let x = 0; x < width; x++) {
          read8(memory, at(y + shift) + x);
          write8(memory, at(y) + x, 0);
        }
      }
    });
    const setup = [
      [0, colour & 0x0f],
      [1, 0x0f],
      [5, 0],
      [8, 0xff],
    ] as const;
    withPlanar(canvas, setup, () => {
      for (const y of clears) memory.write(at(y), new Uint8Array(width));
    });
    return;
  }
  for (const y of moves) memory.write(at(y), memory.read(at(y + shift), width));
  const fill = mode.layout === 'packed' ? colour : mode.layout === 'cga2' ? (colour & 1 ? 0xff : 0) : (colour & 3) * 0x55;
  for (const y of clears) memory.write(at(y), new Uint8Array(width).fill(fill));
}
