/** Draws records of a screen on a canvas as they come, and counts what was drawn. */
import type { ScreenRecord } from '../../engine/contract/screen-stream.ts';
import type { Size } from './layout.ts';

export class Painter {
  readonly #context: CanvasRenderingContext2D;
  /** Records drawn. */
  drawn = 0;

  constructor(canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d', { alpha: false });
    if (context === null) throw new Error('this browser draws on no canvas');
    this.#context = context;
  }

  /** True when the size has changed. */
  draw({ width, height, rectangles, pixels }: ScreenRecord): boolean {
    const { canvas } = this.#context;
    const resized = canvas.width !== width || canvas.height !== height;
    if (resized) Object.assign(canvas, { width, height });
    let at = pixels.byteOffset;
    for (const rectangle of rectangles) {
      const bytes = 4 * rectangle.width * rectangle.height;
      const part = new Uint8ClampedArray(pixels.buffer, at, bytes);
      this.#context.putImageData(new ImageData(part, rectangle.width, rectangle.height), rectangle.x, rectangle.y);
      at += bytes;
    }
    this.drawn++;
    return resized;
  }

  get size(): Size {
    const { width, height } = this.#context.canvas;
    return { width, height };
  }
}
