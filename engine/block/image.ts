/** Every byte of the disk is in a file at its own place, which another thread may read and write as well. */
export interface DirectPlace {
  /** Of the file, as this process knows it, until the image is closed. */
  readonly handle: number;
  /** First byte that may be written without the image. */
  readonly writeFrom: number;
}

/** A disk image as its users see it, whatever its format. Offsets and lengths in bytes, whole sectors of 512 within `bytes`. */
export interface DiskImage {
  readonly format: ImageFormat;
  readonly bytes: number;
  readonly readonly: boolean;
  readonly direct?: DirectPlace | undefined;
  read(at: number, into: readonly Uint8Array[]): void;
  write(at: number, from: readonly Uint8Array[]): void;
  /** The range reads as zeros from now on; what it occupied is given back where that is possible. */
  zero(at: number, bytes: number): void;
  /** The content of the range is not needed any more: it stays, or reads as zeros. */
  discard(at: number, bytes: number): void;
  /** What was written before is on stable storage when this returns, and an image that is read again then shows it. */
  flush(): void;
  /** Writes what is cached; the file is closed even when that fails. */
  close(): void;
}

export const imageFormats = ['raw', 'qcow2'] as const;
export type ImageFormat = (typeof imageFormats)[number];
export const SECTOR = 512;
