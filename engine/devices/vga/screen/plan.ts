/** From registers to what the beam does: which memory each line of the picture shows, and by which rule. */
import { attributeColors, crtcCounters, type DispiMode, dispiMode, shownWindow, type VgaRegisters } from '../registers.ts';
import {
  Attr,
  AttrMode,
  Clocking,
  Crtc,
  Dispi,
  DispiEnable,
  Gfx,
  GfxMisc,
  GfxMode,
  ModeControl,
  PALETTE_ON,
  PLANE_MASK,
  Seq,
} from '../spec.ts';

/** Lines of the picture in terms of counters: where each begins in memory and which row of a character or bank it is. */
export interface ScanLines {
  readonly start: Uint32Array;
  readonly row: Uint8Array;
  /** Dots that the line is shifted to the left. */
  readonly pan: Uint8Array;
}

interface PlanSize {
  /** Dots. */
  readonly width: number;
  readonly height: number;
}

export interface VgaPlan extends PlanSize {
  readonly kind: 'text' | 'planar' | 'interleaved' | 'packed';
  readonly columns: number;
  /** Dots of a character, 8 or 9 in text modes. */
  readonly dots: number;
  /** Each dot is two of the picture. */
  readonly wide: boolean;
  readonly lines: ScanLines;
  /** Text cells lie apart from the planes while the guest sees them as RAM. */
  readonly cells: boolean;
  /** Row bits that replace bits of the address (CGA and Hercules compatibility): [row bit, address bit] pairs. */
  readonly rowBits: readonly (readonly [row: number, address: number])[];
  readonly addressMask: number;
}

export type Plan =
  | VgaPlan
  | (PlanSize & { readonly kind: 'linear'; readonly mode: DispiMode })
  | (PlanSize & { readonly kind: 'blank' });

/** Size of the picture while the CRTC is not programmed. */
const UNPROGRAMMED = { width: 720, height: 400 } as const;

/** `bytes`: size of video memory. */
export function planOf(registers: VgaRegisters, bytes: number): Plan {
  const { seq, crtc, gfx, attr, attrIndex } = registers;
  const reg = (from: Uint8Array, index: number): number => from[index] ?? 0;
  const mode = dispiMode(registers, bytes);
  if (mode !== undefined && mode.depth !== 4) return { kind: 'linear', width: mode.width, height: mode.height, mode };
  if (mode !== undefined) return planesOfInterface(mode, bytes);
  const counters = crtcCounters(registers);
  const graphics = (reg(gfx, Gfx.Misc) & GfxMisc.Graphics) !== 0;
  const clocking = reg(seq, Seq.Clocking);
  const wide = (clocking & Clocking.HalfClock) !== 0;
  const dots = graphics || (clocking & Clocking.EightDots) !== 0 ? 8 : 9;
  const size = { width: counters.columns * dots * (wide ? 2 : 1), height: counters.lines };
  const control = reg(crtc, Crtc.ModeControl);
  const running = (control & ModeControl.Enable) !== 0 && (reg(seq, Seq.Reset) & 3) === 3;
  if (counters.columns < 2 || counters.lines < 2) return { kind: 'blank', ...UNPROGRAMMED };
  if (!running || (clocking & Clocking.ScreenOff) !== 0 || (attrIndex & PALETTE_ON) === 0) return { kind: 'blank', ...size };
  const shift = reg(gfx, Gfx.Mode);
  const kind = !graphics
    ? 'text'
    : (shift & GfxMode.Packed) !== 0
      ? 'packed'
      : (shift & GfxMode.Interleave) !== 0
        ? 'interleaved'
        : 'planar';
  // In word mode the bytes of a line lie in two planes at each offset here, so a bit of the address counts half.
  const bit13 = (control & ModeControl.ByteMode) !== 0 ? 13 : 12;
  const rowBits: (readonly [number, number])[] = [];
  if (graphics && (control & ModeControl.RowBit13) === 0) rowBits.push([0, bit13]);
  if (graphics && (control & ModeControl.RowBit14) === 0) rowBits.push([1, bit13 + 1]);
  const panning = reg(attr, Attr.Panning) & 0x0f;
  const pan = dots === 9 ? (panning >= 8 ? 0 : panning + 1) : panning & 7;
  const preset = reg(crtc, Crtc.PresetRow);
  return {
    kind,
    ...size,
    columns: counters.columns,
    dots,
    wide,
    cells: shownWindow(registers, bytes)?.from === 'cells',
    rowBits,
    addressMask: PLANE_MASK,
    lines: scanLines(counters, {
      row: preset & 0x1f,
      start: counters.start + ((preset >>> 5) & 3),
      pan: pan * (wide ? 2 : 1),
      panBelow: (reg(attr, Attr.Mode) & AttrMode.PanCompatible) === 0,
    }),
  };
}

