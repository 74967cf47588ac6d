/** Power-on: hardware, tables, vectors, data areas, screen, keyboard. Then the ROM goes on to INT 19h. */
import { assert } from '../../base/assert.ts';
import { join, littleEndian } from '../bytes.ts';
import { CONVENTIONAL_END, FIRMWARE_START } from '../e820.ts';
import { placeTables } from '../leave-tables.ts';
import { Bda, Ebda, Private } from './areas.ts';
import { clearBootProgress } from './boot.ts';
import { ticksOfDay, writeCmos } from './clock.ts';
import { writeFixedDiskTables } from './disks/int13.ts';
import { countDrives, endEmulation } from './disks/targets.ts';
import { startExpansionRoms } from './expansion-roms.ts';
import { Action, type Frame } from './frame.ts';
import type { BiosHost } from './host.ts';
import { startKeyboard } from './input/keyboard.ts';
import { finishedRom, ROM_OFFSET, ROM_SEGMENT, type RomTable } from './rom.ts';
import { writeConfigurationTable } from './system.ts';
import { setMode, type Video } from './video/set-mode.ts';
import { write8, write16, write32 } from './words.ts';

const Equipment = { Floppy: 0x01, Coprocessor: 0x02, Mouse: 0x04, Colour80: 0x20 } as const;
const VECTORS = 0x78;

/** What stands in the vectors: handlers of the ROM, by number. */
function vectors(rom: RomTable): ReadonlyMap<number, number> {
  const services: readonly (readonly [number, number])[] = [
    [0x05, rom.int05],
    [0x08, rom.int08],
    [0x09, rom.int09],
    ...[0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f].map((vector) => [vector, rom.endMaster] as const),
    [0x10, rom.int10],
    [0x11, rom.int11],
    [0x12, rom.int12],
    [0x13, rom.int13],
    [0x14, rom.int14],
    [0x15, rom.int15],
    [0x16, rom.int16],
    [0x17, rom.int17],
    [0x18, rom.int18],
    [0x19, rom.int19],
    [0x1a, rom.int1A],
    [0x1c, rom.int1C],
    [0x1e, rom.diskette],
    [0x40, rom.int40],
    [0x42, rom.int10],
    [0x70, rom.int70],
    ...[0x71, 0x72, 0x73, 0x76, 0x77].map((vector) => [vector, rom.endSlave] as const),
    [0x74, rom.int74],
    [0x75, rom.int75],
  ];
  return new Map(services);
}

/** Vectors that hold no handler: tables a program may look for, and those of programs. */
const EMPTY = new Set([0x1d, 0x41, 0x43, 0x46, ...Array.from({ length: 8 }, (_, i) => 0x60 + i)]);

function writeVectors({ memory }: BiosHost, rom: RomTable): void {
  const handlers = vectors(rom);
  const table = Array.from({ length: VECTORS }, (_, vector) => {
    if (EMPTY.has(vector)) return new Uint8Array(4);
    return join(littleEndian(handlers.get(vector) ?? rom.int00, 2), littleEndian(ROM_SEGMENT, 2));
  });
  memory.write(0, join(...table));
}

function writeDataAreas(host: BiosHost): void {
  const { memory, platform, io } = host;
  memory.write(0x400, new Uint8Array(0x100));
  memory.write(Ebda.Address, new Uint8Array(Ebda.Kib * 1024));
  write8(memory, Ebda.Address, Ebda.Kib);
  platform.serial.forEach(({ port }, i) => {
    write16(memory, Bda.SerialPorts + 2 * i, port);
    write8(memory, Bda.SerialTimeouts + i, 10);
  });
  const parallel = [0x378, 0x278].filter((port) => {
    io.out(port, 0xaa);
    return io.in(port) === 0xaa;
  });
  parallel.forEach((port, i) => {
    write16(memory, Bda.ParallelPorts + 2 * i, port);
    write8(memory, Bda.ParallelTimeouts + i, 20);
  });
  const floppies = Math.min(4, countDrives(host, 'floppy'));
  const equipment =
    Equipment.Coprocessor |
    Equipment.Mouse |
    Equipment.Colour80 |
    (floppies > 0 ? Equipment.Floppy | ((floppies - 1) << 6) : 0) |
    (platform.serial.length << 9) |
    (parallel.length << 14);
  write16(memory, Bda.ExtendedArea, Ebda.Segment);
  write16(memory, Bda.Equipment, equipment & 0xffff);
  write16(memory, Bda.MemoryKib, CONVENTIONAL_END / 1024);
  write16(memory, Bda.BufferHead, Bda.Buffer - 0x400);
  write16(memory, Bda.BufferTail, Bda.Buffer - 0x400);
  write16(memory, Bda.BufferStartPointer, Bda.Buffer - 0x400);
  write16(memory, Bda.BufferEndPointer, Bda.BufferEnd - 0x400);
  write8(memory, Bda.KeyboardMode, 0x10);
  write32(memory, Bda.Ticks, ticksOfDay(io));
  write8(memory, Bda.DiskCount, countDrives(host, 'disk'));
  writeCmos(io, 0x14, equipment & 0xff);
  const diskettes = host.drives.filter(({ kind }) => kind === 'floppy').length;
  writeCmos(io, 0x10, diskettes === 0 ? 0 : diskettes === 1 ? 0x40 : 0x44);
}

/** Records of index, low and high word for the ROM to write; returns how many. */
function writeMsrs({ memory, msrs }: BiosHost): number {
  const records = msrs.map(([index, value]) => join(littleEndian(index, 4), littleEndian(value, 8)));
  memory.write(Private.Msrs, join(...records));
  return records.length;
}

/** One trap does it all but the MSRs, which only an instruction of the processor can write, and programs in ROMs of others. */
export function powerOnSelfTest(video: Video, f: Frame): void {
  const { host, rom } = video;
  if (f.scratch !== 0) {
    startExpansionRoms(host, f);
    return;
  }
  host.initializeHardware();
  const image = finishedRom(host.rom(), rom);
  host.memory.write(FIRMWARE_START + ROM_OFFSET, image);
  const { free } = placeTables(host.platform, host.memory);
  assert(free <= Private.Start, 'the tables leave the private area alone');
  host.memory.write(Private.Start, new Uint8Array(FIRMWARE_START + ROM_OFFSET - Private.Start));
  clearBootProgress(host);
  endEmulation(host);
  writeVectors(host, rom);
  writeDataAreas(host);
  writeConfigurationTable(host);
  writeFixedDiskTables(host);
  setMode(video, 3);
  startKeyboard(host);
  const count = writeMsrs(host);
  f.again(Action.Msrs, 1, { segment: ROM_SEGMENT, offset: Private.Msrs & 0xffff, argument: count });
}
