/** What a display adapter shows, for whoever looks at it: a window, a picture file, a test. Belongs to one thread and keeps a frame. */

/** In pixels from the upper left corner. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** One word a pixel: red, green, blue and 255 as bytes in memory order. Changes with the next update. */
  readonly pixels: Uint32Array;
}

export interface ScreenUpdate {
  readonly picture: Picture;
  /** What differs from the last update; everything when the size changed. Few and apart from each other. */
  readonly changed: readonly Rectangle[];
}

export interface ScreenText {
  readonly columns: number;
  /** Lines of exactly `columns` characters. */
  readonly lines: readonly string[];
  /** Where the cursor stands, when it is on the screen and not hidden. */
  readonly cursor: { readonly column: number; readonly line: number } | undefined;
}

export interface Screen {
  /** Bring the picture up to date with what the guest has drawn. Takes the machine lock for a moment. */
  update(): ScreenUpdate;
  /** What a text mode shows; undefined in graphics modes. */
  text(): ScreenText | undefined;
}
