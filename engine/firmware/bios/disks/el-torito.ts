/** Boot catalogs of CDs: El Torito Bootable CD-ROM Format Specification 1.0. Everything here comes from a medium and is hostile. */
import { disketteGeometry, type Geometry, Media } from './targets.ts';

export const SECTOR_BYTES = 2048;
/** Where the boot record stands on every bootable CD. */
export const BOOT_RECORD_SECTOR = 17;
const CATALOG_POINTER = 0x47;
const ENTRY_BYTES = 32;
const BOOTABLE = 0x88;
const PLATFORM_X86 = 0;
const Header = { Validation: 0x01, More: 0x90, Final: 0x91 } as const;

export interface BootEntry {
  readonly media: number;
  readonly loadSegment: number;
  /** Of 512 bytes. */
  readonly loadSectors: number;
  /** Of 2048 bytes. */
  readonly image: number;
}

const text = (bytes: Uint8Array, at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length));
const u16 = (bytes: Uint8Array, at: number): number => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
const u32 = (bytes: Uint8Array, at: number): number => (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;

/** The catalog's sector, from the boot record volume descriptor; undefined when the CD has none. */
export function catalogSector(record: Uint8Array): number | undefined {
  const isRecord = record[0] === 0 && text(record, 1, 5) === 'CD001' && text(record, 7, 23) === 'EL TORITO SPECIFICATION';
  return isRecord ? u32(record, CATALOG_POINTER) : undefined;
}

export type Catalog = { readonly entry: BootEntry } | { readonly defect: 'damaged' | 'nothing' };

/** The entry that a PC boots: the initial one, else the first bootable one of a section for x86. */
export function bootEntry(catalog: Uint8Array): Catalog {
  let sum = 0;
  for (let at = 0; at < ENTRY_BYTES; at += 2) sum += u16(catalog, at);
  const valid = catalog[0] === Header.Validation && u16(catalog, 30) === 0xaa55 && (sum & 0xffff) === 0;
  if (!valid) return { defect: 'damaged' };
  const initial = entryAt(catalog, ENTRY_BYTES);
  if (initial && catalog[1] === PLATFORM_X86) return { entry: initial };
  let left = 0;
  let wanted = false;
  for (let at = 2 * ENTRY_BYTES; at + ENTRY_BYTES <= catalog.length; at += ENTRY_BYTES) {
    const kind = catalog[at];
    if (left > 0) {
      left--;
      const entry = wanted ? entryAt(catalog, at) : undefined;
      if (entry) return { entry };
    } else if (kind === Header.More || kind === Header.Final) {
      wanted = catalog[at + 1] === PLATFORM_X86;
      left = u16(catalog, at + 2);
    } else break;
  }
  return initial ? { entry: initial } : { defect: 'nothing' };
}

function entryAt(catalog: Uint8Array, at: number): BootEntry | undefined {
  if (catalog[at] !== BOOTABLE) return undefined;
  const media = (catalog[at + 1] ?? 0) & 0x0f;
  if (media > Media.Disk) return undefined;
  return {
    media,
    loadSegment: u16(catalog, at + 2) || 0x7c0,
    loadSectors: u16(catalog, at + 6) || 1,
    image: u32(catalog, at + 8),
  };
}

/** Geometry of an emulated medium; a disk's follows from the first entry of its partition table. */
export function emulatedGeometry(media: number, firstSector: Uint8Array): Geometry {
  const diskettes: Readonly<Record<number, number>> = {
    [Media.Floppy12]: 2400,
    [Media.Floppy144]: 2880,
    [Media.Floppy288]: 5760,
  };
  const sectors = diskettes[media];
  if (sectors !== undefined) return disketteGeometry(sectors);
  const end = firstSector.subarray(446 + 5, 446 + 8);
  const [head = 0, low = 0, high = 0] = end;
  return { cylinders: (high | ((low & 0xc0) << 2)) + 1, heads: head + 1, sectors: Math.max(1, low & 0x3f) };
}
