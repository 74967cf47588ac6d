/**
 * GRUB 2 in the first sectors of a disk, as its manual and the headers of its images document them (GNU GRUB manual, "Images";
 * `boot.img` at the partition table's sector, `core.img` in the gap before the first partition).
 */

export const SECTOR = 512;
/** Where the one partition begins: a MiB from the start, as partitioning programs align. */
export const PARTITION_SECTOR = 2048;

/** In boot.img: sector of core.img as 64 bits, and the jump over the code that mends a wrong drive number. */
const BOOT_KERNEL_SECTOR = 0x5c;
const TABLE = 446;
/** The first block list in the first sector of core.img, from its end: 64-bit sector, 16-bit count, 16-bit segment. */
const BLOCK_LIST = SECTOR - 12;
const LINUX = 0x83;

/** The disk's first sector: boot.img with one active partition over the rest of the disk. */
export function bootRecord(boot: Uint8Array, sectors: number): Uint8Array {
  if (boot.length !== SECTOR) throw new Error(`boot.img has ${boot.length} bytes`);
  const record = boot.slice();
  const view = new DataView(record.buffer);
  view.setBigUint64(BOOT_KERNEL_SECTOR, 1n, true);
  record.fill(0, TABLE, 510);
  // Beyond what cylinders can say: the largest, which tells everybody to use the sector numbers.
  record.set([0x80, 0xfe, 0xff, 0xff, LINUX, 0xfe, 0xff, 0xff], TABLE);
  view.setUint32(TABLE + 8, PARTITION_SECTOR, true);
  view.setUint32(TABLE + 12, sectors - PARTITION_SECTOR, true);
  view.setUint16(510, 0xaa55, true);
  return record;
}

/** core.img as it lies from sector 1 on; its first sector knows where the others are. */
export function embeddedCore(core: Uint8Array): Uint8Array {
  const count = Math.ceil(core.length / SECTOR);
  if (count > PARTITION_SECTOR - 1) throw new Error(`core.img has ${count} sectors and does not fit before the partition`);
  const placed = new Uint8Array(count * SECTOR);
  placed.set(core);
  const view = new DataView(placed.buffer);
  view.setBigUint64(BLOCK_LIST, 2n, true);
  view.setUint16(BLOCK_LIST + 8, count - 1, true);
  return placed;
}
