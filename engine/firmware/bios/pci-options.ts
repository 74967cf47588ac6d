/** PCI BIOS function 0Eh: the caller's buffer is found by its registers in real mode, and by the ROM in 32-bit code. */
import { FIRMWARE_START } from '../e820.ts';
import { placeTables } from '../leave-tables.ts';
import type { Platform } from '../platform.ts';
import { ROUTING_HEADER, routingOptions } from '../routing.ts';
import type { BiosMemory } from './host.ts';
import { Code, type PciRegisters } from './pci.ts';
import { read16, write16 } from './words.ts';

/** At `structure`: size of the buffer, and a far pointer to it. The size that is needed goes back in its place. */
export function optionsInRealMode(memory: BiosMemory, structure: number): number {
  const [size, offset, segment] = [0, 2, 4].map((at) => read16(memory, structure + at)) as [number, number, number];
  const options = routingOptions();
  write16(memory, structure, options.length);
  if (size < options.length) return Code.BufferTooSmall;
  memory.write(segment * 16 + offset, options);
  return Code.Done;
}

/** ESI: where in the F segment the options are. ECX: how many bytes. The ROM copies them, in the caller's segments and pages. */
export function optionsInRom(platform: Platform, r: PciRegisters): number {
  const { routing } = placeTables(platform, { write: () => undefined });
  r.esi = routing + ROUTING_HEADER - FIRMWARE_START;
  r.ecx = routingOptions().length;
  return Code.Done;
}
