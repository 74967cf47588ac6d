/** INT 10h: video services. Sources: IBM PS/2 and VGA BIOS Interface Technical References, section INT 10h. */
import { Bda, Private } from '../areas.ts';
import { Action, type Frame } from '../frame.ts';
import { ROM_SEGMENT } from '../rom.ts';
import { linear, read8, read16, read32, write8, write16 } from '../words.ts';
import { readPixel, writePixel } from './graphics.ts';
import { MODES } from './modes.ts';
import { greyOf } from './palette.ts';
import {
  type FontHeight,
  KEEP_MEMORY,
  loadGlyphs,
  nameFont,
  romFont,
  setCursorShape,
  setMode,
  useCharacterHeight,
  type Video,
} from './set-mode.ts';
import { vbeService } from './vbe.ts';

export function videoService(video: Video, f: Frame): void {
  const { screen, host } = video;
  const { memory } = host;
  switch (f.ah) {
    case 0x00: {
      if (!setMode(video, f.al)) return;
      const { al } = f;
      f.al = (al & 0x7f) === 6 ? 0x3f : (al & 0x7f) < 8 ? 0x30 : 0x20;
      return;
    }
    case 0x01:
      setCursorShape(screen, f.ch, f.cl);
      return;
    case 0x02:
      screen.moveCursor(f.bh, f.dl, f.dh);
      return;
    case 0x03: {
      const { column, row } = screen.cursor(f.bh);
      f.dx = column | (row << 8);
      f.cx = read16(memory, Bda.CursorShape);
      return;
    }
    case 0x04:
      f.ah = 0; // no light pen
      return;
    case 0x05:
      screen.selectPage(f.al);
      return;
    case 0x06:
    case 0x07: {
      const window = { top: f.ch, left: f.cl, bottom: f.dh, right: f.dl };
      screen.scroll(f.ah === 0x06 ? f.al : -f.al, f.bh, window);
      return;
    }
    case 0x08: {
      const { character, attribute } = screen.readCell(f.bh);
      f.ax = character | (attribute << 8);
      return;
    }
    case 0x09:
      screen.writeCells(f.bh, f.al, { attribute: f.bl, count: f.cx });
      return;
    case 0x0a:
      screen.writeCells(f.bh, f.al, { attribute: screen.mode?.layout === 'text' ? undefined : f.bl, count: f.cx });
      return;
    case 0x0b:
      setCgaPalette(video, f);
      return;
    case 0x0c:
      if (screen.mode) writePixel(screen, screen.mode, { x: f.cx, y: f.dx, page: f.bh & 7, colour: f.al });
      return;
    case 0x0d:
      if (screen.mode && screen.mode.layout !== 'text')
        f.al = readPixel(screen, screen.mode, { x: f.cx, y: f.dx, page: f.bh & 7 });
      return;
    case 0x0e:
      screen.teletype(screen.page, f.al, screen.mode?.layout === 'text' ? undefined : f.bl);
      return;
    case 0x0f:
      f.al = (read8(memory, Bda.VideoMode) & 0x7f) | (read8(memory, Bda.VideoControl) & KEEP_MEMORY);
      f.ah = screen.columns;
      f.bh = screen.page;
      return;
    case 0x10:
      paletteService(video, f);
      return;
    case 0x11:
      fontService(video, f);
      return;
    case 0x12:
      alternateSelect(video, f);
      return;
    case 0x13:
      writeString(video, f);
      return;
    case 0x1a:
      if (f.al === 0) f.bx = read8(memory, Bda.DisplayCode);
      else if (f.al === 1) write8(memory, Bda.DisplayCode, f.bl);
      else return;
      f.al = 0x1a;
      return;
    case 0x1b:
      functionality(video, f);
      return;
    case 0x4f:
      vbeService(video, f);
      return;
  }
}

/** Background or palette of the 4-colour modes: the attribute registers' intensity and set bits. */
function setCgaPalette({ screen, host }: Video, f: Frame): void {
  const before = read8(host.memory, Bda.Palette);
  const value = f.bh === 0 ? (before & ~0x1f) | (f.bl & 0x1f) : (before & ~0x20) | (f.bl & 1 ? 0x20 : 0);
  write8(host.memory, Bda.Palette, value);
  const bright = value & 0x10;
  if (screen.mode?.layout === 'text') {
    if (f.bh === 0) screen.vga.attribute(0x11, (value & 7) | ((value & 8) << 1));
    return;
  }
  if (f.bh === 0) {
    const back = (value & 7) | ((value & 8) << 1);
    screen.vga.attribute(0, back);
    screen.vga.attribute(0x11, back);
  }
  for (let i = 1; i < 4; i++) screen.vga.attribute(i, (2 * i + (value & 0x20 ? 1 : 0)) | bright);
}

