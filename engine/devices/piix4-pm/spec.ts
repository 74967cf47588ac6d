/** Facts of the 82371AB (PIIX4) power-management function: Intel 290562, chapter 7; ACPI 6.5 section 4.8 for the registers' meaning. */

/** Configuration registers. */
export const Pci = { Base: 0x40, DeviceActivityB: 0x58, Miscellaneous: 0x80 } as const;
/** DEVACTB with APMC_EN: SMIs on port B2h read as enabled, so that firmware does not set up an SMM that is not there. */
export const SMI_ENABLED = [0, 0, 0, 0x02] as const;
/** The block stands at bits 15..6 of the base register while bit 0 of the miscellaneous register is set. */
export const BLOCK = { Size: 64, Address: 0xffc0, Enable: 0x01 } as const;

/** Offsets in the block. */
export const Reg = { Status: 0x00, Enable: 0x02, Control: 0x04, Timer: 0x08, GpStatus: 0x0c, GpEnable: 0x0e } as const;

export const Pm1 = {
  Timer: 1 << 0,
  BusMaster: 1 << 4,
  Global: 1 << 5,
  PowerButton: 1 << 8,
  SleepButton: 1 << 9,
  Rtc: 1 << 10,
  Wake: 1 << 15,
} as const;
export const Control = { Sci: 1 << 0, BusMasterReload: 1 << 1, SleepType: 7 << 10, SleepEnable: 1 << 13 } as const;
/** SLP_TYP of soft-off. The other types are not offered by the DSDT. */
export const SOFT_OFF = 0;

/** ACPI's timer runs at 3.579545 MHz and has 24 bits; its status bit is set whenever the top bit changes. */
export const TIMER_HZ = 3_579_545;
export const TIMER_BITS = 24;
