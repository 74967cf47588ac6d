/** The bus master's table of region descriptors (SFF-8038i, 1.2). The guest wrote it: any address, any length. */
import type { Dma } from '../../memory/index.ts';
import { type GuestRange, MAXIMUM_RANGES } from '../drive.ts';

export interface Regions {
  readonly ranges: readonly GuestRange[];
  /** Bytes of all ranges: those asked for, or fewer when the table ends before. */
  readonly bytes: number;
  /** The table describes more. */
  readonly more: boolean;
}

/** What a table describes beside what a transfer takes: nothing, more, or not enough for it. */
export const Beyond = { Even: 0, More: 1, Short: 2 } as const;

export function tableBeyond({ bytes, more }: Regions, wanted: number): number {
  return bytes < wanted ? Beyond.Short : more ? Beyond.More : Beyond.Even;
}

const ENTRY = 8;
const LAST = 0x8000_0000;

/** The first `wanted` bytes that a table describes. Ranges that follow each other are one. */
export function readRegions(dma: Dma, table: number, wanted: number): Regions {
  const ranges: { gpa: number; bytes: number }[] = [];
  let bytes = 0;
  let before: { gpa: number; bytes: number } | undefined;
  // A table does not cross 64 KiB.
  for (let index = 0; index < MAXIMUM_RANGES; index++) {
    if (bytes === wanted) return { ranges, bytes, more: true };
    const gpa = (dma.read32(table + index * ENTRY) & ~1) >>> 0;
    const second = dma.read32(table + index * ENTRY + 4);
    const size = second & 0xfffe || 0x1_0000;
    const taken = Math.min(size, wanted - bytes);
    if (before && before.gpa + before.bytes === gpa) before.bytes += taken;
    else {
      before = { gpa, bytes: taken };
      ranges.push(before);
    }
    bytes += taken;
    if ((second & LAST) !== 0) return { ranges, bytes, more: taken < size };
  }
  return { ranges, bytes, more: false };
}

/** Ranges cut to their first `bytes` bytes. */
export function firstBytes(ranges: readonly GuestRange[], bytes: number): readonly GuestRange[] {
  const cut: GuestRange[] = [];
  let left = bytes;
  for (const range of ranges) {
    if (left === 0) break;
    const taken = Math.min(left, range.bytes);
    cut.push(taken === range.bytes ? range : { gpa: range.gpa, bytes: taken });
    left -= taken;
  }
  return cut;
}
