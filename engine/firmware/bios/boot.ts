/**
 * INT 19h and 18h: the drives in their order, each until its sector can be started; the menu; and what is said when nothing starts. One
 * step in each trap. Progress lies in the private area, because INT 18h comes back on an empty stack.
 */
import { Private } from './areas.ts';
import type { BiosDiskResult, BiosDrive } from './disk.ts';
import { BOOT_RECORD_SECTOR, bootEntry, catalogSector, emulatedGeometry, SECTOR_BYTES } from './disks/el-torito.ts';
import { type Emulation, endEmulation, FIRST_CD, FIRST_DISK, Media, storeEmulation } from './disks/targets.ts';
import { Action, type Frame } from './frame.ts';
import type { BiosHost } from './host.ts';
import { takeKey } from './input/keyboard.ts';
import { say } from './say.ts';
import type { Screen } from './video/screen.ts';
import { waited } from './waiting.ts';
import { read8, read16, read32, write8, write16, write32 } from './words.ts';

const At = { phase: 0, candidate: 1, inFlight: 2, only: 3, value: 4, done: 8, reasons: 16 } as const;
const MOST_CANDIDATES = 16;
const ENTRY = 0x7c00;
const F12 = 0x8600;
const SIGNATURE = 0xaa55;

const Phase = { Greet: 0, Menu: 1, First: 2, Catalog: 3, Image: 4, Load: 5, Failed: 6 } as const;

/** Why a drive was not booted, by its number in the private area. */
const Reason = {
  NotTried: 0,
  Empty: 1,
  Unreadable: 2,
  NoSignature: 3,
  NoBootRecord: 4,
  BadCatalog: 5,
  NoEntry: 6,
  BadEntry: 7,
  GaveUp: 8,
} as const;
const REASONS: readonly string[] = [
  'was not tried',
  'has no medium in it',
  'cannot be read',
  'has no boot signature in its first sector',
  'has no El Torito boot record',
  'has a damaged boot catalog',
  'has no boot catalog entry for a PC',
  'has a boot image that does not fit into memory',
  'was started and gave up',
];

export interface Booter {
  readonly host: BiosHost;
  readonly screen: Screen;
}

interface Candidate {
  readonly drive: BiosDrive;
  readonly index: number;
  /** Number in INT 13h. */
  readonly number: number;
  readonly name: string;
}

/** Drives in the order in which they are tried. */
function candidates({ drives, boot }: BiosHost): readonly Candidate[] {
  const counts = { floppy: 0, disk: 0, cdrom: 0 };
  const all = drives.map((drive, index): Candidate => {
    const n = counts[drive.kind]++;
    const first = { floppy: 0, disk: FIRST_DISK, cdrom: FIRST_CD }[drive.kind];
    const name = `${{ floppy: 'Floppy', disk: 'Disk', cdrom: 'CD' }[drive.kind]} ${n + 1}`;
    return { drive, index, number: first + n, name };
  });
  return boot.order.flatMap((kind) => all.filter(({ drive }) => drive.kind === kind)).slice(0, MOST_CANDIDATES);
}

const at = (field: number): number => Private.Boot + field;

/** Forget an earlier attempt: at power-on. */
export function clearBootProgress({ memory }: BiosHost): void {
  memory.write(Private.Boot, new Uint8Array(At.reasons + MOST_CANDIDATES));
}

/** INT 19h (again from the first drive) or 18h (what was started gave up: the next one). */
export function bootService(booter: Booter, f: Frame): void {
  const { memory } = booter.host;
  const phase = () => read8(memory, at(At.phase));
  if (f.vector === 0x18 && phase() === Phase.Load) fail(booter, Reason.GaveUp);
  else if (f.vector === 0x19 && f.scratch === 0 && phase() !== Phase.Greet) {
    clearBootProgress(booter.host);
    write8(memory, at(At.phase), Phase.First);
  }
  // From here on traps of this call are told from its first by the scratch word.
  if (f.scratch === 0 && phase() !== Phase.Greet) f.again(Action.Spin, 1);
  switch (phase()) {
    case Phase.Greet:
      greet(booter, f);
      return;
    case Phase.Menu:
      menu(booter, f);
      return;
    case Phase.Failed:
      if (takeKey(memory) === undefined) f.again(Action.Halt, 1);
      else {
        clearBootProgress(booter.host);
        write8(memory, at(At.phase), Phase.First);
        f.again(Action.Spin, 1);
      }
      return;
    default:
      attempt(booter, f);
  }
}

