/** The screen of the display adapter: draws what its registers and memory show, and only what can have changed. */
import type { Lock, MachineClock } from '../../../base/index.ts';
import type { Rectangle, Screen, ScreenText, ScreenUpdate } from '../../screen.ts';
import type { VgaRegisters } from '../registers.ts';
import { crtcCounters } from '../registers.ts';
import { Crtc, Gfx, Seq } from '../spec.ts';
import type { VideoMemory } from '../video-memory.ts';
import { CODE_PAGE } from './code-page.ts';
import { Frame } from './frame.ts';
import { drawInterleavedLine, drawLinearLine, drawPackedLine, drawPlanarLine } from './graphics-lines.ts';
import { dacColors, type Plan, planOf, sixteenColors, type VgaPlan } from './plan.ts';
import { cellAt, drawTextLine, type TextLook, textLook } from './text-lines.ts';

export interface ScreenParts {
  readonly registers: VgaRegisters;
  readonly video: VideoMemory;
  readonly lock: Pick<Lock, 'run'>;
  readonly clock: Pick<MachineClock, 'now'>;
  /** Pages of 4096 bytes of video memory written since the last call, one byte each. Called under the machine lock. */
  takeWritten(): Uint8Array;
}

const PAGE_SHIFT = 12;
/** Frames by which text blinks, in ns: 70 a second. */
const FRAME = 1e9 / 70;
/** Bytes of memory that hold planes and fonts of VGA modes. */
const PLANES_END = 0x4_0000;