function paletteService({ screen, host }: Video, f: Frame): void {
  const { vga } = screen;
  const { memory } = host;
  const block = linear(f.es, f.dx);
  switch (f.al) {
    case 0x00:
      if (f.bl <= 0x14) vga.attribute(f.bl, f.bh);
      return;
    case 0x01:
      vga.attribute(0x11, f.bh);
      return;
    case 0x02: {
      const bytes = memory.read(block, 17);
      for (let i = 0; i < 16; i++) vga.attribute(i, bytes[i] ?? 0);
      vga.attribute(0x11, bytes[16] ?? 0);
      return;
    }
    case 0x03: {
      const control = vga.readAttribute(0x10);
      vga.attribute(0x10, f.bl & 1 ? control | 0x08 : control & ~0x08);
      return;
    }
    case 0x07:
      if (f.bl <= 0x14) f.bh = vga.readAttribute(f.bl);
      return;
    case 0x08:
      f.bh = vga.readAttribute(0x11);
      return;
    case 0x09:
      memory.write(
        block,
        Uint8Array.from({ length: 17 }, (_, i) => vga.readAttribute(i < 16 ? i : 0x11)),
      );
      return;
    case 0x10:
      vga.setColour(f.bx & 0xff, [f.dh & 0x3f, f.ch & 0x3f, f.cl & 0x3f]);
      return;
    case 0x12: {
      const count = Math.min(f.cx, 256);
      const bytes = memory.read(block, 3 * count);
      for (let i = 0; i < count; i++)
        vga.setColour((f.bx + i) & 0xff, [bytes[3 * i] ?? 0, bytes[3 * i + 1] ?? 0, bytes[3 * i + 2] ?? 0]);
      return;
    }
    case 0x13: {
      const control = vga.readAttribute(0x10);
      if (f.bl === 0) vga.attribute(0x10, f.bh & 1 ? control | 0x80 : control & ~0x80);
      else if (f.bl === 1) vga.attribute(0x14, control & 0x80 ? f.bh & 0x0f : (f.bh << 2) & 0x0c);
      return;
    }
    case 0x15: {
      const [red, green, blue] = vga.colour(f.bx & 0xff);
      f.dh = red;
      f.cx = (green << 8) | blue;
      return;
    }
    case 0x17: {
      const count = Math.min(f.cx, 256);
      memory.write(block, Uint8Array.from(Array.from({ length: count }, (_, i) => vga.colour((f.bx + i) & 0xff)).flat()));
      return;
    }
    case 0x18:
      vga.mask = f.bl;
      return;
    case 0x19:
      f.bl = vga.mask;
      return;
    case 0x1a: {
      const small = vga.readAttribute(0x10) & 0x80;
      f.bl = small ? 1 : 0;
      f.bh = small ? vga.readAttribute(0x14) & 0x0f : (vga.readAttribute(0x14) >>> 2) & 3;
      return;
    }
    case 0x1b:
      for (let i = 0; i < Math.min(f.cx, 256); i++) vga.setColour((f.bx + i) & 0xff, greyOf(vga.colour((f.bx + i) & 0xff)));
      return;
  }
}

const ROM_FONTS: Readonly<Record<number, FontHeight>> = { 1: 14, 2: 8, 4: 16 };

function fontService(video: Video, f: Frame): void {
  const { host, screen } = video;
  const { memory } = host;
  const { al } = f;
  const which = al & 0x0f;
  if (al < 0x20) {
    // 00, 10: the caller's; 01, 02, 04 and 11, 12, 14: built in; from 10h on, rows follow the height.
    if (al === 0x03) {
      screen.vga.sequencer(3, f.bl);
      return;
    }
    const height = which === 0 ? f.bh : ROM_FONTS[which];
    if (height === undefined || height === 0 || height > 32) return;
    const count = Math.min(f.cx, 256);
    const font = which === 0 ? memory.read(linear(f.es, f.bp), count * height) : romFont(video, height as FontHeight);
    loadGlyphs(video, font, { height, first: which === 0 ? f.dx & 0xff : 0, block: f.bl & 7 });
    if (al >= 0x10) useCharacterHeight(video, height);
    return;
  }
  if (al === 0x30) {
    const { rom } = video;
    const upper = read32(memory, 0x1f * 4);
    const current = read32(memory, 0x43 * 4);
    const at = [
      upper,
      current,
      ROM_SEGMENT * 0x10000 + rom.font14,
      ROM_SEGMENT * 0x10000 + rom.font8,
      ROM_SEGMENT * 0x10000 + rom.font8 + 1024,
      ROM_SEGMENT * 0x10000 + rom.font14,
      ROM_SEGMENT * 0x10000 + rom.font16,
      ROM_SEGMENT * 0x10000 + rom.font16,
    ][f.bh];
    if (at === undefined) return;
    f.es = at >>> 16;
    // BP has no setter of its own: it is part of the saved registers.
    f.bp = at & 0xffff;
    f.cx = read16(memory, Bda.CharacterHeight);
    f.dl = read8(memory, Bda.RowsMinusOne);
    return;
  }
  // 20 to 24: fonts of graphics modes are read where vectors point.
  const rows = { 1: 14, 2: 25, 3: 43 }[f.bl] ?? f.dl;
  if (al === 0x20) memory.write(0x1f * 4, Uint8Array.of(f.bp, f.bp >>> 8, f.es, f.es >>> 8));
  else if (al === 0x21) {
    memory.write(0x43 * 4, Uint8Array.of(f.bp, f.bp >>> 8, f.es, f.es >>> 8));
    write16(memory, Bda.CharacterHeight, f.cx);
    write8(memory, Bda.RowsMinusOne, rows - 1);
  } else if (al >= 0x22 && al <= 0x24) {
    const height = ([14, 8, 16] as const)[al - 0x22] ?? 16;
    nameFont(video, height);
    write16(memory, Bda.CharacterHeight, height);
    write8(memory, Bda.RowsMinusOne, rows - 1);
  }
}

