/** Everything firmware leaves in memory, laid out once for a machine: tables in the F segment, vectors and data areas below. */
import { assert } from '../base/assert.ts';
import { placeAcpiTables } from './acpi/tables.ts';
import { alignUp, type GuestWriter } from './bytes.ts';
import { FIRMWARE_END, FIRMWARE_START } from './e820.ts';
import { mpTable } from './mptable.ts';
import type { Platform } from './platform.ts';
import { leaveRealMode } from './real-mode.ts';
import { routingTable } from './routing.ts';
import { smbiosTables } from './smbios.ts';

/** Guest-physical addresses of what was left. */
export interface FirmwareTables {
  readonly rsdp: number;
  readonly facs: number;
  readonly smbios: number;
  readonly mpTable: number;
  /** $PIR, of the PCI interrupts. */
  readonly routing: number;
  /** First byte of the segment that no table uses, a multiple of 16; boot code places its descriptors there. */
  readonly free: number;
}

/** Descriptors of the boot protocols need this many bytes above the tables. */
const BOOT_ROOM = 0x200;

/** Build the tables for `platform` and write them from the start of the F segment on. */
export function placeTables(platform: Platform, memory: GuestWriter): FirmwareTables {
  const acpi = placeAcpiTables(platform, FIRMWARE_START);
  for (const { gpa, bytes } of acpi.pieces) memory.write(gpa, bytes);
  const smbios = alignUp(acpi.end, 16);
  const smbiosBytes = smbiosTables(platform, smbios);
  memory.write(smbios, smbiosBytes);
  const mp = alignUp(smbios + smbiosBytes.length, 16);
  const mpBytes = mpTable(platform, mp);
  memory.write(mp, mpBytes);
  const routing = alignUp(mp + mpBytes.length, 16);
  const routingBytes = routingTable();
  memory.write(routing, routingBytes);
  const free = alignUp(routing + routingBytes.length, 16);
  return { rsdp: acpi.rsdp, facs: acpi.facs, smbios, mpTable: mp, routing, free };
}

/** Tables and real-mode areas of a machine without a BIOS; 64 KiB hold them for every number of processors allowed. */
export function leaveTables(platform: Platform, memory: GuestWriter): FirmwareTables {
  const tables = placeTables(platform, memory);
  const free = leaveRealMode(platform, memory, tables.free);
  assert(free + BOOT_ROOM <= FIRMWARE_END, 'the firmware tables fit into the F segment');
  return { ...tables, free };
}
