/**
 * Firmware in the machine's own memory: below 4 GiB, and its last 128 KiB below 1 MiB wherever the host bridge shows no RAM. Under it, where
 * firmware has them, its variables.
 */
import { assert, EngineError } from '../base/index.ts';
import type { FlashCells } from '../devices/pflash/device.ts';
import { WINDOW } from '../devices/pflash/spec.ts';
import { MOST_FIRMWARE_BYTES as MOST_BYTES } from '../firmware/image.ts';
import { type MachineMemory, PAGE } from '../memory/index.ts';
import type { SavedState } from '../state/index.ts';

const TOP = 2 ** 32;
const LOW_TOP = 2 ** 20;
const LOW_BYTES = 0x20000;
const SEGMENT = 0x10000;
const SLOT = 15;
const VARIABLES_SLOT = 16;
/** Ids on the wire. */
const [FIRMWARE, VARIABLES] = [1, 2];

export interface RomPlace {
  /**
   * Put firmware there, filled up to whole segments of 64 KiB where no variables lie below it. With no bytes the machine has none. Maps
   * change at the next `map`.
   *
   * @param variables asked for once: afterwards they are what the guest made of them
   */
  load(bytes: Uint8Array, variables?: () => Uint8Array): void;
  /** The bytes as they are now. */
  image(): Uint8Array;
  /** Show the ROM below 4 GiB, or nothing. */
  map(): void;
  /** Where in the machine's memory the ROM's copy of a segment below 1 MiB lies; undefined when it has none. */
  below(gpa: number): number | undefined;
  /** The cells of the variables' chip. */
  readonly variables: FlashCells;
  /** Its name among the saved parts of a board. */
  readonly name: string;
  /** Firmware and variables; nothing for a machine without. RAM that shadows it is saved with the RAM. */
  save(): SavedState;
  /** Hostile input: throws `state-value` and changes nothing. Maps change at the next `map`. */
  restore(saved: SavedState): void;
}

/** Every thread takes the same place. Its first words say how long the firmware is, which ends where the place ends, and its variables. */
export function createRom(memory: MachineMemory): RomPlace {
  const start = memory.arena.take('rom', PAGE + MOST_BYTES, PAGE);
  const end = start + PAGE + MOST_BYTES;
  const size = () => memory.u32[start >>> 2] ?? 0;
  const kept = () => memory.u32[(start >>> 2) + 1] ?? 0;
  const cells = () => memory.u8.subarray(end - size() - kept(), end - size());
  const show = (array: boolean) => {
    const shown = array ? kept() : 0;
    if ((memory.slots.get(VARIABLES_SLOT)?.size ?? 0) === shown) return;
    const below = size() + kept();
    memory.slots.setSlot({ slot: VARIABLES_SLOT, gpa: TOP - below, size: shown, hva: end - below, readonly: true });
  };
  /** Put both there; `used`: the guest has had them. */
  const put = (bytes: Uint8Array, below: Uint8Array, used: boolean): void => {
    memory.u8.set(bytes, end - bytes.length);
    memory.u8.set(below, end - bytes.length - below.length);
    memory.u32.set([bytes.length, below.length, used ? 1 : 0], start >>> 2);
  };
  const image = () => memory.u8.subarray(end - size(), end);
  return {
    name: 'rom',
    save: () =>
      size() === 0
        ? []
        : [[FIRMWARE, image().slice()] as const, ...(kept() === 0 ? [] : [[VARIABLES, cells().slice()] as const])],
    restore: (saved) => {
      const parts = new Map<number, Uint8Array>();
      for (const [id, value] of saved) {
        const wanted =
          (id === FIRMWARE || id === VARIABLES) && !parts.has(id) && value instanceof Uint8Array && value.length % PAGE === 0;
        if (!wanted) throw new EngineError('state-unknown', { part: 'rom', id: String(id) });
        parts.set(id, value);
      }
      const [bytes, below] = [parts.get(FIRMWARE) ?? new Uint8Array(0), parts.get(VARIABLES) ?? new Uint8Array(0)];
      if (bytes.length + below.length > MOST_BYTES) throw new EngineError('state-unknown', { part: 'rom', id: 'size' });
      put(bytes, below, true);
    },
    load: (bytes, variables) => {
      const before = kept() > 0 && variables !== undefined ? cells().slice() : undefined;
      const below = before ?? variables?.() ?? new Uint8Array(0);
      const length = below.length > 0 ? bytes.length : Math.ceil(bytes.length / SEGMENT) * SEGMENT;
      assert(length + below.length <= MOST_BYTES, 'firmware and its variables fit below 4 GiB');
      const whole = new Uint8Array(length).fill(0xff);
      whole.set(bytes, length - bytes.length);
      put(whole, below, before !== undefined);
    },
    image,
    map: () => {
      memory.slots.setSlot({ slot: SLOT, gpa: TOP - size(), size: size(), hva: end - size(), readonly: true });
      show(true);
    },
    below: (gpa) => (LOW_TOP - gpa <= Math.min(size(), LOW_BYTES) ? end - (LOW_TOP - gpa) : undefined),
    variables: { bytes: cells, used: () => memory.u32[(start >>> 2) + 2] === 1, start: () => WINDOW - size() - kept(), show },
  };
}
