/** The registers of a Bochs VBE display. Spec: Bochs, VBE display interface, version B0C5. */
import type { BiosIo } from '../host.ts';

const INDEX = 0x1ce;
const DATA = 0x1cf;

export const Dispi = {
  Id: 0,
  Width: 1,
  Height: 2,
  Depth: 3,
  Enable: 4,
  Bank: 5,
  VirtualWidth: 6,
  VirtualHeight: 7,
  X: 8,
  Y: 9,
  Memory: 10,
} as const;
export const Enable = { On: 0x01, Capabilities: 0x02, Dac8: 0x20, Linear: 0x40, KeepMemory: 0x80 } as const;
/** Identities of versions 0 to 5. */
const FIRST_ID = 0xb0c0;
const LAST_ID = 0xb0c5;

export function readDispi(io: BiosIo, index: number): number {
  io.out(INDEX, index, 2);
  return io.in(DATA, 2);
}

export function writeDispi(io: BiosIo, index: number, value: number): void {
  io.out(INDEX, index, 2);
  io.out(DATA, value, 2);
}

export function hasVbe(io: BiosIo): boolean {
  const id = readDispi(io, Dispi.Id);
  return id >= FIRST_ID && id <= LAST_ID;
}

/** Back to the VGA's own registers. */
export function leaveVbe(io: BiosIo): void {
  if (hasVbe(io)) writeDispi(io, Dispi.Enable, 0);
}
