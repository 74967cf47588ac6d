/**
 * Facts of the VGA (IBM PS/2 Hardware Interface Technical Reference, Video Subsystem) and of the Bochs display interface as QEMU's
 * standard VGA has it (QEMU, docs/specs/standard-vga).
 */

/** Ports 3C0h to 3CFh as offsets. */
export const Port = {
  AttributeIndex: 0x0,
  AttributeData: 0x1,
  /** Written: miscellaneous output; read: input status 0. */
  Misc: 0x2,
  SequencerIndex: 0x4,
  SequencerData: 0x5,
  PelMask: 0x6,
  /** Written: index of the next colour read; read: DAC state. */
  DacReadIndex: 0x7,
  DacWriteIndex: 0x8,
  DacData: 0x9,
  FeatureRead: 0xa,
  MiscRead: 0xc,
  GraphicsIndex: 0xe,
  GraphicsData: 0xf,
} as const;
/** Ports 3D0h to 3DFh, or 3B0h to 3BBh when the miscellaneous register says so, as offsets. */
export const CrtcPort = { Index: 0x4, Data: 0x5, Status: 0xa } as const;

export const Misc = { Color: 0x01, Ram: 0x02, Clock: 0x0c, PageHigh: 0x20 } as const;

export const Seq = { Reset: 0, Clocking: 1, MapMask: 2, FontSelect: 3, Memory: 4 } as const;
export const Clocking = { EightDots: 0x01, HalfClock: 0x08, ScreenOff: 0x20 } as const;
export const SeqMemory = { Extended: 0x02, Sequential: 0x04, Chain4: 0x08 } as const;
/** Bits that exist, by register. */
export const SEQ_MASKS: readonly number[] = [0x03, 0x3d, 0x0f, 0x3f, 0x0e];

export const Crtc = {
  HorizontalTotal: 0x00,
  HorizontalEnd: 0x01,
  VerticalTotal: 0x06,
  Overflow: 0x07,
  PresetRow: 0x08,
  MaxScan: 0x09,
  CursorStart: 0x0a,
  CursorEnd: 0x0b,
  StartHigh: 0x0c,
  StartLow: 0x0d,
  CursorHigh: 0x0e,
  CursorLow: 0x0f,
  RetraceStart: 0x10,
  RetraceEnd: 0x11,
  VerticalEnd: 0x12,
  Offset: 0x13,
  Underline: 0x14,
  BlankStart: 0x15,
  ModeControl: 0x17,
  LineCompare: 0x18,
} as const;
export const CRTC_REGISTERS = 0x19;
/** Bit 7 of the retrace end register protects registers 0 to 7, save the line compare bit of the overflow register. */
export const PROTECT = 0x80;
export const ModeControl = { RowBit13: 0x01, RowBit14: 0x02, ByteMode: 0x40, Enable: 0x80 } as const;

export const Gfx = {
  SetReset: 0,
  EnableSetReset: 1,
  ColorCompare: 2,
  Rotate: 3,
  ReadMap: 4,
  Mode: 5,
  Misc: 6,
  ColorCare: 7,
  BitMask: 8,
} as const;
export const GFX_MASKS: readonly number[] = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff];
export const GfxMode = { Write: 0x03, ReadCompare: 0x08, OddEven: 0x10, Interleave: 0x20, Packed: 0x40 } as const;
export const GfxMisc = { Graphics: 0x01, ChainOddEven: 0x02, Window: 0x0c } as const;

export const Attr = { Mode: 0x10, Overscan: 0x11, Planes: 0x12, Panning: 0x13, ColorSelect: 0x14 } as const;
export const ATTR_MASKS: readonly number[] = [...Array<number>(16).fill(0x3f), 0xef, 0xff, 0x3f, 0x0f, 0x0f];
export const AttrMode = {
  Graphics: 0x01,
  LineGraphics: 0x04,
  Blink: 0x08,
  PanCompatible: 0x20,
  EightBit: 0x40,
  ColorBits: 0x80,
} as const;
/** Bit 5 of the attribute index connects the palette to the screen; while it is clear the screen shows the border. */
export const PALETTE_ON = 0x20;

export const Status1 = { Blank: 0x01, Retrace: 0x08 } as const;

/** Crystals behind clock select 0 and 1; the others are taken for 0. */
export const CLOCKS_HZ = [25_175_000, 28_322_000] as const;

/** The legacy window. */
export const WINDOW = { base: 0xa0000, size: 0x20000 } as const;
/** What bits 3..2 of the miscellaneous graphics register select, from the window's start. */
export const WINDOWS = [
  { at: 0x00000, size: 0x20000 },
  { at: 0x00000, size: 0x10000 },
  { at: 0x10000, size: 0x08000 },
  { at: 0x18000, size: 0x08000 },
] as const;

/** Offsets in a plane that VGA modes reach. */
export const PLANE_MASK = 0xffff;

/** Registers of the display interface: index at 1CEh, data at 1CFh. */
export const Dispi = {
  Id: 0,
  Width: 1,
  Height: 2,
  Depth: 3,
  Enable: 4,
  Bank: 5,
  VirtualWidth: 6,
  VirtualHeight: 7,
  XOffset: 8,
  YOffset: 9,
  Memory64K: 10,
} as const;
export const DISPI_REGISTERS = 11;
export const DispiEnable = { On: 0x01, Capabilities: 0x02, EightBitDac: 0x20, Linear: 0x40, KeepMemory: 0x80 } as const;
export const DISPI_ID = 0xb0c5;
const OLDEST_ID = 0xb0c0;
export const isDispiId = (value: number): boolean => value >= OLDEST_ID && value <= DISPI_ID;
export const DISPI_LIMITS = { width: 2560, height: 1600, depth: 32 } as const;

/** Offsets in the memory-mapped register page. */
export const Mmio = {
  Edid: 0x000,
  Ports: 0x400,
  PortsEnd: 0x420,
  Dispi: 0x500,
  DispiEnd: 0x516,
  Extended: 0x600,
  ByteOrder: 0x604,
} as const;
export const MMIO_SIZE = 0x1000;
export const LITTLE_ENDIAN = 0x1e1e1e1e;
export const EXTENDED_SIZE = 8;
