/** The adapter's registers as data: the device's state has this form, and so has a copy that a screen is drawn from. */
import {
  Attr,
  AttrMode,
  Crtc,
  DISPI_LIMITS,
  Dispi,
  DispiEnable,
  Gfx,
  GfxMisc,
  GfxMode,
  Misc,
  PLANE_MASK,
  Seq,
  SeqMemory,
  WINDOW,
  WINDOWS,
} from './spec.ts';
import type { ShownWindow } from './video-memory.ts';

export interface VgaRegisters {
  readonly misc: number;
  readonly seq: Uint8Array;
  readonly crtc: Uint8Array;
  readonly gfx: Uint8Array;
  readonly attrIndex: number;
  readonly attr: Uint8Array;
  readonly pelMask: number;
  /** Red, green, blue of 256 colours. */
  readonly palette: Uint8Array;
  readonly dispi: Uint16Array;
}

const at = (registers: Uint8Array | Uint16Array, index: number): number => registers[index] ?? 0;

/** What the display interface shows, its numbers brought into range. `pitch` in bytes, or in offsets of a plane at 4 bits. */
export interface DispiMode {
  readonly width: number;
  readonly height: number;
  readonly depth: 4 | 8 | 15 | 16 | 24 | 32;
  readonly pitch: number;
  /** First byte, or first offset of a plane at 4 bits. */
  readonly start: number;
  /** Pixels to the left of the screen in the first offset, at 4 bits. */
  readonly pan: number;
  readonly virtualWidth: number;
  readonly virtualHeight: number;
}

const DEPTHS = [4, 8, 15, 16, 24, 32] as const;

/** The mode of the display interface; undefined while it is off or the frame does not fit into `bytes` bytes of memory. */
export function dispiMode({ dispi }: Pick<VgaRegisters, 'dispi'>, bytes: number): DispiMode | undefined {
  if ((at(dispi, Dispi.Enable) & DispiEnable.On) === 0) return undefined;
  const width = Math.min(Math.max(at(dispi, Dispi.Width) & ~7, 8), DISPI_LIMITS.width);
  const asked = at(dispi, Dispi.Depth);
  const depth = DEPTHS.find((known) => known === asked) ?? 8;
  const pitchOf = (pixels: number) => (depth === 4 ? pixels >>> 3 : pixels * ((depth + 7) >>> 3));
  const memory = depth === 4 ? bytes >>> 2 : bytes;
  const room = Math.floor(memory / pitchOf(width));
  const height = Math.min(Math.max(at(dispi, Dispi.Height), 1), DISPI_LIMITS.height, room);
  if (height < 1) return undefined;
  // As many lines as the screen shows must fit, however wide the virtual screen is asked to be.
  const widest = Math.floor(memory / height / pitchOf(8)) * 8;
  const virtualWidth = Math.min(Math.max(at(dispi, Dispi.VirtualWidth) & ~7, width), widest);
  const pitch = pitchOf(virtualWidth);
  const virtualHeight = Math.floor(memory / pitch);
  const x = Math.min(at(dispi, Dispi.XOffset), virtualWidth - width);
  const y = Math.min(at(dispi, Dispi.YOffset), virtualHeight - height);
  const start = y * pitch + (depth === 4 ? x >>> 3 : pitchOf(x));
  return { width, height, depth, pitch, start, pan: depth === 4 ? x & 7 : 0, virtualWidth, virtualHeight };
}

/** Offsets of a plane that the guest reaches through its window, as a mask. */
export function planeMask(registers: Pick<VgaRegisters, 'dispi'>, bytes: number): number {
  return (at(registers.dispi, Dispi.Enable) & DispiEnable.On) === 0 ? PLANE_MASK : (bytes >>> 2) - 1;
}

/** The window of guest-physical addresses that the adapter answers, from the legacy window's start; undefined: none. */
export function windowOf({ misc, gfx, dispi }: VgaRegisters): (typeof WINDOWS)[number] | undefined {
  if ((at(dispi, Dispi.Enable) & DispiEnable.On) !== 0) return WINDOWS[1];
  if ((misc & Misc.Ram) === 0) return undefined;
  return WINDOWS[(at(gfx, Gfx.Misc) & GfxMisc.Window) >>> 2];
}

