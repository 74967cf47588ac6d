import { definePort } from '../ports.ts';

/**
 * Memory of the display adapter, as the board places it: part of the machine's memory, shown to the guest as RAM where the adapter says.
 * It is saved and its writes are logged as those of RAM are. Shared by all threads; what is shown is found in the memory slots.
 */
export interface VideoMemory {
  /** A power of two, at least 256 KiB. The four bytes of a word are the four planes at one offset; packed pixels lie in order. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** Cells of a text screen in the order the guest sees them while its window shows them as RAM: 16384 of 16 bits. */
  readonly cells: Uint16Array;
  /** Show `bytes` from guest-physical `gpa`, or nowhere. Where other memory is, the adapter stays hidden. */
  showLinear(gpa: number | undefined): void;
  /** Show `size` bytes of `bytes` from `offset`, or the cells, at `gpa`; or leave the window to the bus. */
  showWindow(shown: ShownWindow | undefined): void;
  /** The byte of `bytes` at `offset` was written by the adapter. */
  mark(offset: number): void;
}

export interface ShownWindow {
  readonly gpa: number;
  readonly size: number;
  readonly from: 'cells' | number;
}

/** Above every linear frame buffer: the interrupt controllers and the firmware. */
export const FRAME_BUFFER_END = 0xfec0_0000;

/** Cells that fit: 32 KiB. */
export const CELLS = 0x4000;

export const videoMemory = definePort<VideoMemory>('video-memory', () => {
  const words = new Uint32Array(0x1_0000);
  return {
    bytes: new Uint8Array(words.buffer),
    words,
    cells: new Uint16Array(CELLS),
    showLinear: () => undefined,
    showWindow: () => undefined,
    mark: () => undefined,
  };
});
