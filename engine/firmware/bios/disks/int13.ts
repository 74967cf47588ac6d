/**
 * INT 13h: drives by cylinder, head and sector, and by logical block (Enhanced Disk Drive 3.0, ANSI T13/1226DT), CDs (El Torito 1.0).
 */

import { checksum } from '../../bytes.ts';
import { Bda, Ebda, Private } from '../areas.ts';
import type { BiosDiskResult } from '../disk.ts';
import type { Frame } from '../frame.ts';
import type { BiosHost } from '../host.ts';
import { ROM_SEGMENT, type RomTable } from '../rom.ts';
import { linear, read8, read16, read32, write8, write16, write32 } from '../words.ts';
import { countDrives, emulation, endEmulation, FIRST_DISK, Media, type Target, targetOf } from './targets.ts';
import { stepTransfer, type Transfer } from './transfer.ts';

/** Codes in AH. */
const Status = {
  Done: 0x00,
  Invalid: 0x01,
  NotFound: 0x04,
  WriteProtected: 0x03,
  Changed: 0x06,
  Controller: 0x20,
  NoMedium: 0x31,
  Timeout: 0x80,
  NotReady: 0xaa,
  BadSector: 0x10,
  NotLocked: 0xb0,
  Locked: 0xb1,
  NotRemovable: 0xb2,
  EjectFailed: 0xb5,
} as const;

const CODES: Readonly<Record<Exclude<BiosDiskResult, 'busy'>, number>> = {
  done: Status.Done,
  'no-medium': Status.NoMedium,
  range: Status.NotFound,
  'read-only': Status.WriteProtected,
  medium: Status.BadSector,
  failed: Status.Controller,
};

export interface DiskServices {
  readonly host: BiosHost;
  readonly rom: RomTable;
}

/** Leave AH, carry and the data area as every function does. */
function finish({ host }: DiskServices, f: Frame, status: number): void {
  f.ah = status;
  f.carry = status !== Status.Done;
  write8(host.memory, f.dl < FIRST_DISK ? Bda.DisketteStatus : Bda.DiskStatus, status);
}

export function diskService(services: DiskServices, f: Frame): void {
  const { host } = services;
  const end = (status: number) => finish(services, f, status);
  if (f.ah === 0x4a || f.ah === 0x4b || f.ah === 0x4c) {
    cdEmulation(services, f);
    return;
  }
  const target = targetOf(host, f.dl);
  if (f.ah === 0x08 && (f.dl < FIRST_DISK || (target?.kind === 'disk' && target.image === undefined) || target?.geometry)) {
    parameters(services, f, target);
    return;
  }
  if (f.ah === 0x15) {
    driveType(services, f, target);
    return;
  }
  if (!target) {
    end(f.ah === 0x01 || f.ah === 0x00 ? (f.dl < FIRST_DISK ? Status.Timeout : Status.Invalid) : Status.Invalid);
    return;
  }
  switch (f.ah) {
    case 0x00:
    case 0x0d:
      write8(host.memory, f.dl < FIRST_DISK ? Bda.DisketteStatus : Bda.DiskStatus, 0);
      end(Status.Done);
      return;
    case 0x01: {
      const last = read8(host.memory, f.dl < FIRST_DISK ? Bda.DisketteStatus : Bda.DiskStatus);
      f.ah = last;
      f.carry = last !== 0;
      return;
    }
    case 0x02:
    case 0x03:
    case 0x04:
      byCylinder(services, f, target);
      return;
    case 0x05:
      formatTrack(services, f, target);
      return;
    case 0x09:
    case 0x0c:
    case 0x10:
    case 0x11:
    case 0x14:
      end(target.sectors === 0 ? Status.NotReady : Status.Done);
      return;
    case 0x16:
      changeLine(services, f, target);
      return;
    case 0x17:
    case 0x18:
      mediaType(services, f, target);
      return;
    case 0x41:
      if (f.bx !== 0x55aa || target.kind === 'floppy') {
        end(Status.Invalid);
        return;
      }
      f.bx = 0xaa55;
      f.cx = 0x0007; // packets, locking and ejecting, EDD
      end(Status.Done);
      f.ah = 0x30;
      return;
    case 0x42:
    case 0x43:
    case 0x44:
    case 0x47:
      byBlock(services, f, target);
      return;
    case 0x45:
      lock(services, f, target);
      return;
    case 0x46:
      if (target.kind !== 'cdrom') end(Status.NotRemovable);
      else if (target.drive.locked) end(Status.Locked);
      else end(target.drive.eject?.(true) ? Status.Done : Status.EjectFailed);
      return;
    case 0x48:
      extendedParameters(services, f, target);
      return;
    case 0x49:
      end(mediumChanged(host, target) ? Status.Changed : Status.Done);
      return;
    case 0x4e:
      end(target.kind === 'floppy' ? Status.Invalid : Status.Done);
      return;
    default:
      end(Status.Invalid);
  }
}

