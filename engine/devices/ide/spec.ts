/** Facts of ATA (ATA/ATAPI-7, INCITS 397) and of the PIIX3's IDE function (Intel 82371SB, section 2.6; SFF-8038i for the bus master). */

/** Command block registers by offset. */
export const Reg = { Data: 0, ErrorFeatures: 1, Count: 2, Low: 3, Mid: 4, High: 5, Device: 6, StatusCommand: 7 } as const;

export const Status = { Err: 0x01, Drq: 0x08, Seek: 0x10, Ready: 0x40, Busy: 0x80 } as const;
export const READY = Status.Ready | Status.Seek;
export const ErrorBit = { Abort: 0x04, IdNotFound: 0x10, Uncorrectable: 0x40 } as const;
export const Control = { NoInterrupt: 0x02, Reset: 0x04, HighOrder: 0x80 } as const;
export const Device = { Second: 0x10, Lba: 0x40 } as const;

/** Registers of one channel's bus master. */
export const BmCommand = { Start: 0x01, ToMemory: 0x08 } as const;
export const BmStatus = { Active: 0x01, Error: 0x02, Interrupt: 0x04, Kept: 0x60 } as const;
export const BM_CHANNEL = 8;

export const SECTOR = 512;
/** Most sectors of a DRQ block. */
export const MULTIPLE = 16;
/** Most pages of 512 bytes of DATA SET MANAGEMENT. */
export const TRIM_PAGES = 8;
/** A channel's buffer for transfers through the data register. */
export const BUFFER = MULTIPLE * SECTOR;
/** What an empty channel's bus reads as: DD7 is pulled down, so that no device is never busy. */
export const FLOATING = 0x7f;

export const Command = {
  Nop: 0x00,
  DataSetManagement: 0x06,
  DeviceReset: 0x08,
  ReadSectors: 0x20,
  ReadSectorsOnce: 0x21,
  ReadSectorsExt: 0x24,
  ReadDmaExt: 0x25,
  ReadNativeMaxExt: 0x27,
  ReadMultipleExt: 0x29,
  WriteSectors: 0x30,
  WriteSectorsOnce: 0x31,
  WriteSectorsExt: 0x34,
  WriteDmaExt: 0x35,
  WriteMultipleExt: 0x39,
  WriteDmaFuaExt: 0x3d,
  Verify: 0x40,
  VerifyOnce: 0x41,
  VerifyExt: 0x42,
  Diagnostic: 0x90,
  InitializeParameters: 0x91,
  Packet: 0xa0,
  IdentifyPacket: 0xa1,
  ReadMultiple: 0xc4,
  WriteMultiple: 0xc5,
  SetMultiple: 0xc6,
  ReadDma: 0xc8,
  ReadDmaOnce: 0xc9,
  WriteDma: 0xca,
  WriteDmaOnce: 0xcb,
  WriteMultipleFuaExt: 0xce,
  Flush: 0xe7,
  FlushExt: 0xea,
  Identify: 0xec,
  SetFeatures: 0xef,
  ReadNativeMax: 0xf8,
} as const;

/** RECALIBRATE and SEEK: families of sixteen. */
export const isRecalibrate = (command: number) => (command & 0xf0) === 0x10 || (command & 0xf0) === 0x70;
/** STANDBY, IDLE and SLEEP, in both sets of codes; 98h and E5h ask for the mode instead. */
export const isPowerMode = (command: number) => (command >= 0x94 && command <= 0x99) || (command >= 0xe0 && command <= 0xe6);
export const isPowerQuestion = (command: number) => command === 0x98 || command === 0xe5;

export const Feature = {
  EnableWriteCache: 0x02,
  TransferMode: 0x03,
  DisableReadAhead: 0x55,
  DisableRevert: 0x66,
  DisableWriteCache: 0x82,
  EnableReadAhead: 0xaa,
  EnableRevert: 0xcc,
} as const;

export type TransferKind = 'pio' | 'multiple' | 'dma';
export interface Transfer {
  readonly kind: TransferKind;
  readonly write: boolean;
  /** 48-bit addresses. */
  readonly wide: boolean;
  readonly durable?: boolean;
}

const transfer = (kind: TransferKind, write: boolean, wide: boolean, durable = false): Transfer => {
  return { kind, write, wide, durable };
};

/** Commands that move sectors. */
export const transfers: ReadonlyMap<number, Transfer> = new Map([
  [Command.ReadSectors, transfer('pio', false, false)],
  [Command.ReadSectorsOnce, transfer('pio', false, false)],
  [Command.ReadSectorsExt, transfer('pio', false, true)],
  [Command.ReadMultiple, transfer('multiple', false, false)],
  [Command.ReadMultipleExt, transfer('multiple', false, true)],
  [Command.ReadDma, transfer('dma', false, false)],
  [Command.ReadDmaOnce, transfer('dma', false, false)],
  [Command.ReadDmaExt, transfer('dma', false, true)],
  [Command.WriteSectors, transfer('pio', true, false)],
  [Command.WriteSectorsOnce, transfer('pio', true, false)],
  [Command.WriteSectorsExt, transfer('pio', true, true)],
  [Command.WriteMultiple, transfer('multiple', true, false)],
  [Command.WriteMultipleExt, transfer('multiple', true, true)],
  [Command.WriteMultipleFuaExt, transfer('multiple', true, true, true)],
  [Command.WriteDma, transfer('dma', true, false)],
  [Command.WriteDmaOnce, transfer('dma', true, false)],
  [Command.WriteDmaExt, transfer('dma', true, true)],
  [Command.WriteDmaFuaExt, transfer('dma', true, true, true)],
]);

/** Signatures that tell what kind of device answers (9.12). */
export const SIGNATURE = { disk: [0x00, 0x00], cdrom: [0x14, 0xeb] } as const;