function greet(booter: Booter, f: Frame): void {
  const { host } = booter;
  const { menuMilliseconds } = host.boot;
  if (f.scratch === 0) {
    say(booter, 'Rootmode BIOS\n');
    if (menuMilliseconds > 0) say(booter, 'Press F12 for the boot menu.\n');
  }
  const key = takeKey(host.memory);
  if (key === F12) {
    write8(host.memory, at(At.phase), Phase.Menu);
    const lines = candidates(host).map(({ name, drive }, i) => `  ${i + 1}. ${name}: ${printable(drive.title)}\n`);
    say(booter, `\nBoot from:\n${lines.join('')}  Esc: the usual order\n`);
    f.again(Action.Spin, 1);
  } else if (menuMilliseconds === 0 || waited(host, f, menuMilliseconds * 1000)) {
    write8(host.memory, at(At.phase), Phase.First);
    f.again(Action.Spin, 1);
  } else f.again(Action.Halt, f.scratch);
}

function menu(booter: Booter, f: Frame): void {
  const { host } = booter;
  const key = takeKey(host.memory);
  const choice = key === undefined ? -1 : (key & 0xff) - 0x31;
  f.again(Action.Halt, 1);
  if (key === undefined || ((key & 0xff) !== 0x1b && !(choice >= 0 && choice < candidates(host).length))) return;
  clearBootProgress(host);
  if (choice >= 0) {
    write8(host.memory, at(At.candidate), choice);
    write8(host.memory, at(At.only), 1);
  }
  write8(host.memory, at(At.phase), Phase.First);
  f.again(Action.Spin, 1);
}

const printable = (title: string): string => title.replace(/[^\x20-\x7e]/g, '?').slice(0, 40);

/** The drive in hand failed: on to the next, or to the end of them. */
function fail({ host }: Booter, reason: number): void {
  const { memory } = host;
  const candidate = read8(memory, at(At.candidate));
  if (candidate < MOST_CANDIDATES) write8(memory, at(At.reasons) + candidate, reason);
  endEmulation(host);
  write8(memory, at(At.inFlight), 0);
  write8(memory, at(At.candidate), read8(memory, at(At.only)) ? MOST_CANDIDATES : candidate + 1);
  write8(memory, at(At.phase), Phase.First);
}

function nothingLeft(booter: Booter, all: readonly Candidate[]): void {
  const { memory } = booter.host;
  const lines = all.map(({ name, drive }, i) => {
    const reason = REASONS[read8(memory, at(At.reasons) + i)] ?? REASONS[0];
    return `  ${name} (${printable(drive.title)}) ${reason}.\n`;
  });
  const none =
    booter.host.drives.length > 0
      ? 'The boot order names none of the drives there are.'
      : 'There is no drive: give the machine a disk, a CD or a floppy.';
  const tried = lines.length > 0 ? lines.join('') : `  ${none}\n`;
  say(booter, `\nNothing to boot from.\n${tried}Press a key to try again.\n`);
  write8(memory, at(At.phase), Phase.Failed);
}

/** Begin a request, or look at the one in flight. Undefined while it is under way. */
function request(
  { memory }: BiosHost,
  drive: BiosDrive,
  what: { readonly sector: number; readonly count: number; readonly gpa: number },
): Exclude<BiosDiskResult, 'busy'> | undefined {
  if (read8(memory, at(At.inFlight)) === 0) {
    drive.start({ kind: 'read', ...what });
    write8(memory, at(At.inFlight), 1);
  }
  const result = drive.poll();
  if (result === 'busy') return undefined;
  write8(memory, at(At.inFlight), 0);
  return result;
}

function attempt(booter: Booter, f: Frame): void {
  const { host } = booter;
  const all = candidates(host);
  const candidate = all[read8(host.memory, at(At.candidate))];
  f.again(Action.Spin, 1);
  if (!candidate) {
    nothingLeft(booter, all);
    return;
  }
  if (candidate.drive.medium() === undefined) {
    fail(booter, Reason.Empty);
    return;
  }
  if (candidate.drive.kind === 'cdrom') bootCd(booter, f, candidate);
  else bootSector(booter, f, candidate);
}

function bootSector(booter: Booter, f: Frame, { drive, number }: Candidate): void {
  const { host } = booter;
  const result = request(host, drive, { sector: 0, count: 1, gpa: ENTRY });
  if (result === undefined) return;
  if (result !== 'done') fail(booter, result === 'no-medium' ? Reason.Empty : Reason.Unreadable);
  else if (read16(host.memory, ENTRY + 510) !== SIGNATURE) fail(booter, Reason.NoSignature);
  else enter(booter, f, { segment: 0, offset: ENTRY, number });
}

