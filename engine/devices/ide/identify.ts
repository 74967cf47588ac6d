/** What IDENTIFY DEVICE and IDENTIFY PACKET DEVICE answer: 256 words (ATA/ATAPI-7, 6.17 and 6.18). */
import { MULTIPLE, SECTOR, TRIM_PAGES } from './spec.ts';

/** What a drive says of itself. */
export interface DriveFacts {
  readonly serial: string;
  /** Sectors of 512 bytes. */
  readonly sectors: number;
  readonly multiple: number;
  readonly writeCache: boolean;
  /** As SET FEATURES chose it. */
  readonly dmaMode: number;
  /** Geometry in force. */
  readonly geometry: Geometry;
}

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly track: number;
}

const MODEL = { disk: 'Rootmode Disk', cdrom: 'Rootmode CD-ROM' };
const REVISION = '1.0';
const CYLINDERS = 16383;
const LBA28 = 0x0fff_ffff;

/** The geometry of a disk that the guest has not changed: 16 heads, 63 sectors a track. */
export function defaultGeometry(sectors: number): Geometry {
  const cylinders = Math.min(CYLINDERS, Math.max(1, Math.floor(sectors / (16 * 63))));
  return { cylinders, heads: 16, track: 63 };
}

/** Text in words whose upper byte comes first, padded with spaces. */
function text(words: DataView, at: number, [length, content]: readonly [number, string]): void {
  for (let i = 0; i < length; i++) {
    const code = i < content.length ? content.charCodeAt(i) & 0x7f : 0x20;
    words.setUint8(2 * at + (i ^ 1), code);
  }
}

function put(words: DataView, values: readonly (readonly [number, number])[]): void {
  for (const [word, value] of values) words.setUint16(2 * word, value & 0xffff, true);
}

/** Word 63: multiword DMA modes 0 to 2, and which is chosen. */
const multiword = (mode: number) => 0x0007 | ((mode & 0xf8) === 0x20 ? 0x100 << (mode & 3) : 0);

function closed(words: DataView): Uint8Array {
  const image = new Uint8Array(words.buffer);
  image[510] = 0xa5;
  image[511] = -image.subarray(0, 511).reduce((sum, byte) => sum + byte, 0) & 0xff;
  return image;
}

export function identifyDisk(facts: DriveFacts): Uint8Array {
  const words = new DataView(new ArrayBuffer(SECTOR));
  const { sectors, geometry } = facts;
  const usual = defaultGeometry(sectors);
  const capacity = geometry.cylinders * geometry.heads * geometry.track;
  const small = Math.min(sectors, LBA28);
  const cache = facts.writeCache ? 0x0020 : 0;
  text(words, 10, [20, facts.serial]);
  text(words, 23, [8, REVISION]);
  text(words, 27, [40, MODEL.disk]);
  put(words, [
    [0, 0x0040],
    [1, usual.cylinders],
    [3, usual.heads],
    [6, usual.track],
    [20, 3],
    [21, 512],
    [22, 4],
    [47, 0x8000 | MULTIPLE],
    [48, 1], // 32-bit access to the data register
    [49, 0x0f00], // LBA, DMA, IORDY
    [50, 0x4000],
    [51, 0x0200],
    [52, 0x0200],
    [53, 0x0003],
    [54, geometry.cylinders],
    [55, geometry.heads],
    [56, geometry.track],
    [57, capacity & 0xffff],
    [58, capacity >>> 16],
    [59, facts.multiple === 0 ? 0 : 0x0100 | facts.multiple],
    [60, small & 0xffff],
    [61, small >>> 16],
    [63, multiword(facts.dmaMode)],
    [64, 0x0003],
    [65, 120],
    [66, 120],
    [67, 120],
    [68, 120],
    [80, 0x00f0], // ATA/ATAPI-4 to 7
    [81, 0x0016],
    [82, 0x4028], // NOP, write cache, power management
    [83, 0x7400], // FLUSH CACHE (EXT), 48-bit addresses
    [84, 0x4040], // FUA
    [85, 0x4008 | cache],
    [86, 0x3400],
    [87, 0x4040],
    [100, sectors % 2 ** 16],
    [101, Math.floor(sectors / 2 ** 16)],
    [102, Math.floor(sectors / 2 ** 32)],
    [105, TRIM_PAGES],
    [169, 1], // TRIM
    [217, 1], // not rotating
  ]);
  return closed(words);
}

export function identifyPacket({ serial, dmaMode }: Pick<DriveFacts, 'serial' | 'dmaMode'>): Uint8Array {
  const words = new DataView(new ArrayBuffer(SECTOR));
  text(words, 10, [20, serial]);
  text(words, 23, [8, REVISION]);
  text(words, 27, [40, MODEL.cdrom]);
  put(words, [
    [0, 0x85c0], // ATAPI CD-ROM, removable, DRQ within 50 us, packets of 12 bytes
    [20, 3],
    [21, 512],
    [49, 0x0b00],
    [53, 0x0003],
    [63, multiword(dmaMode)],
    [64, 0x0003],
    [65, 120],
    [66, 120],
    [67, 120],
    [68, 120],
    [71, 30],
    [72, 30],
    [80, 0x0070],
    [82, 0x4010], // NOP, PACKET
    [83, 0x4000],
    [84, 0x4000],
    [85, 0x4010],
    [87, 0x4000],
  ]);
  return closed(words);
}

/** What an INQUIRY calls the drive: vendor of 8, product of 16, revision of 4 characters. */
export const INQUIRY_NAMES = `Rootmode${'CD-ROM'.padEnd(16)}1.0 `;
