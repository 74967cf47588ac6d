/** Parallel NOR flash with the command set of Intel's 28F parts (Intel 28F256J3, sections 9 to 11), a byte wide, as firmware keeps variables in. */

/** What a write means while no other command awaits its data. */
export const Command = {
  Program: 0x10,
  ProgramToo: 0x40,
  Erase: 0x20,
  EraseConfirm: 0xd0,
  ClearStatus: 0x50,
  ReadStatus: 0x70,
  ReadIdentifier: 0x90,
  ReadArray: 0xff,
} as const;

/**
 * Status register: ready, and the two bits which together say that a command had the wrong order. Unlike Intel's parts it is 0 after power-on
 * and when cleared, until a command has ended: by that OVMF tells flash from ROM and RAM (OvmfPkg, QemuFlashDetected), as it is on QEMU.
 */
export const Status = { Ready: 0x80, EraseError: 0x20, ProgramError: 0x10 } as const;

/** Bytes that erase together. */
export const BLOCK = 4096;
/** Identifier bytes by offset: Intel, 28F256J3. */
export const IDENTIFIER = [0x89, 0x1d] as const;
export const ERASED = 0xff;
/** The window below 4 GiB in which flash can lie. */
export const WINDOW = 8 * 2 ** 20;