/** Walks the beam down the screen: rows of characters, doubled lines, and the second screen below the line compare. */
function scanLines(
  counters: Pick<ReturnType<typeof crtcCounters>, 'lines' | 'rowLines' | 'double' | 'pitch' | 'lineCompare'>,
  top: { row: number; start: number; pan: number; panBelow: boolean },
): ScanLines {
  const { lines, rowLines, double, pitch, lineCompare } = counters;
  const start = new Uint32Array(lines);
  const row = new Uint8Array(lines);
  const pan = new Uint8Array(lines);
  let address = top.start;
  let rowNow = top.row;
  let shift = top.pan;
  let second = false;
  for (let y = 0; y < lines; y++) {
    start[y] = address;
    row[y] = rowNow;
    pan[y] = shift;
    if (y === lineCompare) {
      address = 0;
      rowNow = 0;
      second = false;
      if (!top.panBelow) shift = 0;
    } else if (double && !second) second = true;
    else {
      second = false;
      if (rowNow === rowLines - 1) {
        rowNow = 0;
        address += pitch;
      } else rowNow = (rowNow + 1) & 0x1f;
    }
  }
  return { start, row, pan };
}

/** Four planes in a size of the display interface. */
function planesOfInterface(mode: DispiMode, bytes: number): VgaPlan {
  const { width, height, pitch, start, pan } = mode;
  return {
    kind: 'planar',
    width,
    height,
    columns: width >>> 3,
    dots: 8,
    wide: false,
    cells: false,
    rowBits: [],
    addressMask: (bytes >>> 2) - 1,
    lines: {
      start: Uint32Array.from({ length: height }, (_, y) => start + y * pitch),
      row: new Uint8Array(height),
      pan: new Uint8Array(height).fill(pan),
    },
  };
}

/** The DAC's 256 colours as pixels. */
export function dacColors({ palette, pelMask, dispi }: VgaRegisters): Uint32Array {
  const eight = ((dispi[Dispi.Enable] ?? 0) & DispiEnable.EightBitDac) !== 0;
  const level = (value: number): number => (eight ? value : ((value & 0x3f) << 2) | ((value & 0x3f) >>> 4));
  const colors = Uint32Array.from({ length: 256 }, (_, i) => {
    const [red = 0, green = 0, blue = 0] = palette.subarray(i * 3, i * 3 + 3);
    return 0xff000000 | (level(blue) << 16) | (level(green) << 8) | level(red);
  });
  return pelMask === 0xff ? colors : colors.map((_, i) => colors[i & pelMask] as number);
}

/** The sixteen colours of text and planar modes as pixels. `colors`: the DAC's. */
export function sixteenColors(registers: VgaRegisters, colors: Uint32Array): Uint32Array {
  const masked = (registers.attr[Attr.Planes] ?? 0x0f) & 0x0f;
  const through = attributeColors(registers);
  return Uint32Array.from({ length: 16 }, (_, i) => colors[through[i & masked] as number] as number);
}