/** Whether the medium is another one than this service saw last. */
function mediumChanged({ memory }: BiosHost, { drive, index }: Target): boolean {
  const at = Private.MediaSeen + 2 * (index & 15);
  const count = drive.mediumChanges() & 0xffff;
  if (read16(memory, at) === count) return false;
  write16(memory, at, count);
  return true;
}

/** At the first trap of a call: what stops it before a request is made. */
function refusal(host: BiosHost, f: Frame, target: Target): number | undefined {
  if (f.scratch !== 0) return undefined;
  if (target.kind === 'floppy' && target.image === undefined && mediumChanged(host, target) && target.sectors > 0)
    return Status.Changed;
  if (target.sectors === 0) return target.kind === 'floppy' ? Status.Timeout : Status.NoMedium;
  return undefined;
}

function run(
  services: DiskServices,
  f: Frame,
  work: { readonly target: Target; readonly transfer: Transfer },
): { status: number; done: number } | undefined {
  const { target, transfer } = work;
  if (transfer.kind === 'write' && target.readonly) return { status: Status.WriteProtected, done: 0 };
  const end = stepTransfer(services.host, f, target, transfer);
  return end && { status: CODES[end.result], done: end.done };
}

function byCylinder(services: DiskServices, f: Frame, target: Target): void {
  const { geometry } = target;
  const refused = refusal(services.host, f, target);
  const cylinder = f.ch | ((f.cl & 0xc0) << 2);
  const track = f.cl & 0x3f;
  const count = f.al;
  if (refused !== undefined || !geometry) {
    f.al = 0;
    finish(services, f, refused ?? Status.Invalid);
    return;
  }
  const limit = target.kind === 'floppy' ? 255 : 128;
  const sector = (cylinder * geometry.heads + f.dh) * geometry.sectors + track - 1;
  if (count === 0 || count > limit || track === 0 || track > geometry.sectors || f.dh >= geometry.heads) {
    f.al = 0;
    finish(services, f, count === 0 || count > limit ? Status.Invalid : Status.NotFound);
    return;
  }
  if (sector + count > target.sectors) {
    f.al = 0;
    finish(services, f, Status.NotFound);
    return;
  }
  const kind = ({ 2: 'read', 3: 'write', 4: 'verify' } as const)[f.ah as 2 | 3 | 4];
  const end = run(services, f, { target, transfer: { kind, sector, count, gpa: linear(f.es, f.bx) } });
  if (!end) return;
  f.al = end.done;
  finish(services, f, end.status);
}

