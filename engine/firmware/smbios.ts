/** SMBIOS 2.8 tables: structures 0, 1, 3, 4, 16, 17, 19, 32 and 127. Spec: DMTF DSP0134 2.8.0, sections 5 to 7. */
import { ascii, checksum, join, littleEndian } from './bytes.ts';
import { highRam, lowRam, type Platform } from './platform.ts';

const u8 = (value: number) => littleEndian(value, 1);
const u16 = (value: number) => littleEndian(value, 2);
const u32 = (value: number) => littleEndian(value, 4);

/** One structure: header, formatted area, strings (numbered from 1), terminator. */
function structure(type: number, handle: number, formatted: Uint8Array, strings: readonly string[] = []): Uint8Array {
  const texts = strings.length === 0 ? [u16(0)] : [...strings.map((text) => join(ascii(text), u8(0))), u8(0)];
  return join(u8(type), u8(formatted.length + 4), u16(handle), formatted, ...texts);
}

/** Memory array size in KiB (7.17): a double word up to 2 TiB - 1. */
const kibibytes = (bytes: number) => u32(bytes / 1024);

function memoryDevice(bytes: number): Uint8Array {
  const mebibytes = bytes / 2 ** 20;
  const inKibibytes = bytes % 2 ** 20 !== 0;
  const size = inKibibytes ? 0x8000 | (bytes / 1024) : Math.min(mebibytes, 0x7fff);
  return structure(
    17,
    0x1100,
    join(
      u16(0x1000),
      u16(0xfffe), // no error information
      u16(64),
      u16(64),
      u16(size),
      u8(0x09), // DIMM
      u8(0),
      join(u8(1), u8(0)), // locator, bank
      u8(0x07), // RAM
      u16(0x0002),
      u16(0),
      join(u8(2), u8(0), u8(0), u8(0)),
      u8(0),
      u32(mebibytes >= 0x7fff && !inKibibytes ? mebibytes : 0),
      u16(0),
      join(u16(0), u16(0), u16(0)),
    ),
    ['DIMM 0', 'Rootmode'],
  );
}

const mappedRange = (handle: number, start: number, bytes: number): Uint8Array =>
  structure(19, handle, join(u32(start / 1024), u32((start + bytes) / 1024 - 1), u16(0x1000), u8(1), new Uint8Array(16)));

/** The structure table (without entry point) and how many structures it has. */
function structures(platform: Platform): readonly Uint8Array[] {
  const bios = join(
    u8(1),
    u8(2),
    u16(0xf000),
    u8(3),
    u8(0),
    littleEndian(0x08, 8),
    join(u8(0), u8(0x14)),
    join(u8(0), u8(1), u8(0xff), u8(0xff)),
  );
  const system = join(join(u8(1), u8(2), u8(3), u8(0)), platform.uuid, u8(0x06), join(u8(0), u8(0)));
  const chassis = join(
    u8(1),
    u8(0x01),
    join(u8(0), u8(0), u8(0)),
    join(u8(3), u8(3), u8(3), u8(2)),
    u32(0),
    join(u8(0), u8(0), u8(0), u8(0)),
    u8(0),
  );
  const processor = (index: number) =>
    structure(
      4,
      0x400 + index,
      join(
        join(u8(1), u8(0x03), u8(0x01), u8(2)), // socket, central processor, family "other"
        new Uint8Array(8),
        join(u8(0), u8(0)),
        join(u16(0), u16(0), u16(0)),
        join(u8(0x41), u8(0x01)), // populated and enabled
        join(u16(0xffff), u16(0xffff), u16(0xffff)),
        join(u8(0), u8(0), u8(0)),
        join(u8(1), u8(1), u8(1)),
        u16(0x0004), // 64-bit capable
        u16(0x0001),
      ),
      [`CPU ${index}`, 'Rootmode'],
    );
  const array = join(u8(0x01), u8(0x03), u8(0x03), kibibytes(platform.ramBytes), u16(0xfffe), u16(1), littleEndian(0, 8));
  const low = lowRam(platform);
  const high = highRam(platform);
  return [
    structure(0, 0x0000, bios, ['Rootmode', '0.1', '11/21/2026']),
    structure(1, 0x0100, system, ['Rootmode', 'Rootmode PC (i440FX)', '0.1']),
    structure(3, 0x0300, chassis, ['Rootmode']),
    ...Array.from({ length: platform.cpus }, (_, index) => processor(index)),
    structure(16, 0x1000, array),
    memoryDevice(platform.ramBytes),
    mappedRange(0x1300, 0, low),
    ...(high > 0 ? [mappedRange(0x1301, platform.ramHole.end, high)] : []),
    structure(32, 0x2000, new Uint8Array(7)),
    structure(127, 0x7f00, new Uint8Array(0)),
  ];
}

/** Entry point (5.2.1, 31 bytes padded to 32) and, right behind it, the table. `gpa` is a multiple of 16 in the F segment. */
export function smbiosTables(platform: Platform, gpa: number): Uint8Array {
  const all = structures(platform);
  const table = join(...all);
  const largest = Math.max(...all.map((one) => one.length));
  const entry = join(
    ascii('_SM_'),
    join(u8(0), u8(0x1f), u8(2), u8(8)),
    u16(largest),
    u8(0),
    new Uint8Array(5),
    ascii('_DMI_'),
    u8(0),
    u16(table.length),
    u32(gpa + 32),
    u16(all.length),
    u8(0x28),
    u8(0),
  );
  entry[0x15] = checksum(entry.subarray(0x10, 0x1f));
  entry[4] = checksum(entry.subarray(0, 0x1f));
  return join(entry, table);
}
