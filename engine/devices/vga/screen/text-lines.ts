/** Lines of text modes. Spec: IBM, attribute controller and character map select; CRTC for cursor and underline. */
import type { VgaRegisters } from '../registers.ts';
import { crtcCounters } from '../registers.ts';
import { Attr, AttrMode, Crtc, Seq } from '../spec.ts';
import type { VideoMemory } from '../video-memory.ts';
import type { VgaPlan } from './plan.ts';

/** What text looks like, once for each update. */
export interface TextLook {
  /** Offset in plane 2 of the font for attribute bit 3 clear and set. */
  readonly fonts: readonly [number, number];
  readonly blinks: boolean;
  /** Whether blinking characters show now. */
  readonly lit: boolean;
  readonly underline: number;
  /** Ninth dot of C0h-DFh repeats the eighth. */
  readonly lineGraphics: boolean;
  readonly cursor: { readonly at: number; readonly from: number; readonly to: number } | undefined;
  readonly colors: Uint32Array;
}

/** Characters blink once in 32 frames, the cursor once in 16 (VGA); `frame` counts them. */
export function textLook(registers: VgaRegisters, colors: Uint32Array, frame: number): TextLook {
  const { seq, attr, crtc } = registers;
  const select = seq[Seq.FontSelect] ?? 0;
  const font = (low: number, high: number): number => (low & 3) * 0x4000 + (high !== 0 ? 0x2000 : 0);
  const mode = attr[Attr.Mode] ?? 0;
  const start = crtc[Crtc.CursorStart] ?? 0;
  const end = crtc[Crtc.CursorEnd] ?? 0;
  const shown = (start & 0x20) === 0 && (start & 0x1f) <= (end & 0x1f) && frame % 16 < 8;
  const at = crtcCounters(registers).cursor + ((end >>> 5) & 3);
  return {
    fonts: [font(select, select & 0x10), font(select >>> 2, select & 0x20)],
    blinks: (mode & AttrMode.Blink) !== 0,
    lit: frame % 32 < 16,
    underline: (crtc[Crtc.Underline] ?? 0) & 0x1f,
    lineGraphics: (mode & AttrMode.LineGraphics) !== 0,
    cursor: shown ? { at, from: start & 0x1f, to: end & 0x1f } : undefined,
    colors,
  };
}

/** Character and attribute of the cell at a counter, as the guest wrote them. */
export function cellAt(video: VideoMemory, plan: VgaPlan, counter: number): number {
  if (plan.cells) return video.cells[counter & (video.cells.length - 1)] as number;
  return (video.words[counter & plan.addressMask] as number) & 0xffff;
}

/** Draw line `y` into `out` from its first whole character on; one column more than the screen has, for panning. */
export function drawTextLine(out: Uint32Array, y: number, from: { plan: VgaPlan; video: VideoMemory; look: TextLook }): void {
  const { plan, video, look } = from;
  const { words } = video;
  const { dots, wide, columns } = plan;
  const row = plan.lines.row[y] as number;
  const start = plan.lines.start[y] as number;
  const [plain, bright] = look.fonts;
  const { colors, cursor } = look;
  const onCursorRows = cursor !== undefined && row >= cursor.from && row <= cursor.to;
  let to = 0;
  for (let column = 0; column <= columns; column++) {
    const cell = cellAt(video, plan, start + column);
    const code = cell & 0xff;
    const attribute = cell >>> 8;
    const font = (attribute & 8) !== 0 ? bright : plain;
    let bits = ((words[font + code * 32 + row] as number) >>> 16) & 0xff;
    let back = attribute >>> 4;
    if (look.blinks) {
      if ((back & 8) !== 0 && !look.lit) bits = 0;
      back &= 7;
    }
    if (row === look.underline && (attribute & 7) === 1) bits = 0xff;
    // The ninth dot follows the eighth for line drawing characters, and for whatever covers the whole cell.
    let nine = (bits << 1) | (look.lineGraphics && (code & 0xe0) === 0xc0 ? bits & 1 : 0);
    if (row === look.underline && (attribute & 7) === 1) nine = 0x1ff;
    if (onCursorRows && start + column === cursor.at) nine = 0x1ff;
    const ink = colors[attribute & 0x0f] as number;
    const paper = colors[back] as number;
    if (wide) {
      for (let dot = 0; dot < dots; dot++) {
        const pixel = (nine & (0x100 >>> dot)) !== 0 ? ink : paper;
        out[to++] = pixel;
        out[to++] = pixel;
      }
    } else {
      for (let dot = 0; dot < dots; dot++) out[to++] = (nine & (0x100 >>> dot)) !== 0 ? ink : paper;
    }
  }
}
