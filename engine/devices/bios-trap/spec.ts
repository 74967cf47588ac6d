/** The ports by which the ROM of our BIOS (assets/firmware/bios.asm) calls its services. */

export const PORTS = 12;
export const BASE = 0x5e0;
/** Write 32 bits: address of a real-mode frame. */
export const Offset = { Frame: 0, Register: 4, Call: 8 } as const;
/** EAX, EBX, ECX, EDX, ESI, EDI of a 32-bit call: written in turn, read back in turn. */
export const REGISTERS = 6;
/** The one 32-bit call: PCI BIOS. */
export const PCI_CALL = 0x1a;
