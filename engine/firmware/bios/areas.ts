/**
 * Where a BIOS keeps what it knows: the BIOS data area (IBM PS/2 BIOS Interface Technical Reference, section 3), the extended one, and a
 * private area in the F segment that no program expects to be anything else than ROM. All of it is guest memory, so it is saved with the
 * machine, and hostile: whatever is read from here is bounded where it is used.
 */

export const Bda = {
  SerialPorts: 0x400,
  ParallelPorts: 0x408,
  ExtendedArea: 0x40e,
  Equipment: 0x410,
  MemoryKib: 0x413,
  ShiftFlags: 0x417,
  ShiftFlags2: 0x418,
  AltNumber: 0x419,
  BufferHead: 0x41a,
  BufferTail: 0x41c,
  Buffer: 0x41e,
  BufferEnd: 0x43e,
  DisketteRecalibrate: 0x43e,
  DisketteMotor: 0x43f,
  DisketteTimeout: 0x440,
  DisketteStatus: 0x441,
  VideoMode: 0x449,
  Columns: 0x44a,
  PageBytes: 0x44c,
  PageStart: 0x44e,
  Cursors: 0x450,
  CursorShape: 0x460,
  ActivePage: 0x462,
  CrtcPort: 0x463,
  ModeControl: 0x465,
  Palette: 0x466,
  Ticks: 0x46c,
  Midnight: 0x470,
  Break: 0x471,
  ResetFlag: 0x472,
  DiskStatus: 0x474,
  DiskCount: 0x475,
  ParallelTimeouts: 0x478,
  SerialTimeouts: 0x47c,
  BufferStartPointer: 0x480,
  BufferEndPointer: 0x482,
  RowsMinusOne: 0x484,
  CharacterHeight: 0x485,
  VideoControl: 0x487,
  VideoSwitches: 0x488,
  VideoSettings: 0x489,
  DisplayCode: 0x48a,
  KeyboardMode: 0x496,
  KeyboardLeds: 0x497,
  WaitFlagPointer: 0x498,
  WaitActive: 0x4a0,
  VideoPointers: 0x4a8,
  PrintScreen: 0x500,
} as const;

/** Extended BIOS data area, 1 KiB below 640 KiB. */
export const Ebda = {
  Address: 0x9fc00,
  Segment: 0x9fc0,
  Kib: 1,
  /** Pointing device: far pointer of its handler, flags, and the packet so far. */
  MouseHandler: 0x9fc22,
  MouseFlags1: 0x9fc26,
  MouseFlags2: 0x9fc27,
  MousePacket: 0x9fc28,
  /** Fixed disk parameter tables of the first two disks (INT 41h, 46h). */
  FixedDisks: 0x9fc40,
  /** Device path tables for EDD. */
  DiskParameters: 0x9fc80,
  /** Deadline of INT 15h 83h, machine microseconds, 8 bytes. */
  WaitDeadline: 0x9fcc0,
} as const;

/** The private area, 8 KiB. The lower 24 KiB of the segment belong to tables (leave-tables.ts). */
export const Private = {
  Start: 0xf6000,
  Boot: 0xf6010,
  /** El Torito emulation in force. */
  Emulation: 0xf6080,
  /** What each drive's media count was when INT 13h last looked, 16 bits each. */
  MediaSeen: 0xf60c0,
  /** Segment at which the next expansion ROM goes, 16 bits. */
  RomSegment: 0xf60e0,
  Msrs: 0xf6100,
  /** VBE: strings and the list of modes. */
  Vbe: 0xf6400,
  /** Video save pointer table and functionality table (INT 10h 1Bh). */
  VideoTables: 0xf6600,
  /** One sector of any drive, or several of 512 bytes. */
  Sector: 0xf7000,
  SectorBytes: 2048,
} as const;
