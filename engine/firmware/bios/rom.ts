/** What assets/firmware/bios.asm says of itself, in the order of its table. */
import { checksum } from '../bytes.ts';

export const ROM_SEGMENT = 0xf000;
/** The ROM fills the upper half of the segment. */
export const ROM_OFFSET = 0x8000;
export const ROM_BYTES = 0x8000;

const SIGNATURE = 'RTMDROM1';
const NAMES = [
  ...[
    'int00',
    'int05',
    'int08',
    'int09',
    'int10',
    'int11',
    'int12',
    'int13',
    'int14',
    'int15',
    'int16',
    'int17',
    'int18',
    'int19',
  ],
  ...['int1A', 'int1C', 'int40', 'int70', 'int74', 'int75', 'endMaster', 'endSlave'],
  ...['directory', 'vbe32', 'vbe32Bytes', 'font16', 'font14', 'font8', 'diskette'],
] as const;

/** Offsets in the F segment (and one size) by name. */
export type RomTable = Readonly<Record<(typeof NAMES)[number], number>>;

/** Where the table stands, searched at paragraphs; undefined for a ROM that is not ours. */
export function romTable(rom: Uint8Array): RomTable | undefined {
  const view = new DataView(rom.buffer, rom.byteOffset, rom.length);
  for (let at = 0; at + SIGNATURE.length + 2 * NAMES.length <= rom.length; at += 16) {
    let matches = true;
    for (let i = 0; i < SIGNATURE.length; i++) matches &&= rom[at + i] === SIGNATURE.charCodeAt(i);
    if (!matches) continue;
    const entries = NAMES.map((name, i) => [name, view.getUint16(at + SIGNATURE.length + 2 * i, true)] as const);
    return Object.fromEntries(entries) as unknown as RomTable;
  }
  return undefined;
}

/** A copy of the ROM with the checksum of its BIOS32 directory in place. */
export function finishedRom(rom: Uint8Array, table: RomTable): Uint8Array {
  const copy = Uint8Array.from(rom);
  const at = table.directory - ROM_OFFSET;
  copy[at + 10] = 0;
  copy[at + 10] = checksum(copy.subarray(at, at + 16));
  return copy;
}
