/** Firmware in the machine's own memory: below 4 GiB, and its last 128 KiB below 1 MiB wherever the host bridge shows no RAM. */
import { assert } from '../base/index.ts';
import { MOST_FIRMWARE_BYTES as MOST_BYTES } from '../firmware/image.ts';
import { type MachineMemory, PAGE } from '../memory/index.ts';

const TOP = 2 ** 32;
const LOW_TOP = 2 ** 20;
const LOW_BYTES = 0x20000;
const SEGMENT = 0x10000;
const SLOT = 15;

export interface RomPlace {
  /** Put firmware there, filled up to whole segments of 64 KiB. With no bytes the machine has none. Maps change at the next `map`. */
  load(bytes: Uint8Array): void;
  /** The bytes as they are now. */
  image(): Uint8Array;
  /** Show the ROM below 4 GiB, or nothing. */
  map(): void;
  /** Where in the machine's memory the ROM's copy of a segment below 1 MiB lies; undefined when it has none. */
  below(gpa: number): number | undefined;
}

/** Every thread takes the same place. Its first word says how long the firmware is, which ends where the place ends. */
export function createRom(memory: MachineMemory): RomPlace {
  const start = memory.arena.take('rom', PAGE + MOST_BYTES, PAGE);
  const end = start + PAGE + MOST_BYTES;
  const size = () => memory.u32[start >>> 2] ?? 0;
  return {
    load: (bytes) => {
      const length = Math.ceil(bytes.length / SEGMENT) * SEGMENT;
      assert(length <= MOST_BYTES, 'firmware fits below 4 GiB');
      memory.u8.fill(0xff, end - length, end);
      memory.u8.set(bytes, end - bytes.length);
      memory.u32[start >>> 2] = length;
    },
    image: () => memory.u8.subarray(end - size(), end),
    map: () => memory.slots.setSlot({ slot: SLOT, gpa: TOP - size(), size: size(), hva: end - size(), readonly: true }),
    below: (gpa) => (LOW_TOP - gpa <= Math.min(size(), LOW_BYTES) ? end - (LOW_TOP - gpa) : undefined),
  };
}
