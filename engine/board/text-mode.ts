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
const BLANK_CELL = 0x07200720;

/** The characters of the built-in BIOS, 16 bytes for each; undefined for a ROM that is not ours. */
function fontOf(bios: Uint8Array): Uint8Array | undefined {
  const table = romTable(bios);
  return table && bios.subarray(table.font16 - ROM_OFFSET, table.font16 - ROM_OFFSET + GLYPHS * LINES);
}

/** `bios`: the built-in BIOS, for its font; without it, characters have no picture. */
export function startTextMode({ bus }: MachineMemory, bios: Uint8Array): void {
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
  for (const [i, line] of (fontOf(bios) ?? new Uint8Array(0)).entries()) {
    bus.mmioWrite(DEVICE, 0xa0000 + Math.floor(i / LINES) * 32 + (i % LINES), 1, line);
  }
  vga.program(mode);
  for (let at = 0; at < 0x8000; at += 4) bus.mmioWrite(DEVICE, 0xb8000 + at, 4, BLANK_CELL);
}
