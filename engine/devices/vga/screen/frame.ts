import type { Picture, Rectangle } from '../../screen.ts';

/** The picture as it was shown last, and what a new one changes of it. */
export class Frame implements Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array;
  #bands: Rectangle[] = [];
  /** The band under way: its first line, and the columns that changed in it. */
  #top = -1;
  #left = 0;
  #right = 0;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint32Array(width * height);
  }

  /** Take line `y` from `line`, `shift` pixels in; lines come in order. */
  put(y: number, line: Uint32Array, shift: number): void {
    const { width, pixels } = this;
    const at = y * width;
    let first = 0;
    while (first < width && pixels[at + first] === line[shift + first]) first++;
    if (first === width) {
      this.#close(y);
      return;
    }
    let last = width - 1;
    while (pixels[at + last] === line[shift + last]) last--;
    for (let x = first; x <= last; x++) pixels[at + x] = line[shift + x] as number;
    if (this.#top < 0) {
      this.#top = y;
      this.#left = first;
      this.#right = last;
    } else {
      if (first < this.#left) this.#left = first;
      if (last > this.#right) this.#right = last;
    }
  }

  /** Line `y` stays as it is. */
  skip(y: number): void {
    if (this.#top >= 0) this.#close(y);
  }

  /** What changed since the last call. */
  take(): Rectangle[] {
    this.#close(this.height);
    const bands = this.#bands;
    this.#bands = [];
    return bands;
  }

  #close(y: number): void {
    if (this.#top < 0) return;
    this.#bands.push({ x: this.#left, y: this.#top, width: this.#right - this.#left + 1, height: y - this.#top });
    this.#top = -1;
  }
}
