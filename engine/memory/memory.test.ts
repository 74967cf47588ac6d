import { expect, test } from 'vitest';
import { EngineError } from '../base/index.ts';
import { createMachineMemory, FIXED, memoryMap, PHYS, PHYSICAL_END } from './index.ts';

const MIB = 2 ** 20;

function small() {
  const machine = createMachineMemory({ ramBytes: 4 * MIB, vcpus: 1, arenaBytes: MIB });
  machine.slots.setSlot({ slot: 0, gpa: 0, size: 4 * MIB, hva: machine.map.ramBase });
  const entry = (gpa: number) => machine.u32[(FIXED.physTable + (gpa / 4096) * 4) >>> 2] as number;
  return { machine, entry };
}

test('sizes are checked and the largest machine fits below 4 GiB', () => {
  for (const ramBytes of [0, MIB - 4096, MIB + 1, 3585 * MIB, Number.NaN]) {
    expect(() => memoryMap({ ramBytes, vcpus: 1 })).toThrow(expect.objectContaining({ code: 'memory-size' }));
  }
  const map = memoryMap({ ramBytes: 3584 * MIB, vcpus: 16 });
  expect(map.totalBytes).toBeLessThanOrEqual(2 ** 32);
  expect(map.arenaBytes).toBeGreaterThan(400 * MIB);
});

test('two threads that build in the same order agree on every place', () => {
  const { machine } = small();
  const other = createMachineMemory({ ramBytes: 4 * MIB, vcpus: 1, arenaBytes: MIB, memory: machine.memory });
  const takes = (m: typeof machine) => [m.arena.take('a', 3, 1), m.arena.take('b', 100, 4096), m.arena.take('c', 8, 8)];
  expect(takes(machine)).toEqual(takes(other));
  expect(() => machine.arena.take('too much', 2 * MIB, 1)).toThrow(expect.objectContaining({ code: 'arena-full' }));
  expect(other.slots.get(0)).toEqual({ slot: 0, gpa: 0, size: 4 * MIB, hva: machine.map.ramBase, readonly: false, log: false });
});

test('slots fill the table of pages; changing one bumps the generation', () => {
  const { machine, entry } = small();
  const { ramBase } = machine.map;
  expect(entry(0)).toBe((ramBase | PHYS.RAM) >>> 0);
  expect(entry(4 * MIB - 4096)).toBe((ramBase + 4 * MIB - 4096) | PHYS.RAM);
  expect(entry(4 * MIB)).toBe(0);
  const before = machine.u32[FIXED.mapGeneration >>> 2] as number;
  machine.slots.batch(() => {
    machine.slots.setSlot({ slot: 0, gpa: 0, size: 0xc0000, hva: ramBase });
    machine.slots.setSlot({ slot: 1, gpa: 0xc0000, size: 0x40000, hva: ramBase + 0xc0000, readonly: true });
    machine.slots.setSlot({ slot: 2, gpa: PHYSICAL_END - 4096, size: 4096, hva: ramBase + MIB });
  });
  expect(machine.u32[FIXED.mapGeneration >>> 2]).toBe(before + 1);
  expect([entry(0xbf000) & 0xfff, entry(0xc0000) & 0xfff, entry(MIB)]).toEqual([PHYS.RAM, PHYS.ROM, 0]);
  expect(entry(PHYSICAL_END - 4096)).toBe((ramBase + MIB) | PHYS.RAM);
  machine.slots.setSlot({ slot: 1, gpa: 0xc0000, size: 0, hva: 0 });
  expect([entry(0xc0000), machine.slots.get(1)]).toEqual([0, undefined]);
});

test.each([
  [{ slot: 64, gpa: 0, size: 4096, hva: 0 }, 'numbered'],
  [{ slot: 1, gpa: 8 * MIB + 1, size: 4096, hva: 0 }, 'whole pages'],
  [{ slot: 1, gpa: 8 * MIB, size: 100, hva: 0 }, 'whole pages'],
  [{ slot: 1, gpa: PHYSICAL_END - 4096, size: 8192, hva: 0 }, 'beyond 16 GiB'],
  [{ slot: 1, gpa: 8 * MIB, size: 2 ** 32, hva: 4096 }, 'leaves the memory'],
  [{ slot: 1, gpa: 3 * MIB, size: 2 * MIB, hva: 0 }, 'overlaps slot 0'],
])('slot %o is refused', (slot, reason) => {
  const { machine, entry } = small();
  expect(() => machine.slots.setSlot(slot)).toThrow(reason);
  expect(() => machine.slots.setSlot(slot)).toThrow(EngineError);
  expect(entry(3 * MIB) & 0xfff).toBe(PHYS.RAM);
});

test('A20 held low shows even megabytes in odd ones, for memory and for the bus', () => {
  const { machine, entry } = small();
  const seen: number[] = [];
  machine.bus.addMmio({ gpa: 0xf000_0000, size: 4096, read: (offset) => seen.push(offset) && 0, write: () => undefined });
  machine.slots.setA20(false);
  expect([entry(MIB), entry(3 * MIB + 4096)]).toEqual([entry(0), entry(2 * MIB + 4096)]);
  expect(entry(5 * MIB)).toBe(entry(4 * MIB));
  machine.bus.mmioRead(0, 0xf010_0004, 4);
  machine.slots.setSlot({ slot: 1, gpa: 8 * MIB, size: 4096, hva: machine.map.ramBase });
  expect(entry(9 * MIB)).toBe(entry(8 * MIB));
  machine.slots.setA20(true);
  expect(entry(MIB)).toBe((machine.map.ramBase + MIB) | PHYS.RAM);
  expect(entry(9 * MIB)).toBe(0);
  machine.bus.mmioRead(0, 0xf010_0004, 4);
  expect(seen).toEqual([4]);
});

