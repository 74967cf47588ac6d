/**
 * The picture on the screen as a stream of binary records, each with what has changed since the one before. Numbers are little-endian.
 *
 *     u32 bytes of the record, these included · u32 number of the stream · u32 serial of the record, from 1
 *     u16 width · u16 height · u32 rectangles
 *     for each rectangle: u16 x, y, width, height
 *     for each rectangle: its pixels, packed (screen-pixels.ts)
 *
 * A new size comes with one rectangle of everything. A record follows when fewer than `screenCredit` wait to be confirmed with
 * `screen-shown`: who looks slowly misses pictures, not changes.
 */
import { packPixels, type ScreenRectangle } from './screen-pixels.ts';

/** Records on their way that nobody has confirmed. */
export const screenCredit = 2;
/** Bytes before the rectangles. */
const HEAD = 20;
const RECTANGLE = 8;
/** No screen is larger, in pixels a side. */
const LONGEST_SIDE = 8192;

export interface ScreenRecord {
  readonly stream: number;
  readonly serial: number;
  readonly width: number;
  readonly height: number;
  readonly rectangles: readonly ScreenRectangle[];
  /** Of all rectangles, one after the other, packed: `unpackPixels` makes pixels of them and refuses what cannot be. */
  readonly pixels: Uint32Array<ArrayBuffer>;
}

/** Puts records together out of pictures. Belongs to one thread: keeps room for the largest picture so far. */
export class ScreenPacker {
  #room = new Uint32Array(0);

  pack(
    about: Omit<ScreenRecord, 'pixels'>,
    picture: { readonly width: number; readonly pixels: Uint32Array },
  ): Uint8Array<ArrayBuffer> {
    const { rectangles } = about;
    const area = rectangles.reduce((sum, { width, height }) => sum + width * height, 0);
    if (this.#room.length < area) this.#room = new Uint32Array(area);
    let words = 0;
    for (const rectangle of rectangles) words = packPixels(picture, rectangle, { words: this.#room, at: words });
    // Words begin at a multiple of four: head and rectangles are such.
    const from = HEAD + RECTANGLE * rectangles.length;
    const record = new Uint8Array(from + 4 * words);
    new Uint32Array(record.buffer, from).set(this.#room.subarray(0, words));
    const view = new DataView(record.buffer);
    view.setUint32(0, record.length, true);
    view.setUint32(4, about.stream, true);
    view.setUint32(8, about.serial, true);
    view.setUint16(12, about.width, true);
    view.setUint16(14, about.height, true);
    view.setUint32(16, rectangles.length, true);
    for (const [i, { x, y, width, height }] of rectangles.entries()) {
      for (const [j, value] of [x, y, width, height].entries()) view.setUint16(HEAD + RECTANGLE * i + 2 * j, value, true);
    }
    return record;
  }
}

/** Cuts bytes into whole records, however they arrive. Throws `RangeError` for what cannot be one. */
export class ScreenRecordCutter {
  readonly #onRecord: (record: Uint8Array<ArrayBuffer>) => void;
  readonly #head = new Uint8Array(4);
  #record: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;

  constructor(onRecord: (record: Uint8Array<ArrayBuffer>) => void) {
    this.#onRecord = onRecord;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const target: Uint8Array = this.#record ?? this.#head;
      const part = bytes.subarray(at, at + target.length - this.#filled);
      target.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < target.length) return;
      if (this.#record === undefined) this.#begin();
      else {
        const record = this.#record;
        this.#record = undefined;
        this.#filled = 0;
        this.#onRecord(record);
      }
    }
  }

  #begin(): void {
    const length = new DataView(this.#head.buffer).getUint32(0, true);
    if (length < HEAD || length > HEAD + 4 * LONGEST_SIDE * LONGEST_SIDE) throw new RangeError(`a record of ${length} bytes`);
    this.#record = new Uint8Array(length);
    this.#record.set(this.#head);
    this.#filled = this.#head.length;
  }
}

/** Throws `RangeError` for what is no record. */
export function unpackScreenRecord(record: Uint8Array<ArrayBuffer>): ScreenRecord {
  if (record.length < HEAD) throw new RangeError(`a record of ${record.length} bytes`);
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  const width = view.getUint16(12, true);
  const height = view.getUint16(14, true);
  const count = view.getUint32(16, true);
  const from = HEAD + RECTANGLE * count;
  if (from > record.length) throw new RangeError(`a record with ${count} rectangles`);
  const rectangles = Array.from({ length: count }, (_, i) => {
    const word = (j: number): number => view.getUint16(HEAD + RECTANGLE * i + 2 * j, true);
    const rectangle = { x: word(0), y: word(1), width: word(2), height: word(3) };
    const inside = rectangle.x + rectangle.width <= width && rectangle.y + rectangle.height <= height;
    if (!inside || rectangle.width === 0 || rectangle.height === 0) throw new RangeError('a rectangle outside the picture');
    return rectangle;
  });
  if ((record.byteOffset | record.length) % 4 !== 0) throw new RangeError('a record that does not consist of words');
  return {
    stream: view.getUint32(4, true),
    serial: view.getUint32(8, true),
    width,
    height,
    rectangles,
    pixels: new Uint32Array(record.buffer, record.byteOffset + from, (record.length - from) / 4),
  };
}
