/** Mode 3, as a BIOS leaves the screen: 80 by 25 characters in 16 colours, cleared, the cursor at the upper left. */
import type { AccessSize, MachineMemory } from '../memory/index.ts';

const DEVICE = -1;
const MISC = 0x67;
const SEQUENCER = [0x03, 0x00, 0x03, 0x00, 0x02];
const CRTC = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f,
  0x96, 0xb9, 0xa3, 0xff,
];
const GRAPHICS = [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff];
const ATTRIBUTE = [
  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00,
];
const BLANK_CELL = 0x07200720;

/** `font`: 16 bytes for each of 256 characters. */
export function startTextMode({ bus }: MachineMemory, font: Uint8Array): void {
  const out = (port: number, value: number, size: AccessSize = 1) => bus.portWrite(DEVICE, port, size, value);
  const indexed: IndexedPorts = (port, pairs) => {
    for (const [index, value] of pairs) out(port, index | (value << 8), 2);
  };
  const attributeIndex = (index: number) => {
    bus.portRead(DEVICE, 0x3da, 1);
    out(0x3c0, index);
  };
  out(0x3c2, MISC);
  loadFont(bus, indexed, font);
  indexed(0x3c4, [...SEQUENCER.entries()]);
  indexed(0x3d4, [[0x11, 0], ...CRTC.entries()]); // register 11h protects 0 to 7
  indexed(0x3ce, [...GRAPHICS.entries()]);
  for (const [index, value] of ATTRIBUTE.entries()) {
    attributeIndex(index);
    out(0x3c0, value);
  }
  out(0x3c6, 0xff);
  out(0x3c8, 0);
  for (let color = 0; color < 64; color++) for (const shift of [2, 1, 0]) out(0x3c9, egaLevel(color >>> shift));
  attributeIndex(0x20);
  for (let at = 0; at < 0x8000; at += 4) bus.mmioWrite(DEVICE, 0xb8000 + at, 4, BLANK_CELL);
}

/** Bit 0: two thirds, bit 3: one third, of 63. */
const egaLevel = (bits: number): number => (bits & 1 ? 0x2a : 0) + (bits & 8 ? 0x15 : 0);

type IndexedPorts = (port: number, pairs: readonly (readonly [index: number, value: number])[]) => void;

/** Into plane 2, alone and in order, 32 bytes apart. */
function loadFont(bus: MachineMemory['bus'], indexed: IndexedPorts, font: Uint8Array): void {
  indexed(0x3c4, [
    [2, 0x04],
    [4, 0x06],
  ]);
  indexed(0x3ce, [
    [0, 0x00],
    [1, 0x00],
    [3, 0x00],
    [5, 0x00],
    [6, 0x04],
    [8, 0xff],
  ]);
  for (const [i, line] of font.entries()) bus.mmioWrite(DEVICE, 0xa0000 + (i >>> 4) * 32 + (i & 15), 1, line);
}
