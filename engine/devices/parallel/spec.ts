/** Facts of the PC's printer port (IBM Personal Computer AT Technical Reference, parallel printer adapter). */
export const Reg = { Data: 0, Status: 1, Control: 2 } as const;
/** Busy and acknowledge are active low at the connector and stand inverted and straight here: a printer that waits for a byte. */
export const Status = { NotError: 0x08, Selected: 0x10, NotAcknowledge: 0x40, NotBusy: 0x80, Unused: 0x07 } as const;
export const Control = { Strobe: 0x01, Initialize: 0x04, Interrupt: 0x10, Direction: 0x20, Kept: 0x3f, Unused: 0xc0 } as const;
