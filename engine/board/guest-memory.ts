/** The PC's memory below 4 GiB: RAM slots, the shadowed segments between 768 KiB and 1 MiB, and the hole for the screen. */
import type { ShadowSegment } from '../devices/i440fx/device.ts';
import type { MachineMemory } from '../memory/index.ts';
import type { RomPlace } from './rom.ts';

const LOW_END = 0xa0000;
const SHADOW_START = 0xc0000;
const SHADOW_END = 0x100000;
/** Slot numbers: RAM below the screen, RAM from 1 MiB, and one for each shadowed segment. */
const LOW_SLOT = 0;
const HIGH_SLOT = 1;
const FIRST_SHADOW_SLOT = 2;

/** Bytes of RAM that lie elsewhere on the bus are shown at their own address: guest-physical = offset in the machine's RAM. */
const hvaOf = ({ map }: MachineMemory, gpa: number): number => map.ramBase + gpa;

/** Put RAM where every board has it. The segments follow from `mapShadow`. */
export function mapRam(memory: MachineMemory): void {
  const { ramBytes } = memory.map;
  memory.slots.batch(() => {
    memory.slots.setSlot({ slot: LOW_SLOT, gpa: 0, size: LOW_END, hva: hvaOf(memory, 0) });
    const size = ramBytes - SHADOW_END;
    if (size > 0) memory.slots.setSlot({ slot: HIGH_SLOT, gpa: SHADOW_END, size, hva: hvaOf(memory, SHADOW_END) });
  });
}

/**
 * Show RAM in the segments that the host bridge says, and the ROM where it has one for a segment whose RAM is not read; slots that are
 * right already stay as they are, their dirty log too.
 */
export function mapShadow(memory: MachineMemory, segments: readonly ShadowSegment[], rom: RomPlace): void {
  memory.slots.batch(() => {
    segments.forEach(({ start, size, readable, writable }, i) => {
      const slot = FIRST_SHADOW_SLOT + i;
      const before = memory.slots.get(slot);
      const hva = readable ? hvaOf(memory, start) : rom.below(start);
      const readonly = !readable || !writable;
      if (before?.hva === hva && (before === undefined || before.readonly === readonly)) return;
      const log = before?.log ?? memory.slots.get(LOW_SLOT)?.log ?? false;
      memory.slots.setSlot({ slot, gpa: start, size: hva === undefined ? 0 : size, hva: hva ?? 0, readonly, log });
    });
  });
}

/**
 * What the bus answers between 768 KiB and 1 MiB, where the processor does not reach RAM directly: no ROM reads as ones; a segment
 * that is only writable takes writes into RAM, so that firmware can copy itself there.
 */
export function addShadowWindow(memory: MachineMemory, segments: () => readonly ShadowSegment[]): void {
  memory.bus.addMmio({
    name: 'shadow',
    gpa: SHADOW_START,
    size: SHADOW_END - SHADOW_START,
    widest: 1,
    read: () => 0xff,
    write: (offset, _size, value) => {
      const gpa = SHADOW_START + offset;
      const segment = segments().find(({ start, size }) => gpa >= start && gpa < start + size);
      if (segment?.writable && !segment.readable) memory.u8[hvaOf(memory, gpa)] = value & 0xff;
    },
  });
}
