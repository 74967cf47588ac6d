/**
 * Characters on the screen in whatever mode it is in: the part of INT 10h that boot menus and messages of our own use too. State is the
 * BIOS data area, which programs write as well: every value from there is bounded here.
 */
import { Bda } from '../areas.ts';
import type { BiosHost, BiosMemory } from '../host.ts';
import { linear, read8, read16, read32, write8, write16 } from '../words.ts';
import { drawCharacter, readPixels, scrollPixels } from './graphics.ts';
import { modeOf, type VideoMode } from './modes.ts';
import { VgaPorts } from './vga-ports.ts';

/** A window of character cells, inclusive. */
export interface CellWindow {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

const TEXT_BYTES = 0x8000;
const BELL = 7;
const BACKSPACE = 8;
const LINE_FEED = 10;
const RETURN = 13;

export class Screen {
  readonly memory: BiosMemory;
  readonly vga: VgaPorts;
  readonly #host: BiosHost;

  constructor(host: BiosHost) {
    this.#host = host;
    this.memory = host.memory;
    this.vga = new VgaPorts(host.io);
  }

  get mode(): VideoMode | undefined {
    return modeOf(read8(this.memory, Bda.VideoMode) & 0x7f);
  }
  get columns(): number {
    return Math.max(1, Math.min(255, read16(this.memory, Bda.Columns)));
  }
  get rows(): number {
    return Math.min(read8(this.memory, Bda.RowsMinusOne), 127) + 1;
  }
  get characterHeight(): number {
    return Math.max(1, Math.min(32, read16(this.memory, Bda.CharacterHeight)));
  }
  get page(): number {
    return read8(this.memory, Bda.ActivePage) & 7;
  }
  get pageBytes(): number {
    return read16(this.memory, Bda.PageBytes);
  }
  get crtcPort(): number {
    return read16(this.memory, Bda.CrtcPort) === 0x3b4 ? 0x3b4 : 0x3d4;
  }
  /** Address of a character's bits: the font that INT 43h names, or the built-in one for the upper half of 8x8. */
  glyph(character: number): Uint8Array {
    const height = this.characterHeight;
    const upper = height === 8 && character >= 128;
    const vector = read32(this.memory, upper ? 0x1f * 4 : 0x43 * 4);
    const base = linear(vector >>> 16, vector & 0xffff);
    return this.memory.read(base + (upper ? character - 128 : character) * height, height);
  }

  cursor(page: number): { column: number; row: number } {
    const at = Bda.Cursors + 2 * (page & 7);
    return { column: read8(this.memory, at), row: read8(this.memory, at + 1) };
  }

  moveCursor(page: number, column: number, row: number): void {
    write16(this.memory, Bda.Cursors + 2 * (page & 7), (column & 0xff) | ((row & 0xff) << 8));
    if ((page & 7) === this.page) this.#showCursor(column, row);
  }

  #showCursor(column: number, row: number): void {
    if (this.mode?.layout !== 'text') return;
    const at = (read16(this.memory, Bda.PageStart) >>> 1) + row * this.columns + column;
    this.vga.crtc(this.crtcPort, 0x0e, (at >>> 8) & 0xff);
    this.vga.crtc(this.crtcPort, 0x0f, at & 0xff);
  }

  selectPage(page: number): void {
    const { mode } = this;
    if (!mode || page >= mode.pages) return;
    write8(this.memory, Bda.ActivePage, page);
    const start = (this.pageBytes * page) & 0xffff;
    write16(this.memory, Bda.PageStart, start);
    const at = mode.layout === 'text' ? start >>> 1 : start;
    this.vga.crtc(this.crtcPort, 0x0c, at >>> 8);
    this.vga.crtc(this.crtcPort, 0x0d, at & 0xff);
    const { column, row } = this.cursor(page);
    this.#showCursor(column, row);
  }