function alternateSelect({ screen, host }: Video, f: Frame): void {
  const { memory } = host;
  const flag = (bit: number, on: boolean) => {
    const before = read8(memory, Bda.VideoSettings);
    write8(memory, Bda.VideoSettings, on ? before | bit : before & ~bit);
    f.al = 0x12;
  };
  switch (f.bl) {
    case 0x10:
      f.bx = 0x0003; // colour, 256 KiB
      f.cx = 0x0009;
      return;
    case 0x30: {
      // 200, 350 or 400 lines for text modes set from now on; only 400 is built in, which the two bits say.
      if (f.al <= 2) f.al = 0x12;
      return;
    }
    case 0x31:
      flag(0x08, f.al === 1);
      return;
    case 0x32:
    case 0x35:
      f.al = 0x12;
      return;
    case 0x33:
      flag(0x02, f.al === 0);
      return;
    case 0x34:
      f.al = 0x12;
      return;
    case 0x36: {
      screen.vga.sequencer(1, f.al & 1 ? screen.vga.readSequencer(1) | 0x20 : screen.vga.readSequencer(1) & ~0x20);
      f.al = 0x12;
      return;
    }
  }
}

/** Characters of one trap: a line in text modes, one where a character may move the whole screen's planes. */
const PIECE = { text: 80, drawn: 1 } as const;

/** In pieces, a trap each. The scratch word keeps how many characters are written and where the cursor was. */
function writeString({ screen, host }: Video, f: Frame): void {
  const page = f.bh & 7;
  const [withAttributes, moves] = [(f.al & 2) !== 0, (f.al & 1) !== 0];
  const size = withAttributes ? 2 : 1;
  const begun = f.scratch;
  const done = begun & 0xffff;
  if (begun === 0) {
    const { column, row } = screen.cursor(page);
    f.scratch = (column << 16) | ((row & 0x7f) << 24);
    screen.moveCursor(page, f.dl, f.dh);
  }
  const count = Math.min(f.cx - done, screen.mode?.layout === 'text' ? PIECE.text : PIECE.drawn);
  const bytes = count > 0 ? host.memory.read(linear(f.es, f.bp) + done * size, count * size) : new Uint8Array(0);
  for (let i = 0; i + size <= bytes.length; i += size) {
    screen.teletype(page, bytes[i] ?? 0, withAttributes ? bytes[i + 1] : f.bl);
  }
  if (done + count < f.cx) f.again(Action.Spin, f.scratch + count);
  else if (!moves) screen.moveCursor(page, (f.scratch >>> 16) & 0xff, f.scratch >>> 24);
}

/** The state table of function 1Bh, 64 bytes, with its pointer to what this adapter can do. */
function functionality({ screen, host }: Video, f: Frame): void {
  if (f.bx !== 0) return;

  const { memory } = host;
  const able = new Uint8Array(16);
  for (const { number } of MODES) able[number >>> 3] = (able[number >>> 3] ?? 0) | (1 << (number & 7));
  able[7] = 0x07; // 200, 350 and 400 lines
  able[8] = 2;
  able[9] = 8;
  able[10] = 0xe7;
  able[11] = 0x0c;
  memory.write(Private.VideoTables, able);
  const state = new Uint8Array(64);
  const view = new DataView(state.buffer);
  view.setUint16(0, Private.VideoTables & 0xffff, true);
  view.setUint16(2, ROM_SEGMENT, true);
  state.set(memory.read(Bda.VideoMode, 30), 4);
  state[0x22] = read8(memory, Bda.RowsMinusOne) + 1;
  view.setUint16(0x23, screen.characterHeight, true);
  state[0x25] = read8(memory, Bda.DisplayCode);
  view.setUint16(0x27, { text: 16, planar: 16, packed: 256, cga4: 4, cga2: 2 }[screen.mode?.layout ?? 'text'], true);
  state[0x29] = screen.mode?.pages ?? 1;
  state[0x2a] = 2;
  state[0x31] = 3;
  memory.write(linear(f.es, f.di), state);
  f.al = 0x1b;
}