test('a map change runs where the hypervisor says', () => {
  const { machine, entry } = small();
  const changes: (() => void)[] = [];
  machine.slots.mapChange = (change) => changes.push(change);
  machine.slots.setSlot({ slot: 1, gpa: 8 * MIB, size: 4096, hva: machine.map.ramBase });
  expect(entry(8 * MIB)).toBe(0);
  for (const change of changes) change();
  expect(entry(8 * MIB)).not.toBe(0);
});

test('DMA crosses pages, marks the log, drops decoded code, leaves ROM and nothing alone', () => {
  const { machine } = small();
  const { ramBase, pageInfo } = machine.map;
  machine.slots.setSlot({ slot: 0, gpa: 0, size: 4 * MIB, hva: ramBase, log: true });
  const info = (pageInfo + ((ramBase + 4096) >>> 12) * 16) >>> 2;
  machine.u32[info + 1] = 0x80;
  machine.dma.write(0xfff, Uint8Array.of(1, 2, 3));
  expect([...machine.dma.read(0xffe, 5)]).toEqual([0, 1, 2, 3, 0]);
  expect([machine.u32[info], machine.u32[info + 1], machine.u32[info + 2]]).toEqual([0, 0, 1]);
  expect(machine.dirtyLog.get(0)[0]).toBe(3);
  machine.slots.setSlot({ slot: 1, gpa: 8 * MIB, size: 4096, hva: ramBase, readonly: true });
  machine.dma.write(8 * MIB, Uint8Array.of(9));
  expect(machine.dma.read32(8 * MIB)).toBe(0);
  machine.dma.load(8 * MIB, Uint8Array.of(9));
  expect(machine.dma.read32(0)).toBe(9);
  machine.dma.write(4 * MIB - 1, Uint8Array.of(5, 6));
  expect([...machine.dma.read(4 * MIB - 1, 2)]).toEqual([5, 0xff]);
  expect([...machine.dma.read(2 ** 52, 2)]).toEqual([0xff, 0xff]);
  expect([machine.dma.isRam(0, 4 * MIB), machine.dma.isRam(4 * MIB - 4, 8)]).toEqual([true, false]);
});

test('collecting the dirty log takes it, arms every taken page again, then flushes', () => {
  const { machine, entry } = small();
  const order: string[] = [];
  machine.dirtyLog.flushWrites = () => order.push(`flush, armed ${(entry(0x3000) & PHYS.LOG) !== 0}`);
  machine.dma.write(0x2000, Uint8Array.of(1));
  machine.slots.setSlot({ slot: 0, gpa: 0, size: 4 * MIB, hva: machine.map.ramBase, log: true });
  expect(machine.dirtyLog.get(0).every((byte) => byte === 0)).toBe(true);
  expect(entry(0x3000) & PHYS.LOG).toBe(PHYS.LOG);
  // What the processor does before a first write.
  Atomics.and(machine.i32, (FIXED.physTable + 3 * 4) >>> 2, ~PHYS.LOG);
  machine.dirtyLog.mark(machine.map.ramBase + 0x3000);
  expect(machine.dirtyLog.collect(0)[0]).toBe(8);
  expect(order).toEqual(['flush, armed true']);
  expect(machine.dirtyLog.collect(0).some((byte) => byte !== 0)).toBe(false);
  expect(machine.dirtyLog.collect(9)).toEqual(new Uint8Array(0));
});

test('written pages of a range are found wherever they show, and are logged again in every slot', () => {
  const { machine, entry } = small();
  const hva = machine.arena.take('shared', 64 * 4096, 4096);
  machine.slots.batch(() => {
    machine.slots.setSlot({ slot: 1, gpa: 16 * MIB, size: 64 * 4096, hva, log: true });
    machine.slots.setSlot({ slot: 2, gpa: 8 * MIB, size: 2 * 4096, hva: hva + 4096, log: true });
  });
  let flushes = 0;
  machine.dirtyLog.flushWrites = () => flushes++;
  machine.dma.write(8 * MIB, Uint8Array.of(1)); // page 1, through the second slot
  machine.dma.write(16 * MIB + 40 * 4096, Uint8Array.of(1));
  machine.u32[(FIXED.physTable + ((16 * MIB) / 4096 + 1) * 4) >>> 2] = (hva + 4096) | PHYS.RAM; // a vCPU wrote there and has its entry
  const pages = machine.dirtyLog.collectPages(hva, 64 * 4096);
  expect([...pages.entries()].filter(([, written]) => written).map(([page]) => page)).toEqual([1, 40]);
  expect([entry(8 * MIB) & PHYS.LOG, entry(16 * MIB + 4096) & PHYS.LOG, flushes]).toEqual([PHYS.LOG, PHYS.LOG, 1]);
  expect([machine.dirtyLog.collectPages(hva, 64 * 4096).some(Boolean), flushes]).toEqual([false, 1]);
});
