/** What packet commands are made of, and how they fail (SPC-2, 7.23; MMC-3, annex F). */
import type { ChannelCore } from './core.ts';

/** Bytes of a block of a CD. */
export const BLOCK = 2048;
export const Key = { NotReady: 2, Medium: 3, Illegal: 5, Attention: 6 } as const;
/** Additional sense code and qualifier. */
export const Sense = {
  ReadError: 0x1100,
  Opcode: 0x2000,
  Range: 0x2100,
  Field: 0x2400,
  Saving: 0x3900,
  NewMedium: 0x2800,
  PowerOn: 0x2900,
  NoMediumTrayClosed: 0x3a01,
  NoMediumTrayOpen: 0x3a02,
  RemovalPrevented: 0x5302,
} as const;
export const MediaEvent = { None: 0, EjectRequest: 1, New: 2, Removed: 3 } as const;

/** A drive's side of a packet. */
export interface PacketCore extends ChannelCore {
  packet(): Uint8Array;
  /** Data for the guest, at most `limit` bytes of it, then the end. */
  respond(data: Uint8Array, limit: number): void;
  /** Sectors of the medium for the guest; counted in 2048 bytes. */
  readMedium(block: number, count: number): void;
  good(): void;
  check(key: number, sense: number): void;
  /** Blocks of 2048 bytes of the medium; 0 without one. */
  blocks(): number;
}
