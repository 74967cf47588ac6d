/** Draws records of a screen on a canvas as they come, and counts what was drawn. */
import { unpackPixels } from '../../engine/contract/screen-pixels.ts';
import type { ScreenRecord } from '../../engine/contract/screen-record.ts';
import type { Size } from './layout.ts';

export class Painter {
  readonly #context: CanvasRenderingContext2D;
  /** Pixels of one rectangle: room for the largest so far. */
  #room = new Uint32Array(0);
  /** Records drawn. */
  drawn = 0;

  constructor(canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d', { alpha: false });
    if (context === null) throw new Error('this browser draws on no canvas');
    this.#context = context;
  }

  /** True when the size has changed. Throws `RangeError` for a record with impossible pixels. */
  draw({ width, height, rectangles, pixels }: ScreenRecord): boolean {
    const { canvas } = this.#context;
    const resized = canvas.width !== width || canvas.height !== height;
    if (resized) Object.assign(canvas, { width, height });
    let at = 0;
    for (const rectangle of rectangles) {
      const area = rectangle.width * rectangle.height;
      if (this.#room.length < area) this.#room = new Uint32Array(area);
      at = unpackPixels({ words: pixels, at }, rectangle, this.#room);
      const part = new Uint8ClampedArray(this.#room.buffer, 0, 4 * area);
      this.#context.putImageData(new ImageData(part, rectangle.width, rectangle.height), rectangle.x, rectangle.y);
    }
    this.drawn++;
    return resized;
  }

  get size(): Size {
    const { width, height } = this.#context.canvas;
    return { width, height };
  }
}
