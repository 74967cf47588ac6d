/** ACPI system description tables of our PC. Spec: ACPI 6.5 section 5.2; FADT in the form of revision 3 (ACPI 2.0 to 4.0). */
import { alignUp, ascii, checksum, join, littleEndian } from '../bytes.ts';
import { INTERRUPT_OVERRIDES, type Platform } from '../platform.ts';
import { dsdtBody } from './dsdt.ts';

const OEM_ID = 'ROOTMD';
const OEM_TABLE_ID = 'ROOTMODE';
const HEADER_SIZE = 36;

const u8 = (value: number) => littleEndian(value, 1);
const u16 = (value: number) => littleEndian(value, 2);
const u32 = (value: number) => littleEndian(value, 4);
const u64 = (value: number) => littleEndian(value, 8);

/** A table with its header (5.2.6) and checksum. */
function table(signature: string, revision: number, ...body: readonly Uint8Array[]): Uint8Array {
  const content = join(...body);
  const bytes = join(
    ascii(signature, 4),
    u32(HEADER_SIZE + content.length),
    u8(revision),
    u8(0),
    ascii(OEM_ID, 6),
    ascii(OEM_TABLE_ID, 8),
    u32(1),
    ascii('RTMD', 4),
    u32(1),
    content,
  );
  bytes[9] = checksum(bytes);
  return bytes;
}

/** A generic address in I/O space (5.2.3.2): `bits` wide, accessed in units of `access` bytes (1, 2 or 4). */
const ioAddress = (port: number, bits: number, access: 1 | 2 | 4): Uint8Array =>
  join(u8(port === 0 ? 0 : 1), u8(bits), u8(0), u8({ 1: 1, 2: 2, 4: 3 }[access]), u64(port));

/**
 * FADT feature flags (table 5.10): WBINVD works, C1 on all processors, both buttons are fixed hardware, no wake by RTC, reset register
 * present.
 */
const FADT_FLAGS = (1 << 0) | (1 << 2) | (1 << 6) | (1 << 10);
/** IA-PC boot flags (table 5.11): legacy devices, 8042; and the one that says that there is no VGA. */
const BOOT_FLAGS = (1 << 0) | (1 << 1);
const NO_VGA = 1 << 2;
/** The reset register is PIIX3's RCR: RCPU with SRST is a hard reset. */
const RESET_PORT = 0xcf9;
const RESET_VALUE = 0x06;

/** Register offsets in the PM block (Intel 82371AB section 7.2). */
const PM1_EVENT = 0x00;
const PM1_CONTROL = 0x04;
const PM_TIMER = 0x08;
const GPE0 = 0x0c;

/** No SMI command port: without SMM the chip set is in ACPI mode from the start, and there is no way back. */
function fadt(platform: Platform, facs: number, dsdt: number): Uint8Array {
  const pm = platform.pmBase;
  return table(
    'FACP',
    3,
    u32(facs),
    u32(dsdt),
    u8(0), // interrupt model of ACPI 1.0, unused
    u8(1), // preferred profile: desktop
    u16(9), // SCI
    u32(0), // SMI command port
    join(u8(0), u8(0), u8(0), u8(0)), // ACPI_ENABLE, ACPI_DISABLE, S4BIOS, P-state control
    u32(pm + PM1_EVENT),
    u32(0),
    u32(pm + PM1_CONTROL),
    u32(0),
    u32(0), // PM2
    u32(pm + PM_TIMER),
    u32(pm + GPE0),
    u32(0),
    join(u8(4), u8(2), u8(0), u8(4), u8(4), u8(0), u8(0), u8(0)), // lengths of the blocks above, GPE1 base, C-state control
    u16(0xfff), // no C2
    u16(0xfff), // no C3
    u16(0), // flush size: WBINVD is used
    u16(0),
    join(u8(0), u8(0)), // duty cycle
    u8(0), // no day alarm
    u8(0), // no month alarm
    u8(0x32), // century
    u16(platform.display ? BOOT_FLAGS : BOOT_FLAGS | NO_VGA),
    u8(0),
    u32(FADT_FLAGS),
    ioAddress(RESET_PORT, 8, 1),
    u8(RESET_VALUE),
    new Uint8Array(3),
    u64(facs),
    u64(dsdt),
    ioAddress(pm + PM1_EVENT, 32, 2),
    ioAddress(0, 0, 1),
    ioAddress(pm + PM1_CONTROL, 16, 2),
    ioAddress(0, 0, 1),
    ioAddress(0, 0, 1),
    ioAddress(pm + PM_TIMER, 32, 4),
    ioAddress(pm + GPE0, 32, 1),
    ioAddress(0, 0, 1),
  );
}