/** A track of a diskette: its sectors are filled; disks only say that they would. */
function formatTrack(services: DiskServices, f: Frame, target: Target): void {
  const { host } = services;
  const refused = refusal(host, f, target);
  const { geometry } = target;
  if (refused !== undefined || !geometry || target.readonly) {
    finish(services, f, refused ?? (target.readonly ? Status.WriteProtected : Status.Invalid));
    return;
  }
  if (target.kind !== 'floppy') {
    finish(services, f, Status.Done);
    return;
  }
  if (f.scratch === 0) {
    const fill = read8(host.memory, parameterTable(host) + 8);
    host.memory.write(Private.Sector, new Uint8Array(512).fill(fill));
  }
  const sector = (f.ch * geometry.heads + f.dh) * geometry.sectors;
  if (f.dh >= geometry.heads || sector + geometry.sectors > target.sectors) {
    finish(services, f, Status.NotFound);
    return;
  }
  // One sector after the other from the same buffer.
  const done = f.scratch & 0xff;
  const result = f.scratch === 0 ? 'done' : target.drive.poll();
  if (result === 'busy') f.again(1, f.scratch);
  else if (result !== 'done') finish(services, f, CODES[result]);
  else if (done >= geometry.sectors) finish(services, f, Status.Done);
  else {
    target.drive.start({ kind: 'write', sector: sector + done, count: 1, gpa: Private.Sector });
    f.again(1, 0x100 | (done + 1));
  }
}

/** Where INT 1Eh points: the diskette parameters in force. */
const parameterTable = ({ memory }: BiosHost): number => {
  const vector = read32(memory, 0x1e * 4);
  return linear(vector >>> 16, vector & 0xffff);
};

/** CMOS types of diskette drives by their largest format. */
const driveCode = (target: Target): number => {
  const sectors = target.geometry ? target.geometry.cylinders * target.geometry.heads * target.geometry.sectors : 0;
  if (sectors <= 720) return 1;
  if (sectors === 2400) return 2;
  if (sectors === 1440) return 3;
  return sectors === 5760 ? 5 : 4;
};

function parameters(services: DiskServices, f: Frame, target: Target | undefined): void {
  const { host, rom } = services;
  const floppy = f.dl < FIRST_DISK;
  const geometry = target?.geometry;
  if (floppy && !geometry) {
    f.ax = 0;
    f.bx = 0;
    f.cx = 0;
    f.dx = countDrives(host, 'floppy');
    finish(services, f, f.dx === 0 ? Status.Invalid : Status.Done);
    return;
  }
  if (!geometry) {
    finish(services, f, Status.Invalid);
    return;
  }
  const last = Math.max(0, geometry.cylinders - 1);
  f.ch = last & 0xff;
  f.cl = ((last >>> 2) & 0xc0) | geometry.sectors;
  f.dh = geometry.heads - 1;
  f.al = 0;
  if (floppy && target) {
    f.bx = driveCode(target);
    f.es = ROM_SEGMENT;
    f.di = rom.diskette;
  }
  finish(services, f, Status.Done);
  f.dl = countDrives(host, floppy ? 'floppy' : 'disk');
}

function driveType(services: DiskServices, f: Frame, target: Target | undefined): void {
  f.carry = false;
  if (!target || target.kind === 'cdrom') {
    f.ah = 0;
    f.carry = target?.kind === 'cdrom';
    return;
  }
  if (target.kind === 'floppy') {
    f.ah = target.image === undefined ? 2 : 1; // with and without change line
    return;
  }
  const { geometry } = target;
  const sectors = geometry ? geometry.cylinders * geometry.heads * geometry.sectors : 0;
  f.ah = 3;
  f.cx = sectors >>> 16;
  f.dx = sectors & 0xffff;
  write8(services.host.memory, Bda.DiskStatus, 0);
}

function changeLine(services: DiskServices, f: Frame, target: Target): void {
  if (target.kind !== 'floppy') finish(services, f, Status.Invalid);
  else if (target.sectors === 0) finish(services, f, Status.Timeout);
  else finish(services, f, target.image === undefined && mediumChanged(services.host, target) ? Status.Changed : Status.Done);
}

/** Formats to be set before formatting: accepted when the medium has that many tracks and sectors. */
function mediaType(services: DiskServices, f: Frame, target: Target): void {
  const { geometry } = target;
  if (target.kind !== 'floppy' || !geometry) {
    finish(services, f, Status.Invalid);
    return;
  }
  if (target.sectors === 0) {
    finish(services, f, Status.Timeout);
    return;
  }
  if (f.ah === 0x18) {
    const cylinders = (f.ch | ((f.cl & 0xc0) << 2)) + 1;
    if ((f.cl & 0x3f) !== geometry.sectors || cylinders !== geometry.cylinders) {
      finish(services, f, 0x0c);
      return;
    }
    f.es = ROM_SEGMENT;
    f.di = services.rom.diskette;
  }
  finish(services, f, Status.Done);
}

