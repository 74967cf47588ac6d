/** Setting a video mode: registers, colours, fonts, the data area, and cleared memory. INT 10h functions 00h and 11h use these. */
import { Bda } from '../areas.ts';
import type { BiosHost } from '../host.ts';
import { ROM_OFFSET, ROM_SEGMENT, type RomTable } from '../rom.ts';
import { write8, write16, write32 } from '../words.ts';
import { modeOf, type VideoMode } from './modes.ts';
import { colourTable, greyOf } from './palette.ts';
import { Screen } from './screen.ts';
import { leaveVbe } from './vbe-ports.ts';

/** Bit 7 of a mode number keeps memory as it is. */
export const KEEP_MEMORY = 0x80;
const GLYPHS = 256;
/** A character's place in plane 2: 32 bytes each. */
const GLYPH_PITCH = 32;
const FONT_BLOCK = 0x4000;

export type FontHeight = 8 | 14 | 16;

export interface Video {
  readonly host: BiosHost;
  readonly screen: Screen;
  readonly rom: RomTable;
}

export function createVideo(host: BiosHost, rom: RomTable): Video {
  return { host, rom, screen: new Screen(host) };
}

export function romFont({ rom, host }: Video, height: FontHeight): Uint8Array {
  const at = { 8: rom.font8, 14: rom.font14, 16: rom.font16 }[height] - ROM_OFFSET;
  return host.rom().subarray(at, at + height * GLYPHS);
}

/** Point INT 43h (and 1Fh, for the upper half of 8x8) at a built-in font. */
export function nameFont({ rom, host }: Video, height: FontHeight): void {
  const offset = { 8: rom.font8, 14: rom.font14, 16: rom.font16 }[height];
  write32(host.memory, 0x43 * 4, ROM_SEGMENT * 0x10000 + offset);
  if (height === 8) write32(host.memory, 0x1f * 4, ROM_SEGMENT * 0x10000 + rom.font8 + 128 * 8);
}

/** Where the eight font blocks lie in plane 2: 0, 16, 32, 48, 8, 24, 40, 56 KiB. */
const blockOffset = (block: number): number => (block & 3) * FONT_BLOCK + (block & 4 ? FONT_BLOCK / 2 : 0);

/** Put characters into plane 2 of the screen's memory. */
export function loadGlyphs(
  { host, screen }: Video,
  font: Uint8Array,
  to: { readonly height: number; readonly first: number; readonly block: number },
): void {
  const { vga } = screen;
  const [map, memoryMode] = [vga.readSequencer(2), vga.readSequencer(4)];
  vga.sequencer(0, 1);
  vga.sequencer(2, 4);
  vga.sequencer(4, 7);
  vga.sequencer(0, 3);
  vga.graphics(4, 2);
  vga.graphics(5, 0);
  vga.graphics(6, 4);
  const count = Math.min(Math.floor(font.length / to.height), GLYPHS - to.first);
  const at = 0xa0000 + blockOffset(to.block) + to.first * GLYPH_PITCH;
  const lines = Math.min(to.height, GLYPH_PITCH);
  // What stands behind the lines of a character is not shown.
  for (let i = 0; i < count; i++) host.memory.write(at + i * GLYPH_PITCH, font.subarray(i * to.height, i * to.height + lines));
  vga.sequencer(0, 1);
  vga.sequencer(2, map);
  vga.sequencer(4, memoryMode);
  vga.sequencer(0, 3);
  const mode = screen.mode;
  mode?.graphics.forEach((value, i) => {
    if (i >= 4 && i <= 6) vga.graphics(i, value);
  });
}