/** FACS (5.2.10): no header checksum; the operating system writes its waking vector here. */
const facs = (): Uint8Array => join(ascii('FACS'), u32(64), new Uint8Array(24), u8(1), new Uint8Array(31));

/** MADT (5.2.12): local APICs, I/O APIC, overrides, NMI on LINT1 of every processor. APIC ids from 255 would need x2APIC entries. */
function madt(platform: Platform): Uint8Array {
  const cpus = Array.from({ length: platform.cpus }, (_, id) => join(u8(0), u8(8), u8(id), u8(id), u32(1)));
  const overrides = INTERRUPT_OVERRIDES.map(({ irq, gsi, level }) =>
    join(u8(2), u8(10), u8(0), u8(irq), u32(gsi), u16(level ? 0x000d : 0x0000)),
  );
  return table(
    'APIC',
    1,
    u32(platform.localApicAddress),
    u32(1), // an 8259 pair is there too
    ...cpus,
    join(u8(1), u8(12), u8(platform.ioApic.id), u8(0), u32(platform.ioApic.address), u32(0)),
    ...overrides,
    join(u8(4), u8(6), u8(0xff), u16(0), u8(1)),
  );
}

/** HPET (IA-PC HPET 1.0a, 3.2.4): the first and only block, at a memory address. */
function hpetTable({ address, id }: NonNullable<Platform['hpet']>): Uint8Array {
  const memory = join(u8(0), u8(64), u8(0), u8(0), u64(address));
  return table('HPET', 1, u32(id), memory, u8(0), u16(0x80), u8(0));
}

/** RSDP of revision 2 (5.2.5.3) with both checksums. */
function rsdp(rsdt: number, xsdt: number): Uint8Array {
  const bytes = join(ascii('RSD PTR '), u8(0), ascii(OEM_ID, 6), u8(2), u32(rsdt), u32(36), u64(xsdt), u8(0), new Uint8Array(3));
  bytes[8] = checksum(bytes.subarray(0, 20));
  bytes[32] = checksum(bytes);
  return bytes;
}

/** Tables placed for one machine: a list of (gpa, bytes) without overlaps, and where the RSDP and the FACS are. */
export interface PlacedTables {
  readonly rsdp: number;
  readonly facs: number;
  readonly end: number;
  readonly pieces: readonly { readonly gpa: number; readonly bytes: Uint8Array }[];
}

/** Lay out all ACPI tables from `start` (64-byte aligned) upwards. Addresses are guest-physical and stay below 4 GiB. */
export function placeAcpiTables(platform: Platform, start: number): PlacedTables {
  const pieces: { gpa: number; bytes: Uint8Array }[] = [];
  let at = start;
  const place = (bytes: Uint8Array): number => {
    const gpa = alignUp(at, 64);
    pieces.push({ gpa, bytes });
    at = gpa + bytes.length;
    return gpa;
  };
  const rsdpSize = 36;
  const rsdpAt = alignUp(at, 64);
  at = rsdpAt + rsdpSize;
  const facsAt = place(facs());
  const dsdtAt = place(table('DSDT', 2, dsdtBody(platform)));
  const tables = [place(fadt(platform, facsAt, dsdtAt)), place(madt(platform))];
  if (platform.hpet) tables.push(place(hpetTable(platform.hpet)));
  const rsdtAt = place(table('RSDT', 1, ...tables.map(u32)));
  const xsdtAt = place(table('XSDT', 1, ...tables.map(u64)));
  pieces.unshift({ gpa: rsdpAt, bytes: rsdp(rsdtAt, xsdtAt) });
  return { rsdp: rsdpAt, facs: facsAt, end: at, pieces };
}
