/** Memory of the display adapter: where it lies in the machine's memory, and the two slots by which the guest sees it as RAM. */
import { VIDEO_MEMORY } from '../devices/vga/device.ts';
import { CELLS, FRAME_BUFFER_END, type ShownWindow, type VideoMemory } from '../devices/vga/video-memory.ts';
import type { MachineMemory, MemorySlot } from '../memory/index.ts';

const PAGE = 4096;
const CELL_BYTES = CELLS * 2;
/** Slot numbers, above those of RAM and ROM. */
const LINEAR_SLOT = 62;
const WINDOW_SLOT = 63;

export interface PlacedVideoMemory extends VideoMemory {
  /** Pages of `bytes`, then of the cells, written since the last call: one byte each. Under the machine lock. */
  takeWritten(): Uint8Array;
}

/** Taken from the arena by every thread at the same point. `lowRamEnd`: where RAM below 4 GiB ends. */
export function placeVideoMemory(memory: MachineMemory, lowRamEnd: number): PlacedVideoMemory {
  const { arena, slots, dirtyLog, views } = memory;
  const size = VIDEO_MEMORY + CELL_BYTES;
  const hva = arena.take('video-memory', size, PAGE);
  const buffer = views.buffer as ArrayBuffer;

  const show = (slot: number, wanted: Omit<MemorySlot, 'slot' | 'log'> | undefined) => {
    const before = slots.get(slot);
    if (wanted === undefined) {
      if (before !== undefined) slots.setSlot({ slot, gpa: 0, size: 0, hva: 0 });
      return;
    }
    if (before !== undefined && before.gpa === wanted.gpa && before.size === wanted.size && before.hva === wanted.hva) return;
    const free = slots
      .all()
      .every((other) => other.slot === slot || wanted.gpa + wanted.size <= other.gpa || other.gpa + other.size <= wanted.gpa);
    if (!free) {
      if (before !== undefined) slots.setSlot({ slot, gpa: 0, size: 0, hva: 0 });
      return;
    }
    slots.setSlot({ slot, ...wanted, log: true });
    // A slot that begins to log forgets what was written before: whoever looks at the screen looks at all of it again.
    dirtyLog.markPages(wanted.hva, wanted.size / PAGE);
  };

  return {
    bytes: new Uint8Array(buffer, hva, VIDEO_MEMORY),
    words: new Uint32Array(buffer, hva, VIDEO_MEMORY / 4),
    cells: new Uint16Array(buffer, hva + VIDEO_MEMORY, CELLS),
    showLinear: (gpa) => {
      const reachable = gpa !== undefined && gpa >= lowRamEnd && gpa + VIDEO_MEMORY <= FRAME_BUFFER_END;
      show(LINEAR_SLOT, reachable ? { gpa, size: VIDEO_MEMORY, hva } : undefined);
    },
    showWindow: (shown: ShownWindow | undefined) => {
      const from = shown === undefined ? 0 : shown.from === 'cells' ? VIDEO_MEMORY : shown.from;
      show(WINDOW_SLOT, shown && { gpa: shown.gpa, size: shown.size, hva: hva + from });
    },
    mark: (offset) => dirtyLog.mark(hva + offset),
    takeWritten: () => dirtyLog.collectPages(hva, size),
  };
}