/** Text rows and scan lines for characters of another height in the mode that is set. */
export function useCharacterHeight({ host, screen }: Video, height: number): void {
  const { memory } = host;
  const { mode, crtcPort } = screen;
  const lines = mode?.height ?? 400;
  const rows = Math.max(1, Math.floor(lines / height));
  const { vga } = screen;
  vga.crtc(crtcPort, 0x09, (vga.readCrtc(crtcPort, 0x09) & 0xe0) | (height - 1));
  const end = rows * height - 1;
  vga.crtc(crtcPort, 0x12, end & 0xff);
  const last = height - (height > 8 ? 2 : 1);
  setCursorShape(screen, last - 1, last);
  write8(memory, Bda.RowsMinusOne, rows - 1);
  write16(memory, Bda.CharacterHeight, height);
  write16(memory, Bda.PageBytes, Math.ceil((rows * screen.columns * 2) / 256) * 256);
}

/** `start` and `end` are lines of a character, as the data area keeps them. */
export function setCursorShape({ vga, crtcPort, memory }: Screen, start: number, end: number): void {
  write16(memory, Bda.CursorShape, ((start & 0x3f) << 8) | (end & 0x1f));
  vga.crtc(crtcPort, 0x0a, start & 0x3f);
  vga.crtc(crtcPort, 0x0b, end & 0x1f);
}

function loadColours({ screen }: Video, mode: VideoMode, grey: boolean): void {
  const colours = colourTable(mode.colours);
  screen.vga.setColours(0, grey ? colours.map(greyOf) : colours);
}

function clearMemory({ host }: Video, mode: VideoMode): void {
  if (mode.layout === 'text') {
    const blank = new Uint8Array(0x8000).fill(0x20);
    for (let i = 1; i < blank.length; i += 2) blank[i] = 0x07;
    host.memory.write(mode.segment * 16, blank);
  } else if (mode.segment === 0xa000) host.memory.write(0xa0000, new Uint8Array(0x10000));
  else host.memory.write(mode.segment * 16, new Uint8Array(0x8000));
}

/** Video settings at 40:89: bit 3 leaves colours alone, bit 1 sums them to greys. */
const KEEP_COLOURS = 0x08;
const GREYS = 0x02;

/** Set a mode; false when there is no such mode, with nothing changed. */
export function setMode(video: Video, wanted: number): boolean {
  const mode = modeOf(wanted & 0x7f);
  if (!mode) return false;
  const { host, screen } = video;
  const { memory } = host;
  leaveVbe(host.io);
  const crtcPort = screen.vga.program(mode);
  const settings = memory.read(Bda.VideoSettings, 1)[0] ?? 0;
  if (!(settings & KEEP_COLOURS)) loadColours(video, mode, (settings & GREYS) !== 0);
  write8(memory, Bda.VideoMode, mode.number);
  write16(memory, Bda.Columns, mode.columns);
  write16(memory, Bda.PageBytes, mode.pageBytes & 0xffff);
  write16(memory, Bda.PageStart, 0);
  memory.write(Bda.Cursors, new Uint8Array(16));
  write8(memory, Bda.ActivePage, 0);
  write16(memory, Bda.CrtcPort, crtcPort);
  write8(
    memory,
    Bda.ModeControl,
    { text: mode.columns === 40 ? 0x28 : 0x29, cga4: 0x2a, cga2: 0x1e, planar: 0x29, packed: 0x29 }[mode.layout],
  );
  write8(memory, Bda.Palette, mode.number === 6 ? 0x3f : 0x30);
  write8(memory, Bda.RowsMinusOne, mode.rows - 1);
  write16(memory, Bda.CharacterHeight, mode.characterHeight);
  write8(memory, Bda.VideoControl, 0x60 | (wanted & KEEP_MEMORY));
  write8(memory, Bda.VideoSwitches, 0xf9);
  write8(memory, Bda.VideoSettings, (settings & ~0x10) | 0x11);
  write8(memory, Bda.DisplayCode, 8);
  if (!(wanted & KEEP_MEMORY)) clearMemory(video, mode);
  nameFont(video, 8);
  nameFont(video, mode.characterHeight as FontHeight);
  if (mode.layout === 'text') {
    loadGlyphs(video, romFont(video, 16), { height: 16, first: 0, block: 0 });
    setCursorShape(screen, 13, 14);
    screen.moveCursor(0, 0, 0);
  }
  return true;
}