function enter(
  { host }: Booter,
  f: Frame,
  to: { readonly segment: number; readonly offset: number; readonly number: number },
): void {
  write8(host.memory, at(At.phase), Phase.Load);
  f.again(Action.Return, 0);
  f.goTo(to.segment, to.offset);
  f.edx = to.number;
  f.eax = SIGNATURE;
  f.interrupts = true;
}

/** Boot record, catalog, image: a phase each. */
function bootCd(booter: Booter, f: Frame, candidate: Candidate): void {
  const { host } = booter;
  const { memory } = host;
  const { drive } = candidate;
  const phase = read8(memory, at(At.phase));
  if (phase === Phase.First || phase === Phase.Catalog || phase === Phase.Image) {
    const sector = phase === Phase.First ? BOOT_RECORD_SECTOR : read32(memory, at(At.value));
    const result = request(host, drive, { sector, count: 1, gpa: Private.Sector });
    if (result === undefined) return;
    if (result !== 'done') {
      fail(booter, result === 'no-medium' ? Reason.Empty : Reason.Unreadable);
      return;
    }
    const bytes = memory.read(Private.Sector, SECTOR_BYTES);
    if (phase === Phase.First) recordRead(booter, bytes);
    else if (phase === Phase.Catalog) catalogRead(booter, candidate, bytes);
    else imageBegun(booter, candidate, bytes);
    return;
  }
  loadImage(booter, f, candidate);
}

function go({ host }: Booter, phase: number, value: number): void {
  write8(host.memory, at(At.phase), phase);
  write32(host.memory, at(At.value), value);
}

function recordRead(booter: Booter, bytes: Uint8Array): void {
  const sector = catalogSector(bytes);
  if (sector === undefined) fail(booter, Reason.NoBootRecord);
  else go(booter, Phase.Catalog, sector);
}

function catalogRead(booter: Booter, { index, number }: Candidate, bytes: Uint8Array): void {
  const { host } = booter;
  const found = bootEntry(bytes);
  if ('defect' in found) {
    fail(booter, found.defect === 'damaged' ? Reason.BadCatalog : Reason.NoEntry);
    return;
  }
  const { media, loadSegment, loadSectors, image } = found.entry;
  const last = loadSegment * 16 + Math.ceil(loadSectors / 4) * SECTOR_BYTES;
  if (loadSegment < 0x50 || last > 0x9_0000) {
    fail(booter, Reason.BadEntry);
    return;
  }
  const emulated = media === Media.None ? number : media === Media.Disk ? FIRST_DISK : 0;
  const none = { cylinders: 1, heads: 1, sectors: 1 };
  const begun: Emulation = { media, number: emulated, index, image, loadSegment, loadSectors, geometry: none, specification: 0 };
  storeEmulation(host, begun);
  write16(host.memory, at(At.done), 0);
  go(booter, Phase.Image, image);
}

/** The image's first sector is there: geometry of an emulated disk comes from it. */
function imageBegun(booter: Booter, { index }: Candidate, bytes: Uint8Array): void {
  const { host } = booter;
  const entry = bootEntryInForce(host);
  if (entry.media !== Media.None) {
    storeEmulation(host, { ...entry, index, specification: 0, geometry: emulatedGeometry(entry.media, bytes) });
  }
  go(booter, Phase.Load, entry.image);
}

function bootEntryInForce({ memory }: BiosHost): Omit<Emulation, 'geometry' | 'specification'> {
  const base = Private.Emulation;
  return {
    media: read8(memory, base + 1),
    number: read8(memory, base + 2),
    index: read8(memory, base + 3),
    image: read32(memory, base + 4),
    loadSegment: read16(memory, base + 8),
    loadSectors: read16(memory, base + 10),
  };
}

/** Sectors of a CD that one request moves. */
const CD_PIECE = 32;

function loadImage(booter: Booter, f: Frame, { drive }: Candidate): void {
  const { host } = booter;
  const { memory } = host;
  const { image, loadSegment, loadSectors, number } = bootEntryInForce(host);
  const total = Math.ceil(loadSectors / 4);
  const done = read16(memory, at(At.done));
  const count = Math.min(CD_PIECE, total - done);
  if (count <= 0) {
    const segmented = loadSegment === 0x7c0 ? { segment: 0, offset: ENTRY } : { segment: loadSegment, offset: 0 };
    enter(booter, f, { ...segmented, number });
    return;
  }
  const result = request(host, drive, { sector: image + done, count, gpa: loadSegment * 16 + done * SECTOR_BYTES });
  if (result === undefined) return;
  if (result === 'done') write16(memory, at(At.done), done + count);
  else fail(booter, Reason.Unreadable);
}
