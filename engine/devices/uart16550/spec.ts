/** Facts of the PC16550D data sheet (TI SNLS378), section 8, and of its wiring on a PC. */

/** Register offsets; 0 and 1 are the divisor latch while LCR bit 7 is set. */
export const Reg = { Data: 0, Ier: 1, IirFcr: 2, Lcr: 3, Mcr: 4, Lsr: 5, Msr: 6, Scr: 7 } as const;

export const Ier = { RxReady: 0x01, TxEmpty: 0x02, LineStatus: 0x04, ModemStatus: 0x08, All: 0x0f } as const;
/** Interrupt identification, highest priority first. */
export const Iir = {
  LineStatus: 0x06,
  RxReady: 0x04,
  Timeout: 0x0c,
  TxEmpty: 0x02,
  ModemStatus: 0x00,
  None: 0x01,
  FifosOn: 0xc0,
} as const;
export const Fcr = { Enable: 0x01, ClearRx: 0x02, ClearTx: 0x04, Kept: 0xc9 } as const;
export const Lcr = { WordLength: 0x03, Stop: 0x04, Parity: 0x08, Break: 0x40, DivisorLatch: 0x80 } as const;
export const Mcr = { Dtr: 0x01, Rts: 0x02, Out1: 0x04, Out2: 0x08, Loop: 0x10, All: 0x1f } as const;
export const Lsr = { DataReady: 0x01, Overrun: 0x02, Errors: 0x1e, TxEmpty: 0x20, AllEmpty: 0x40, FifoError: 0x80 } as const;
export const Msr = {
  DeltaCts: 0x01,
  DeltaDsr: 0x02,
  TrailingRi: 0x04,
  DeltaDcd: 0x08,
  Cts: 0x10,
  Dsr: 0x20,
  Ri: 0x40,
  Dcd: 0x80,
} as const;

/** Received characters that raise the interrupt, by FCR bits 7..6. */
export const TRIGGER = [1, 4, 8, 14] as const;
export const FIFO_DEPTH = 16;
/** Baud rate at divisor 1 with the PC's 1.8432 MHz crystal. */
export const BASE_BAUD = 115_200;
/** Characters of silence after which waiting bytes below the trigger level raise the interrupt. */
export const TIMEOUT_CHARACTERS = 4;
