/** Facts of the firmware configuration device (QEMU, docs/specs/fw_cfg): ports, keys, DMA. Numbers in DMA are big-endian. */

export const Offset = { Selector: 0, Data: 1, DmaHigh: 4, DmaLow: 8 } as const;
export const PORTS = 12;

export const Key = {
  Signature: 0x00,
  Id: 0x01,
  Uuid: 0x02,
  RamSize: 0x03,
  NoGraphic: 0x04,
  Cpus: 0x05,
  KernelAddress: 0x07,
  BootMenu: 0x0e,
  MaxCpus: 0x0f,
  FileDirectory: 0x19,
  FirstFile: 0x20,
} as const;
/** Bit of the selector that once chose writing; it is not part of the key. */
export const WRITE_CHANNEL = 0x4000;

export const SIGNATURE = 'QEMU';
/** Traditional interface and DMA. */
export const FEATURES = 0x03;
/** What the DMA register reads as: "QEMU CFG". */
export const DMA_SIGNATURE = { high: 0x51454d55, low: 0x20434647 } as const;

export const Dma = { Error: 0x01, Read: 0x02, Skip: 0x04, Select: 0x08, Write: 0x10 } as const;
export const DMA_CONTROL_BYTES = 16;
export const FILE_ENTRY_BYTES = 64;
export const FILE_NAME_BYTES = 56;
