/** The memory map as INT 15h E820 gives it (ACPI 6.5 section 15.1). Types: 1 usable, 2 reserved. */
import { highRam, lowRam, type Platform } from './platform.ts';

export interface MemoryRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly type: 1 | 2;
}

/** Below: conventional memory. From here to 640 KiB lies the extended BIOS data area. */
export const CONVENTIONAL_END = 0x9fc00;
/** The segment that holds what firmware leaves behind: ACPI, SMBIOS and MP tables, boot descriptors. 64 KiB. */
export const FIRMWARE_START = 0xf0000;
export const FIRMWARE_END = 0x100000;
/** What every PC keeps at the top of 4 GiB: the ROM's window. */
const ROM_WINDOW = { start: 0xfffc_0000, end: 0x1_0000_0000 };

/** Ranges in ascending order, none overlapping, none empty. */
export function memoryMap(platform: Platform): readonly MemoryRange[] {
  const ranges: MemoryRange[] = [
    { start: 0, end: CONVENTIONAL_END, type: 1 },
    { start: CONVENTIONAL_END, end: 0xa0000, type: 2 },
    { start: FIRMWARE_START, end: FIRMWARE_END, type: 2 },
  ];
  const low = lowRam(platform);
  const high = highRam(platform);
  if (low > FIRMWARE_END) ranges.push({ start: FIRMWARE_END, end: low, type: 1 });
  ranges.push({ ...ROM_WINDOW, type: 2 });
  if (high > 0) ranges.push({ start: platform.ramHole.end, end: platform.ramHole.end + high, type: 1 });
  return ranges;
}
