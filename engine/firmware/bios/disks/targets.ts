/** What a drive number of INT 13h means: a drive, or the image of a CD that stands in for one (El Torito). */
import { Private } from '../areas.ts';
import type { BiosDrive, BiosMedium } from '../disk.ts';
import type { BiosHost } from '../host.ts';
import { read8, read16, read32, write8, write16, write32 } from '../words.ts';

export const FIRST_DISK = 0x80;
export const FIRST_CD = 0xe0;

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectors: number;
}

export interface Target {
  readonly number: number;
  readonly kind: BiosDrive['kind'];
  readonly drive: BiosDrive;
  /** Place of the drive in the host's list. */
  readonly index: number;
  /** First sector of 2048 bytes of an emulated drive; undefined for a real one. */
  readonly image?: number;
  readonly sectorBytes: 512 | 2048;
  /** 0 while there is no medium. */
  readonly sectors: number;
  readonly readonly: boolean;
  /** Undefined for CDs. */
  readonly geometry?: Geometry;
}

/** Sectors of 512 bytes, heads, sectors a track: the formats of diskettes. */
const DISKETTES: readonly (readonly [sectors: number, cylinders: number, heads: number, track: number])[] = [
  [320, 40, 1, 8],
  [360, 40, 1, 9],
  [640, 40, 2, 8],
  [720, 40, 2, 9],
  [1440, 80, 2, 9],
  [2400, 80, 2, 15],
  [2880, 80, 2, 18],
  [3360, 80, 2, 21],
  [5760, 80, 2, 36],
];

export function disketteGeometry(sectors: number): Geometry {
  const known = DISKETTES.find(([size]) => size >= sectors) ?? DISKETTES.at(-1);
  const [, cylinders, heads, track] = known ?? [0, 80, 2, 18];
  return { cylinders, heads, sectors: track };
}

/** CHS as a BIOS translates it: the drive's own while it has at most 1024 cylinders, LBA-assisted above. */
function diskGeometry({ sectors, geometry }: BiosMedium): Geometry {
  const own = geometry ?? { heads: 16, sectors: 63, cylinders: Math.floor(sectors / (16 * 63)) };
  const [ownHeads, track] = [Math.max(1, Math.min(own.heads, 255)), Math.max(1, Math.min(own.sectors, 63))];
  const cylinders = Math.floor(sectors / (ownHeads * track));
  if (cylinders <= 1024) return { cylinders: Math.max(1, cylinders), heads: ownHeads, sectors: track };
  const heads = [16, 32, 64, 128].find((count) => sectors <= 1024 * count * 63) ?? 255;
  return { cylinders: Math.min(1024, Math.floor(sectors / (heads * 63))), heads, sectors: 63 };
}

/** El Torito's boot media types. */
export const Media = { None: 0, Floppy12: 1, Floppy144: 2, Floppy288: 3, Disk: 4 } as const;

export interface Emulation {
  readonly media: number;
  /** BIOS number that the image has. */
  readonly number: number;
  /** Place of the CD drive in the host's list. */
  readonly index: number;
  readonly image: number;
  readonly loadSegment: number;
  readonly loadSectors: number;
  readonly geometry: Geometry;
  readonly specification: number;
}

const At = {
  active: 0,
  media: 1,
  number: 2,
  index: 3,
  image: 4,
  segment: 8,
  count: 10,
  cylinders: 12,
  heads: 14,
  track: 15,
  device: 16,
} as const;

export function storeEmulation({ memory }: BiosHost, emulation: Emulation): void {
  const base = Private.Emulation;
  write8(memory, base + At.active, 1);
  write8(memory, base + At.media, emulation.media);
  write8(memory, base + At.number, emulation.number);
  write8(memory, base + At.index, emulation.index);
  write32(memory, base + At.image, emulation.image);
  write16(memory, base + At.segment, emulation.loadSegment);
  write16(memory, base + At.count, emulation.loadSectors);
  write16(memory, base + At.cylinders, emulation.geometry.cylinders);
  write8(memory, base + At.heads, emulation.geometry.heads);
  write8(memory, base + At.track, emulation.geometry.sectors);
  write16(memory, base + At.device, emulation.specification);
}

export function endEmulation({ memory }: BiosHost): void {
  write8(memory, Private.Emulation, 0);
}

/** What was booted from a CD, with or without emulation. */
export function emulation({ memory, drives }: BiosHost): Emulation | undefined {
  const base = Private.Emulation;
  const index = read8(memory, base + At.index);
  if (read8(memory, base + At.active) !== 1 || drives[index]?.kind !== 'cdrom') return undefined;
  return {
    media: read8(memory, base + At.media) & 0x0f,
    number: read8(memory, base + At.number),
    index,
    image: read32(memory, base + At.image),
    loadSegment: read16(memory, base + At.segment),
    loadSectors: read16(memory, base + At.count),
    geometry: {
      cylinders: Math.max(1, read16(memory, base + At.cylinders)),
      heads: Math.max(1, read8(memory, base + At.heads)),
      sectors: Math.max(1, Math.min(63, read8(memory, base + At.track))),
    },
    specification: read16(memory, base + At.device),
  };
}

/** Drives of a kind in order; an emulated one comes before them. */
const ofKind = ({ drives }: BiosHost, kind: BiosDrive['kind']): readonly { drive: BiosDrive; index: number }[] =>
  drives.map((drive, index) => ({ drive, index })).filter(({ drive }) => drive.kind === kind);

export function countDrives(host: BiosHost, kind: BiosDrive['kind']): number {
  const image = emulation(host);
  const more =
    image && image.media !== Media.None && (kind === 'disk') === (image.media === Media.Disk) && kind !== 'cdrom' ? 1 : 0;
  return ofKind(host, kind).length + more;
}

export function targetOf(host: BiosHost, number: number): Target | undefined {
  const image = emulation(host);
  const emulated = image !== undefined && image.media !== Media.None;
  if (emulated && number === image.number) {
    const drive = host.drives[image.index];
    const { geometry } = image;
    const present = drive?.medium() !== undefined;
    return (
      drive && {
        number,
        kind: image.media === Media.Disk ? 'disk' : 'floppy',
        drive,
        index: image.index,
        image: image.image,
        sectorBytes: 512,
        sectors: present ? geometry.cylinders * geometry.heads * geometry.sectors : 0,
        readonly: true,
        geometry,
      }
    );
  }
  if (image && !emulated && number === image.number) return real(host, number, image.index);
  const kind = number >= FIRST_CD ? 'cdrom' : number >= FIRST_DISK ? 'disk' : 'floppy';
  const first = { cdrom: FIRST_CD, disk: FIRST_DISK, floppy: 0 }[kind];
  const shift = emulated && kind === (image.media === Media.Disk ? 'disk' : 'floppy') ? 1 : 0;
  const found = ofKind(host, kind)[number - first - shift];
  return found && real(host, number, found.index);
}

function real({ drives }: BiosHost, number: number, index: number): Target | undefined {
  const drive = drives[index];
  if (!drive) return undefined;
  const medium = drive.medium();
  const geometry =
    drive.kind === 'cdrom'
      ? undefined
      : drive.kind === 'floppy'
        ? (medium?.geometry ?? disketteGeometry(medium?.sectors ?? 2880))
        : diskGeometry(medium ?? { sectorBytes: 512, sectors: 1, readonly: true });
  return {
    number,
    kind: drive.kind,
    drive,
    index,
    sectorBytes: drive.kind === 'cdrom' ? 2048 : 512,
    sectors: medium?.sectors ?? 0,
    readonly: medium?.readonly ?? false,
    ...(geometry && { geometry }),
  };
}