/** Functions 42h to 47h: the packet at DS:SI. */
function byBlock(services: DiskServices, f: Frame, target: Target): void {
  const { host } = services;
  const { memory } = host;
  const at = linear(f.ds, f.si);
  const size = read8(memory, at);
  if (size < 16 || target.kind === 'floppy') {
    finish(services, f, Status.Invalid);
    return;
  }
  const count = read16(memory, at + 2);
  const [low, high] = [read32(memory, at + 8), read32(memory, at + 12)];
  const sector = high * 2 ** 32 + low;
  const refused = refusal(host, f, target);
  if (refused !== undefined || sector + count > target.sectors || high >= 2 ** 16) {
    write16(memory, at + 2, 0);
    finish(services, f, refused ?? Status.NotFound);
    return;
  }
  if (f.ah === 0x47 || count === 0) {
    finish(services, f, Status.Done);
    return;
  }
  const [offset, segment] = [read16(memory, at + 4), read16(memory, at + 6)];
  const flat = offset === 0xffff && segment === 0xffff && size >= 24;
  const gpa = flat ? read32(memory, at + 16) + (read32(memory, at + 20) & 0xffff) * 2 ** 32 : linear(segment, offset);
  const kind = ({ 66: 'read', 67: 'write', 68: 'verify' } as const)[f.ah as 0x42 | 0x43 | 0x44];
  const end = run(services, f, { target, transfer: { kind, sector, count, gpa } });
  if (!end) return;
  if (end.status !== Status.Done) write16(memory, at + 2, end.done);
  finish(services, f, end.status);
}

function lock(services: DiskServices, f: Frame, target: Target): void {
  if (target.kind !== 'cdrom') {
    finish(services, f, f.al === 2 ? Status.Done : Status.NotRemovable);
    return;
  }
  const held = target.drive.locked ?? false;
  if (f.al > 2) {
    finish(services, f, Status.Invalid);
    return;
  }
  if (f.al === 1 && !held) {
    finish(services, f, Status.NotLocked);
    return;
  }
  if (f.al < 2) target.drive.lock?.(f.al === 0);
  f.al = f.al === 2 ? (held ? 1 : 0) : f.al === 0 ? 1 : 0;
  finish(services, f, Status.Done);
}

/** Size of the result without, with the parameter table's pointer, and with the device path. */
const RESULT = { basic: 26, table: 30, path: 66 } as const;

function extendedParameters(services: DiskServices, f: Frame, target: Target): void {
  const { host } = services;
  const { memory } = host;
  const at = linear(f.ds, f.si);
  const room = read16(memory, at);
  if (room < RESULT.basic || target.kind === 'floppy') {
    finish(services, f, Status.Invalid);
    return;
  }
  const size = room >= RESULT.path ? RESULT.path : room >= RESULT.table ? RESULT.table : RESULT.basic;
  const block = new Uint8Array(size);
  const view = new DataView(block.buffer);
  const own = target.drive.medium()?.geometry ?? target.geometry;
  const removable = target.kind === 'cdrom';
  view.setUint16(0, size, true);
  // DMA boundaries are handled; geometry valid; removable, change line, lockable.
  view.setUint16(2, removable ? 0x0075 : 0x0003, true);
  view.setUint32(4, removable ? 0xffff_ffff : (own?.cylinders ?? 0), true);
  view.setUint32(8, removable ? 0xffff_ffff : (own?.heads ?? 0), true);
  view.setUint32(12, removable ? 0xffff_ffff : (own?.sectors ?? 0), true);
  view.setBigUint64(16, removable && target.sectors === 0 ? 2n ** 64n - 1n : BigInt(target.sectors), true);
  view.setUint16(24, target.sectorBytes, true);
  const { place } = target.drive;
  if (size >= RESULT.table && place.bus === 'ide') {
    const table = ataTable(target);
    memory.write(Ebda.DiskParameters, table);
    view.setUint16(26, Ebda.DiskParameters - Ebda.Address, true);
    view.setUint16(28, Ebda.Segment, true);
  }
  if (size >= RESULT.path && place.bus === 'ide') {
    view.setUint16(30, 0xbedd, true);
    block[32] = 36;
    block.set(new TextEncoder().encode('PCI '), 36);
    block.set(new TextEncoder().encode(removable ? 'ATAPI   ' : 'ATA     '), 40);
    block.set([0, place.devfn >>> 3, place.devfn & 7, place.channel], 48);
    block[56] = place.unit;
    block[65] = checksum(block.subarray(30, 65));
  }
  memory.write(at, block);
  finish(services, f, Status.Done);
}