/** Whether what is written and read through the window is what lies in memory: no latches, masks, rotation or colours at work. */
function isPlain(gfx: Uint8Array): boolean {
  return (
    (at(gfx, Gfx.Mode) & (GfxMode.Write | GfxMode.ReadCompare)) === 0 &&
    at(gfx, Gfx.BitMask) === 0xff &&
    at(gfx, Gfx.EnableSetReset) === 0 &&
    at(gfx, Gfx.Rotate) === 0
  );
}

/** What the guest's window can show as RAM in this state of the registers; undefined: every access needs the adapter. */
export function shownWindow(registers: VgaRegisters, bytes: number): ShownWindow | undefined {
  const { seq, gfx, dispi } = registers;
  const mode = dispiMode(registers, bytes);
  if (mode !== undefined) {
    if (mode.depth === 4) return undefined;
    const from = (at(dispi, Dispi.Bank) * 0x1_0000) % bytes;
    return { gpa: WINDOW.base, size: 0x1_0000, from };
  }
  const window = windowOf(registers);
  if (window === undefined || !isPlain(gfx)) return undefined;
  const memory = at(seq, Seq.Memory);
  const gpa = WINDOW.base + window.at;
  if ((memory & SeqMemory.Chain4) !== 0) {
    return at(seq, Seq.MapMask) === 0x0f ? { gpa, size: window.size, from: 0 } : undefined;
  }
  const text =
    window.size === 0x8000 &&
    (memory & SeqMemory.Sequential) === 0 &&
    (at(seq, Seq.MapMask) & 3) === 3 &&
    (at(gfx, Gfx.Mode) & GfxMode.OddEven) !== 0 &&
    (at(gfx, Gfx.Misc) & (GfxMisc.ChainOddEven | GfxMisc.Graphics)) === GfxMisc.ChainOddEven &&
    (at(gfx, Gfx.ReadMap) & 2) === 0;
  return text ? { gpa, size: window.size, from: 'cells' } : undefined;
}

/** The CRTC's counters (IBM, CRT controller registers), with the bits that the overflow registers add. */
export function crtcCounters({ crtc }: Pick<VgaRegisters, 'crtc'>) {
  const overflow = at(crtc, Crtc.Overflow);
  const scan = at(crtc, Crtc.MaxScan);
  return {
    columns: at(crtc, Crtc.HorizontalEnd) + 1,
    totalColumns: at(crtc, Crtc.HorizontalTotal) + 5,
    lines: (at(crtc, Crtc.VerticalEnd) | ((overflow & 0x02) << 7) | ((overflow & 0x40) << 3)) + 1,
    totalLines: (at(crtc, Crtc.VerticalTotal) | ((overflow & 0x01) << 8) | ((overflow & 0x20) << 4)) + 2,
    retraceStart: at(crtc, Crtc.RetraceStart) | ((overflow & 0x04) << 6) | ((overflow & 0x80) << 2),
    lineCompare: at(crtc, Crtc.LineCompare) | ((overflow & 0x10) << 4) | ((scan & 0x40) << 3),
    rowLines: (scan & 0x1f) + 1,
    double: (scan & 0x80) !== 0,
    pitch: at(crtc, Crtc.Offset) * 2,
    start: (at(crtc, Crtc.StartHigh) << 8) | at(crtc, Crtc.StartLow),
    cursor: (at(crtc, Crtc.CursorHigh) << 8) | at(crtc, Crtc.CursorLow),
  };
}

/** The six or eight bits that the palette gives for each of the sixteen colours (attribute controller), an index into the DAC. */
export function attributeColors({ attr }: Pick<VgaRegisters, 'attr'>): Uint8Array {
  const select = at(attr, Attr.ColorSelect);
  const fromSelect = (at(attr, Attr.Mode) & AttrMode.ColorBits) !== 0;
  return Uint8Array.from({ length: 16 }, (_, i) => {
    const value = at(attr, i);
    const low = fromSelect ? (value & 0x0f) | ((select & 0x03) << 4) : value & 0x3f;
    return low | ((select & 0x0c) << 4);
  });
}
