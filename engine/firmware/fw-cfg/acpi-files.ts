/**
 * ACPI tables for firmware that places them itself: two files and a script that says where pointers and checksums stand. Spec: QEMU,
 * hw/acpi/bios-linker-loader: records of 128 bytes in "etc/table-loader".
 */
import { placeAcpiTables } from '../acpi/tables.ts';
import { ascii, join, littleEndian } from '../bytes.ts';
import type { Platform } from '../platform.ts';

const RSDP = 'etc/acpi/rsdp';
const TABLES = 'etc/acpi/tables';
const LOADER = 'etc/table-loader';
const RECORD_BYTES = 128;
const NAME_BYTES = 56;
const RSDP_BYTES = 36;
const Command = { Allocate: 1, AddPointer: 2, AddChecksum: 3 } as const;
const Zone = { High: 1, Segment: 2 } as const;

const u32 = (value: number) => littleEndian(value, 4);
const name = (file: string) => ascii(file, NAME_BYTES);
const record = (command: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const bytes = join(u32(command), ...parts);
  return join(bytes, new Uint8Array(RECORD_BYTES - bytes.length));
};

interface Pointer {
  readonly file: string;
  readonly at: number;
  readonly size: 4 | 8;
}

/** Pointers inside a table by its signature; their values count from the start of the file of tables. */
function pointersOf(signature: string, at: number, length: number): readonly Pointer[] {
  const pointer = (offset: number, size: 4 | 8): Pointer => ({ file: TABLES, at: at + offset, size });
  if (signature === 'FACP') return [pointer(36, 4), pointer(40, 4), pointer(132, 8), pointer(140, 8)];
  if (signature !== 'RSDT' && signature !== 'XSDT') return [];
  const size = signature === 'RSDT' ? 4 : 8;
  return Array.from({ length: (length - 36) / size }, (_, i) => pointer(36 + size * i, size));
}

/** Files by name. */
export function acpiFiles(platform: Platform): Readonly<Record<string, Uint8Array>> {
  const { pieces, end } = placeAcpiTables(platform, 0);
  const tables = new Uint8Array(end);
  let rsdp: Uint8Array = new Uint8Array(RSDP_BYTES);
  const records = [
    record(Command.Allocate, name(RSDP), u32(16), littleEndian(Zone.Segment, 1)),
    record(Command.Allocate, name(TABLES), u32(64), littleEndian(Zone.High, 1)),
  ];
  const pointers: Pointer[] = [];
  const sums: Uint8Array[] = [];
  const sum = (file: string, at: number, start: number, length: number) =>
    sums.push(record(Command.AddChecksum, name(file), u32(at), u32(start), u32(length)));
  for (const { gpa, bytes } of pieces) {
    const signature = String.fromCharCode(...bytes.subarray(0, 4));
    if (signature === 'RSD ') {
      rsdp = bytes;
      pointers.push({ file: RSDP, at: 16, size: 4 }, { file: RSDP, at: 24, size: 8 });
      continue;
    }
    tables.set(bytes, gpa);
    const inside = pointersOf(signature, gpa, bytes.length);
    pointers.push(...inside);
    // Sums change with the pointers, and are added up again from a byte of zero.
    if (inside.length > 0) sum(TABLES, gpa + 9, gpa, bytes.length);
  }
  sum(RSDP, 8, 0, 20);
  sum(RSDP, 32, 0, RSDP_BYTES);
  for (const { file, at, size } of pointers) {
    records.push(record(Command.AddPointer, name(file), name(TABLES), u32(at), littleEndian(size, 1)));
  }
  const cleared = rsdp.slice();
  cleared[8] = 0;
  cleared[32] = 0;
  for (const { gpa, bytes } of pieces) {
    const signature = String.fromCharCode(...bytes.subarray(0, 4));
    if (pointersOf(signature, gpa, bytes.length).length > 0) tables[gpa + 9] = 0;
  }
  return { [RSDP]: cleared, [TABLES]: tables, [LOADER]: join(...records, ...sums) };
}