/** Registers by which a whole picture is drawn anew: all but those that drawing itself and the cursor use. */
function lookOf({ misc, seq, crtc, gfx, attrIndex, attr, pelMask, palette, dispi }: VgaRegisters): Uint8Array {
  const steady = crtc.slice();
  for (const index of [Crtc.CursorStart, Crtc.CursorEnd, Crtc.CursorHigh, Crtc.CursorLow]) steady[index] = 0;
  const pick = [misc, seq[Seq.Reset], seq[Seq.Clocking], seq[Seq.FontSelect], seq[Seq.Memory], gfx[Gfx.Mode], gfx[Gfx.Misc]];
  const words = new Uint8Array(dispi.buffer, dispi.byteOffset, dispi.byteLength);
  return Uint8Array.from([
    ...pick.map((value) => value ?? 0),
    attrIndex & 0x20,
    pelMask,
    ...steady,
    ...attr,
    ...words,
    ...palette,
  ]);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** A copy that no guest changes any more. */
function copyOf(registers: VgaRegisters): VgaRegisters {
  const { misc, seq, crtc, gfx, attrIndex, attr, pelMask, palette, dispi } = registers;
  return {
    misc,
    attrIndex,
    pelMask,
    seq: seq.slice(),
    crtc: crtc.slice(),
    gfx: gfx.slice(),
    attr: attr.slice(),
    palette: palette.slice(),
    dispi: dispi.slice(),
  };
}

/** One for each thread that looks; two of one machine would take written pages from each other. */
export class VgaScreen implements Screen {
  readonly #parts: ScreenParts;
  #frame = new Frame(0, 0);
  #line = new Uint32Array(0);
  #look: Uint8Array = new Uint8Array(0);
  #plan: Plan = { kind: 'blank', width: 0, height: 0 };
  #dac: Uint32Array = new Uint32Array(256);
  #sixteen: Uint32Array = new Uint32Array(16);
  /** Text as drawn last: cells of each row of characters, and the look they were drawn with. */
  #cells = new Uint16Array(0);
  #text: TextLook | undefined;

  constructor(parts: ScreenParts) {
    this.#parts = parts;
  }

  update(): ScreenUpdate {
    const { lock, takeWritten, video, clock } = this.#parts;
    const { registers, written } = lock.run(() => ({ registers: copyOf(this.#parts.registers), written: takeWritten() }));
    const look = lookOf(registers);
    const again = !same(look, this.#look);
    let resized = false;
    if (again) {
      this.#look = look;
      this.#plan = planOf(registers, video.bytes.length);
      this.#dac = dacColors(registers);
      this.#sixteen = sixteenColors(registers, this.#dac);
      this.#text = undefined;
      const { width, height } = this.#plan;
      resized = width !== this.#frame.width || height !== this.#frame.height;
      if (resized) this.#frame = new Frame(width, height);
      this.#line = new Uint32Array(width + 64);
    }
    if (this.#plan.kind === 'text') {
      this.#drawText(this.#plan, textLook(registers, this.#sixteen, Math.floor(clock.now() / FRAME)), written);
    } else this.#drawLines(this.#plan, again ? undefined : written);
    const changed = this.#frame.take();
    return { picture: this.#frame, changed: resized ? [whole(this.#frame)] : changed };
  }

  text(): ScreenText | undefined {
    const { lock, video } = this.#parts;
    const registers = lock.run(() => copyOf(this.#parts.registers));
    const plan = planOf(registers, video.bytes.length);
    if (plan.kind !== 'text') return undefined;
    const { cursor: at } = crtcCounters(registers);
    const lines: string[] = [];
    let cursor: ScreenText['cursor'];
    for (const y of rowsOf(plan)) {
      const start = plan.lines.start[y] as number;
      let line = '';
      for (let column = 0; column < plan.columns; column++) line += CODE_PAGE[cellAt(video, plan, start + column) & 0xff];
      const column = at - start;
      const hidden = ((registers.crtc[Crtc.CursorStart] ?? 0) & 0x20) !== 0;
      if (column >= 0 && column < plan.columns && !hidden) cursor = { column, line: lines.length };
      lines.push(line);
    }
    return { columns: plan.columns, lines, cursor };
  }

  /** Graphics: lines whose memory was written; all when `written` is undefined. */
  #drawLines(plan: Plan, written: Uint8Array | undefined): void {
    const frame = this.#frame;
    const line = this.#line;
    const { video } = this.#parts;
    if (plan.kind === 'blank') {
      if (written !== undefined) return;
      line.fill(0xff000000);
      for (let y = 0; y < plan.height; y++) frame.put(y, line, 0);
      return;
    }
    if (plan.kind === 'linear') {
      const { mode } = plan;
      const from = { mode, video, colors: this.#dac };
      const bytes = (mode.width * ((mode.depth + 7) >>> 3)) | 0;
      for (let y = 0; y < plan.height; y++) {
        const start = mode.start + y * mode.pitch;
        if (written !== undefined && !touched(written, start, bytes)) frame.skip(y);
        else {
          drawLinearLine(line, y, from);
          frame.put(y, line, 0);
        }
      }
      return;
    }
    const draw = plan.kind === 'packed' ? drawPackedLine : plan.kind === 'interleaved' ? drawInterleavedLine : drawPlanarLine;
    const from = { plan, video, colors: plan.kind === 'packed' ? this.#dac : this.#sixteen };
    // With row bits in the address, or where the address wraps, a line lies in several places.
    const scattered = plan.rowBits.length > 0;
    const anything = written !== undefined && scattered && touched(written, 0, PLANES_END);
    for (let y = 0; y < plan.height; y++) {
      const start = plan.lines.start[y] as number;
      const wraps = start + plan.columns >= plan.addressMask;
      const dirty =
        written === undefined ||
        (scattered || wraps
          ? anything || (wraps && touched(written, 0, PLANES_END))
          : touched(written, start * 4, (plan.columns + 1) * 4));
      if (!dirty) {
        frame.skip(y);
        continue;
      }
      draw(line, y, from);
      frame.put(y, line, plan.lines.pan[y] as number);
    }
  }

  /** Text: rows whose characters differ from those drawn last, and where the cursor or blinking changed. */
  #drawText(plan: VgaPlan, look: TextLook, written: Uint8Array): void {
    const frame = this.#frame;
    const line = this.#line;
    const { video } = this.#parts;
    const from = { plan, video, look };
    const before = this.#text;
    // Fonts lie in the planes: after a write there, all is drawn again.
    const again = before === undefined || touched(written, 0, PLANES_END);
    const rows = rowsOf(plan);
    const stride = plan.columns + 1;
    if (this.#cells.length !== rows.length * stride) this.#cells = new Uint16Array(rows.length * stride);
    const blinked = before !== undefined && look.blinks && look.lit !== before.lit;
    rows.forEach((first, index) => {
      const end = rows[index + 1] ?? plan.height;
      const start = plan.lines.start[first] as number;
      let dirty = again;
      for (let column = 0; column < stride; column++) {
        const cell = cellAt(video, plan, start + column);
        if (this.#cells[index * stride + column] !== cell) {
          this.#cells[index * stride + column] = cell;
          dirty = true;
        } else if (blinked && cell >= 0x8000) dirty = true;
      }
      dirty ||= cursorMoved(look, before, start, stride);
      for (let y = first; y < end; y++) {
        if (dirty) {
          drawTextLine(line, y, from);
          frame.put(y, line, plan.lines.pan[y] as number);
        } else frame.skip(y);
      }
    });
    this.#text = look;
  }
}

function cursorMoved(look: TextLook, before: TextLook | undefined, start: number, columns: number): boolean {
  const [now, was] = [look.cursor, before?.cursor];
  if (now?.at === was?.at && now?.from === was?.from && now?.to === was?.to) return false;
  const here = (cursor: TextLook['cursor']) => cursor !== undefined && cursor.at >= start && cursor.at < start + columns;
  return here(now) || here(was);
}

/** The first line of each row of characters. */
function rowsOf({ lines, height }: VgaPlan): number[] {
  const rows: number[] = [];
  for (let y = 0; y < height; y++) {
    const begins = y === 0 || lines.start[y] !== lines.start[y - 1] || (lines.row[y] as number) < (lines.row[y - 1] as number);
    if (begins) rows.push(y);
  }
  return rows;
}

/** Whether a page of a range of video memory was written. */
function touched(written: Uint8Array, start: number, bytes: number): boolean {
  const last = (start + bytes - 1) >>> PAGE_SHIFT;
  for (let page = start >>> PAGE_SHIFT; page <= last; page++) if (written[page] !== 0 && page < written.length) return true;
  return false;
}

function whole({ width, height }: Frame): Rectangle {
  return { x: 0, y: 0, width, height };
}
