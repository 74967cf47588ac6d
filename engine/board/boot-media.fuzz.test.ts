/**
 * What a BIOS reads of media before the guest runs, with bytes changed at random: boot record, boot catalog, first sector and partition
 * table of an emulated disk. Seeds that once found something stay.
 */
import { expect, it } from 'vitest';
import { randomSource } from '../devices/testing/random.ts';
import { bootEntry, catalogSector, emulatedGeometry } from '../firmware/bios/disks/el-torito.ts';
import { type MemoryDrive, memoryDrive } from '../firmware/bios/testing/memory-drive.ts';
import { bootCd } from './testing/boot-cd.ts';
import { pc } from './testing/pc.ts';

const SECTOR = 2048;
const RECORD = 17 * SECTOR;
const CATALOG = 18 * SECTOR;
const IMAGE = 20 * SECTOR;
const SEEDS = [1, 2, 3, 0x70c1, 20261129];

/** A CD as it should be, with up to eight bytes changed where it is read; the catalog's checksum is made right again half of the time. */
function spoiled(source: ReturnType<typeof randomSource>): Uint8Array {
  const bytes = bootCd(source.below(5), 0x41);
  for (let i = source.below(8); i >= 0; i--) {
    const at = [RECORD + source.below(80), CATALOG + source.below(96), IMAGE + 446 + source.below(66)][source.below(3)] as number;
    bytes[at] = source.word();
  }
  if (source.below(2) === 0) {
    const view = new DataView(bytes.buffer, CATALOG, 32);
    view.setUint8(0, 1);
    view.setUint16(30, 0xaa55, true);
    view.setUint16(28, 0, true);
    let sum = 0;
    for (let at = 0; at < 32; at += 2) sum += view.getUint16(at, true);
    view.setUint16(28, -sum & 0xffff, true);
  }
  return bytes;
}

it.each(SEEDS)('are read within their bounds (seed %i)', (seed) => {
  const source = randomSource(seed);
  const seen = new Set<string>();
  for (let i = 0; i < 3000; i++) {
    const bytes = spoiled(source);
    const sector = catalogSector(bytes.subarray(RECORD, RECORD + SECTOR));
    seen.add(sector === undefined ? 'no record' : 'record');
    const catalog = bootEntry(bytes.subarray(CATALOG, CATALOG + SECTOR));
    seen.add('defect' in catalog ? catalog.defect : 'entry');
    if ('defect' in catalog) continue;
    const { media, loadSegment, loadSectors } = catalog.entry;
    expect([media <= 4, loadSegment >= 1 && loadSegment <= 0xffff, loadSectors >= 1 && loadSectors <= 0xffff]).toEqual([
      true,
      true,
      true,
    ]);
    const { cylinders, heads, sectors } = emulatedGeometry(media, bytes.subarray(IMAGE, IMAGE + 512));
    expect([cylinders >= 1 && cylinders <= 1024, heads >= 1 && heads <= 256, sectors >= 1 && sectors <= 63]).toEqual([
      true,
      true,
      true,
    ]);
  }
  expect([...seen].sort()).toEqual(['damaged', 'entry', 'no record', 'nothing', 'record']);
});

it('start something or are refused in words, and the machine goes on', { timeout: 60_000 }, () => {
  let drive: MemoryDrive | undefined;
  const m = pc({
    drives: (memory) => {
      drive = memoryDrive({ kind: 'cdrom', memory, title: 'a.iso' });
      return [drive];
    },
  });
  for (const seed of SEEDS) {
    const source = randomSource(seed);
    for (let i = 0; i < 3; i++) {
      drive?.insert(spoiled(source));
      const before = m.serial().length;
      m.powerOn();
      try {
        m.run(() => m.happened.length > 0 || m.serial().includes('Press a key', before), 3e5);
      } catch (error) {
        // What was started is garbage and may end in a triple fault, as on any PC.
        expect(String(error)).toContain('triple fault');
      }
      expect(m.serial().slice(before)).toContain('Rootmode BIOS');
      m.happened.length = 0;
    }
  }
});
