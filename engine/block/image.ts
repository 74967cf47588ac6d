/** Bytes of a disk that are in a file as they are and in a row, which another thread may read and write there as well. */
export interface Extent {
  /** First byte of the disk. */
  readonly at: number;
  readonly bytes: number;
  /** Of the file, as this process knows it, until the image is closed. */
  readonly handle: number;
  /** Where the first byte is in the file. */
  readonly offset: number;
  /** First byte of the disk that may be written without the image; behind all of them where none may. */
  readonly writeFrom: number;
}

/** A disk image as its users see it, whatever its format. Offsets and lengths in bytes, whole sectors of 512 within `bytes`. */
export interface DiskImage {
  readonly format: ImageFormat;
  readonly bytes: number;
  readonly readonly: boolean;
  /** Another number whenever bytes of the disk are not where they were; absent where they stay. */
  readonly layout?: number;
  /** What byte `at` lies in; undefined where only the image knows what it is. */
  extentAt?(at: number): Extent | undefined;
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
