/** Mode 3, as a BIOS leaves the screen: 80 by 25 characters in 16 colours, cleared, with the BIOS's font, the cursor at the upper left. */
import type { BiosIo } from '../firmware/bios/host.ts';
import { ROM_OFFSET, romTable } from '../firmware/bios/rom.ts';
import { modeOf } from '../firmware/bios/video/modes.ts';
import { colourTable } from '../firmware/bios/video/palette.ts';
import { VgaPorts } from '../firmware/bios/video/vga-ports.ts';
import type { MachineMemory } from '../memory/index.ts';

const DEVICE = -1;
const MODE = 3;
const GLYPHS = 256;
const LINES = 16;
/** Cells of the window, blank and grey. */
const [CELLS_AT, CELLS, BLANK_CELL] = [0xb8000, 0x4000, 0x0720];

/** The characters of the built-in BIOS, 16 bytes for each; undefined for a ROM that is not ours. */
function fontOf(bios: Uint8Array): Uint8Array | undefined {
  const table = romTable(bios);
  return table && bios.subarray(table.font16 - ROM_OFFSET, table.font16 - ROM_OFFSET + GLYPHS * LINES);
}

/** `bios`: the built-in BIOS, for its font; without it, characters have no picture. */
export function startTextMode({ bus, dma }: MachineMemory, bios: Uint8Array): void {
  const io: BiosIo = {
    in: (port, size = 1) => bus.portRead(DEVICE, port, size),
    out: (port, value, size = 1) => bus.portWrite(DEVICE, port, size, value),
  };
  const vga = new VgaPorts(io);
  const mode = modeOf(MODE);
  if (mode === undefined) return;
  vga.program(mode);
  for (const [index, color] of colourTable(mode.colours).entries()) vga.setColour(index, color);
  // Plane 2 alone and in order, while the font is written.
  vga.sequencer(2, 0x04);
  vga.sequencer(4, 0x06);
  vga.graphics(5, 0x00);
  vga.graphics(6, 0x04);
  const font = fontOf(bios) ?? new Uint8Array(0);
  const lines = new DataView(font.buffer, font.byteOffset, font.length);
  for (let i = 0; i < font.length; i += 4) {
    bus.mmioWrite(DEVICE, 0xa0000 + Math.floor(i / LINES) * 32 + (i % LINES), 4, lines.getUint32(i, true));
  }
  vga.program(mode);
  // In this mode the window is memory.
  dma.write(CELLS_AT, new Uint8Array(new Uint16Array(CELLS).fill(BLANK_CELL).buffer));
}
