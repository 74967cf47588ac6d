/** Where a guest's picture stands in the window: sizes in CSS pixels that are whole numbers of the screen's own. */

export const scales = ['fit', 'integer', 'one'] as const;
/** As large as fits; the largest whole multiple that fits; one guest pixel for one pixel of the screen. */
export type Scale = (typeof scales)[number];

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Placement extends Size {
  readonly left: number;
  readonly top: number;
  /** Every guest pixel is the same whole number of the screen's pixels: no smoothing. */
  readonly exact: boolean;
}

/** `ratio`: the screen's pixels for one CSS pixel. `room` in CSS pixels; a picture that does not fit stands at its upper left. */
export function place(picture: Size, room: Size, { scale, ratio }: { readonly scale: Scale; readonly ratio: number }): Placement {
  const wide = Math.floor(room.width * ratio);
  const high = Math.floor(room.height * ratio);
  const most = Math.min(wide / picture.width, high / picture.height);
  const factor = scale === 'one' ? 1 : scale === 'integer' ? Math.max(1, Math.floor(most)) : most;
  const width = Math.max(1, Math.round(picture.width * factor));
  const height = Math.max(1, Math.round(picture.height * factor));
  return {
    left: Math.max(0, Math.floor((wide - width) / 2)) / ratio,
    top: Math.max(0, Math.floor((high - height) / 2)) / ratio,
    width: width / ratio,
    height: height / ratio,
    exact: Number.isInteger(factor),
  };
}