/** EDD's device parameter table extension of an ATA drive, 16 bytes. */
function ataTable({ drive, kind }: Target): Uint8Array {
  const table = new Uint8Array(16);
  const view = new DataView(table.buffer);
  if (drive.place.bus !== 'ide') return table;
  view.setUint16(0, drive.place.commandPort, true);
  view.setUint16(2, drive.place.controlPort, true);
  table[4] = 0xe0 | (drive.place.unit << 4);
  table[5] = 0xcb;
  table[6] = drive.place.irq;
  table[7] = 1;
  view.setUint16(10, kind === 'cdrom' ? 0x0060 : 0x0010, true); // LBA; ATAPI and removable
  table[14] = 0x30;
  table[15] = checksum(table.subarray(0, 15));
  return table;
}

/** Functions 4Ah to 4Ch: what of a CD is emulated, and its end. */
function cdEmulation(services: DiskServices, f: Frame): void {
  const { host } = services;
  const { memory } = host;
  if (f.ah !== 0x4b || f.al > 1) {
    finish(services, f, Status.Invalid);
    return;
  }
  const image = emulation(host);
  const at = linear(f.ds, f.si);
  // A packet without anything emulated says so by media type 0; programs ask with DL = 7Fh for "whatever there is".
  if (!image || (f.dl !== image.number && f.dl !== 0x7f)) {
    finish(services, f, Status.Invalid);
    return;
  }
  const { geometry } = image;
  const packet = new Uint8Array(0x13);
  const view = new DataView(packet.buffer);
  packet[0] = 0x13;
  packet[1] = image.media;
  packet[2] = image.number;
  view.setUint32(4, image.image, true);
  view.setUint16(8, image.specification, true);
  view.setUint16(10, Private.Sector >>> 4, true);
  view.setUint16(12, image.loadSegment, true);
  view.setUint16(14, image.loadSectors, true);
  if (image.media !== Media.None) {
    const last = geometry.cylinders - 1;
    packet[16] = last & 0xff;
    packet[17] = ((last >>> 2) & 0xc0) | geometry.sectors;
    packet[18] = geometry.heads - 1;
  }
  memory.write(at, packet);
  if (f.al === 0) endEmulation(host);
  finish(services, f, Status.Done);
}

/** Tables that INT 41h and 46h point at, for the first two disks (IBM AT). */
export function writeFixedDiskTables(host: BiosHost): void {
  const { memory } = host;
  for (const [i, vector] of [0x41, 0x46].entries()) {
    const target = targetOf(host, FIRST_DISK + i);
    const at = Ebda.FixedDisks + 16 * i;
    const table = new Uint8Array(16);
    if (target?.geometry && target.kind === 'disk') {
      const { cylinders, heads, sectors } = target.geometry;
      const view = new DataView(table.buffer);
      view.setUint16(0, cylinders, true);
      table[2] = heads;
      view.setUint16(5, 0xffff, true);
      table[8] = heads > 8 ? 0x08 : 0;
      view.setUint16(12, cylinders, true);
      table[14] = sectors;
    }
    memory.write(at, table);
    write32(memory, vector * 4, Ebda.Segment * 0x10000 + (at - Ebda.Address));
  }
}