  #cell(mode: VideoMode, page: number, column: number, row: number): number {
    const offset = (this.pageBytes * (page & 7) + 2 * (row * this.columns + column)) % TEXT_BYTES;
    return mode.segment * 16 + offset;
  }

  /** Character and attribute under the cursor of a page; graphics modes compare shapes, 0 when none is alike. */
  readCell(page: number): { character: number; attribute: number } {
    const { mode } = this;
    const { column, row } = this.cursor(page);
    if (!mode) return { character: 0, attribute: 0 };
    if (mode.layout === 'text') {
      const at = this.#cell(mode, page, column, row);
      return { character: read8(this.memory, at), attribute: read8(this.memory, at + 1) };
    }
    const shape = readPixels(this, mode, { column, row, page });
    for (let character = 0; character < 256; character++) {
      if (this.glyph(character).every((line, i) => line === shape[i])) return { character, attribute: 0 };
    }
    return { character: 0, attribute: 0 };
  }

  /** `count` characters from the cursor on, which stays; `attribute` undefined keeps what is there in text modes. */
  writeCells(page: number, character: number, cells: { readonly attribute: number | undefined; readonly count: number }): void {
    const { mode, columns } = this;
    if (!mode) return;
    const { column, row } = this.cursor(page);
    const { attribute } = cells;
    if (mode.layout === 'text') {
      const count = Math.min(cells.count, TEXT_BYTES / 2);
      if (attribute !== undefined && count > 1) {
        const bytes = new Uint8Array(2 * count);
        for (let i = 0; i < count; i++) bytes.set([character, attribute], 2 * i);
        this.#writeWrapped(mode, this.#cell(mode, page, column, row), bytes);
        return;
      }
      for (let i = 0; i < count; i++) {
        const at = this.#cell(mode, page, column + i, row);
        write8(this.memory, at, character);
        if (attribute !== undefined) write8(this.memory, at + 1, attribute);
      }
      return;
    }
    const count = Math.min(cells.count, Math.max(0, columns - column));
    for (let i = 0; i < count; i++) {
      drawCharacter(this, mode, { column: column + i, row, page, glyph: this.glyph(character), colour: attribute ?? 7 });
    }
  }

  #writeWrapped(mode: VideoMode, at: number, bytes: Uint8Array): void {
    const end = mode.segment * 16 + TEXT_BYTES;
    const room = Math.min(bytes.length, end - at);
    this.memory.write(at, bytes.subarray(0, room));
    if (room < bytes.length) this.memory.write(mode.segment * 16, bytes.subarray(room));
  }

  /** Move the lines of a window up (positive) or down; 0 or more than it has clears it. */
  scroll(lines: number, attribute: number, window: CellWindow & { readonly page?: number }): void {
    const { mode, columns } = this;
    if (!mode) return;
    const right = Math.min(window.right, columns - 1);
    const bottom = Math.min(window.bottom, mode.layout === 'text' ? 127 : this.rows - 1);
    const { top, left } = window;
    if (top > bottom || left > right) return;
    const height = bottom - top + 1;
    const moved = Math.abs(lines) >= height || lines === 0 ? 0 : height - Math.abs(lines);
    const down = lines < 0;
    const page = window.page ?? this.page;
    if (mode.layout !== 'text') {
      scrollPixels(this, mode, { window: { top, left, bottom, right }, lines: moved === 0 ? 0 : lines, colour: attribute, page });
      return;
    }
    const width = 2 * (right - left + 1);
    const kept = Array.from({ length: moved }, (_, i) => {
      const from = down ? top + i : bottom - moved + 1 + i;
      return this.memory.read(this.#cell(mode, page, left, from), width);
    });
    const blank = new Uint8Array(width);
    for (let i = 0; i < width; i += 2) blank.set([0x20, attribute], i);
    for (let i = 0; i < height; i++) {
      const line = down ? kept[i - (height - moved)] : kept[i];
      this.memory.write(this.#cell(mode, page, left, top + i), line ?? blank);
    }
  }

  /** One character as a terminal takes it. `attribute`: graphics modes' colour, or of string writes; undefined keeps the cell's. */
  teletype(page: number, character: number, attribute?: number): void {
    const { columns } = this;
    const { rows } = this;
    let { column, row } = this.cursor(page);
    switch (character) {
      case BELL:
        return;
      case BACKSPACE:
        column = Math.max(0, column - 1);
        break;
      case RETURN:
        column = 0;
        break;
      case LINE_FEED:
        row++;
        break;
      default:
        this.writeCells(page, character, { attribute, count: 1 });
        column++;
    }
    if (column >= columns) {
      column = 0;
      row++;
    }
    if (row >= rows) {
      row = rows - 1;
      const { mode } = this;
      // The new line has the colours of the one above it.
      const fill = mode?.layout === 'text' ? read8(this.memory, this.#cell(mode, page, 0, row) + 1) : 0;
      this.scroll(1, fill, { top: 0, left: 0, bottom: row, right: columns - 1, page });
    }
    this.moveCursor(page, column, row);
  }

  /** Text of our own, `\n` as a new line. */
  print(text: string, attribute = 0x07): void {
    for (const character of text) {
      if (character === '\n') this.teletype(this.page, RETURN);
      this.teletype(this.page, character.charCodeAt(0) & 0xff, attribute);
    }
  }

  /** The machine's time, for what blinks or waits. */
  now(): number {
    return this.#host.now();
  }
}
