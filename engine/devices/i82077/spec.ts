/** Facts of the 82077AA (Intel 290166) and of PC floppies. */

export const Reg = { Output: 2, Tape: 3, MainStatus: 4, Data: 5 } as const;
export const Main = { Busy: 0x10, ToHost: 0x40, Ready: 0x80 } as const;
export const Output = { NotReset: 0x04, DmaGate: 0x08, Motor: 0x10 } as const;
export const St0 = { Abnormal: 0x40, Invalid: 0x80, Polled: 0xc0, SeekEnd: 0x20, EquipmentCheck: 0x10 } as const;
export const St1 = { EndOfCylinder: 0x80, DataError: 0x20, NoData: 0x04, NotWritable: 0x02, NoAddressMark: 0x01 } as const;
export const St2 = { WrongCylinder: 0x10 } as const;
export const SECTOR = 512;

/** Length of commands by the low five bits of their first byte, that byte included; 0 is no command. */
export const LENGTHS: Readonly<Record<number, number>> = {
  2: 9, // READ TRACK
  3: 3, // SPECIFY
  4: 2, // SENSE DRIVE STATUS
  5: 9, // WRITE DATA
  6: 9, // READ DATA
  7: 2, // RECALIBRATE
  8: 1, // SENSE INTERRUPT STATUS
  9: 9, // WRITE DELETED DATA
  10: 2, // READ ID
  12: 9, // READ DELETED DATA
  13: 6, // FORMAT TRACK
  14: 1, // DUMPREG
  15: 3, // SEEK
  16: 1, // VERSION
  18: 2, // PERPENDICULAR MODE
  19: 4, // CONFIGURE
  20: 1, // LOCK, UNLOCK
  22: 9, // VERIFY
};

/** Formats that PCs know: cylinders, heads, sectors of a track, and which data rate reads them (0: 500, 1: 300, 2: 250, 3: 1000 kbit/s). */
const FORMATS = [
  [40, 1, 8, 2],
  [40, 1, 9, 2],
  [40, 2, 8, 2],
  [40, 2, 9, 2],
  [80, 2, 9, 2],
  [80, 2, 10, 2],
  [80, 2, 15, 0],
  [80, 2, 18, 0],
  [80, 2, 20, 0],
  [80, 2, 21, 0],
  [82, 2, 21, 0],
  [83, 2, 21, 0],
  [80, 2, 36, 3],
  [80, 2, 39, 3],
] as const;

export interface FloppyFormat {
  readonly cylinders: number;
  readonly heads: number;
  readonly track: number;
  readonly rate: number;
}

/** The format of an image of so many bytes: the exact one, or the smallest that holds it. */
export function formatOf(bytes: number): FloppyFormat {
  const sectors = Math.ceil(bytes / SECTOR);
  const sizes = FORMATS.map(([cylinders, heads, track, rate]) => ({ cylinders, heads, track, rate }));
  const exact = sizes.find((one) => one.cylinders * one.heads * one.track === sectors);
  const usual = { cylinders: 80, heads: 2, track: 18, rate: 0 };
  return (
    exact ??
    (sectors <= 2880 ? usual : (sizes.find((one) => one.cylinders * one.heads * one.track > sectors) ?? sizes.at(-1) ?? usual))
  );
}
