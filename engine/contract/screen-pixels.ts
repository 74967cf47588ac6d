/**
 * Pixels of a rectangle of the screen on their way to whoever looks: lossless, never more words than pixels, and cheap enough for sixty
 * full pictures a second. Words of 32 bits, line by line, left to right; no line goes on in the next:
 *
 *     0xFFbbggrr   one pixel
 *     0x00nnnnnn   n more of the pixel before, in this line
 *     0x01nnnnnn   n pixels as in the line above, in this rectangle
 */
export interface ScreenRectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const ABOVE = 0x0100_0000;
const COUNT = 0x00ff_ffff;
/** The upper byte of a pixel as a signed number. */
const PIXEL = -1;
/** A word instead of one pixel saves nothing. */
const SHORTEST = 2;
/** Pixels from one look to the next. */
const LOOKS_APART = 13;
/** Up to so many pixels a loop of ours is faster than a call. */
const FEW = 24;

/** Pixels as unsigned numbers are beyond what V8 keeps as integers, and cost twice the time. */
function signed({ buffer, byteOffset, length }: Uint32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}

/** Packs a rectangle of a picture into `words` from `at`, where there has to be a word for each pixel. Returns where it ends. */
export function packPixels(
  { width: pitch, pixels: picture }: { readonly width: number; readonly pixels: Uint32Array },
  { x, y, width, height }: ScreenRectangle,
  { words: room, at }: { readonly words: Uint32Array; readonly at: number },
): number {
  const pixels = signed(picture);
  const words = signed(room);
  let to = at;
  /** Nothing repeated in the line before: photographs and films are taken as they are after a few looks. */
  let rough = false;
  for (let line = 0; line < height; line++) {
    const start = (y + line) * pitch + x;
    const end = start + width;
    const hasAbove = line > 0;
    if (rough && !looksEven(pixels, { start, end, above: hasAbove ? pitch : 0 })) {
      words.set(pixels.subarray(start, end), to);
      to += width;
      continue;
    }
    const first = to;
    let before = 0; // no pixel has this value
    for (let i = start; i < end; ) {
      const pixel = pixels[i] as number;
      if (hasAbove && pixels[i - pitch] === pixel) {
        let j = i + 1;
        while (j < end && pixels[j] === pixels[j - pitch]) j++;
        if (j - i >= SHORTEST) {
          words[to++] = ABOVE | (j - i);
          before = pixels[j - 1] as number;
          i = j;
          continue;
        }
      }
      if (pixel === before) {
        let j = i + 1;
        while (j < end && pixels[j] === pixel) j++;
        if (j - i >= SHORTEST) {
          words[to++] = j - i;
          i = j;
          continue;
        }
      }
      words[to++] = pixel;
      before = pixel;
      i++;
    }
    rough = to - first === width;
  }
  return to;
}

/** Whether one of a few pixels of a line equals its neighbour on the left or above. */
function looksEven(
  pixels: Int32Array,
  { start, end, above }: { readonly start: number; readonly end: number; readonly above: number },
): boolean {
  for (let i = start + 1; i < end; i += LOOKS_APART) {
    const pixel = pixels[i];
    if (pixel === pixels[i - 1] || (above > 0 && pixel === pixels[i - above])) return true;
  }
  return false;
}

/** Makes pixels of packed words, from `at`, for a rectangle of this size. Returns where they end. Throws `RangeError` for what cannot be. */
export function unpackPixels(
  { words: packed, at }: { readonly words: Uint32Array; readonly at: number },
  { width, height }: { readonly width: number; readonly height: number },
  room: Uint32Array,
): number {
  const words = signed(packed);
  const pixels = signed(room);
  let from = at;
  let to = 0;
  for (let line = 0; line < height; line++) {
    const start = to;
    const end = start + width;
    while (to < end) {
      const word = words[from++];
      if (word === undefined) throw new RangeError('pixels that are missing');
      if (word >> 24 === PIXEL) {
        pixels[to++] = word;
        continue;
      }
      const count = word & COUNT;
      const isRun = word === count && to > start;
      const isCopy = word === (count | ABOVE) && line > 0;
      if (!(isRun || isCopy) || count === 0 || to + count > end) throw new RangeError('packed pixels that make no sense');
      if (isRun) {
        const pixel = pixels[to - 1] as number;
        if (count > FEW) pixels.fill(pixel, to, to + count);
        else for (let i = to; i < to + count; i++) pixels[i] = pixel;
      } else if (count > FEW) pixels.copyWithin(to, to - width, to - width + count);
      else for (let i = to; i < to + count; i++) pixels[i] = pixels[i - width] as number;
      to += count;
    }
  }
  return from;
}
