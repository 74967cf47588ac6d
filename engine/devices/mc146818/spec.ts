/** Facts of the MC146818A data sheet (Motorola) and of its place in a PC: index at 70h, data at 71h, 128 bytes; PIIX3 adds 72h/73h. */

export const Index = {
  Seconds: 0x00,
  SecondsAlarm: 0x01,
  Minutes: 0x02,
  MinutesAlarm: 0x03,
  Hours: 0x04,
  HoursAlarm: 0x05,
  Weekday: 0x06,
  Day: 0x07,
  Month: 0x08,
  Year: 0x09,
  A: 0x0a,
  B: 0x0b,
  C: 0x0c,
  D: 0x0d,
  Century: 0x32,
} as const;

export const A = { Rate: 0x0f, Divider: 0x70, Running: 0x20, Updating: 0x80, Written: 0x7f } as const;
export const B = { Hours24: 0x02, Binary: 0x04, UpdateEnded: 0x10, Alarm: 0x20, Periodic: 0x40, Set: 0x80 } as const;
/** Flags in C stand at the bits of their enables in B. */
export const C = { UpdateEnded: 0x10, Alarm: 0x20, Periodic: 0x40, Any: 0x80 } as const;
/** The battery is good. */
export const D_VALID = 0x80;

/** An alarm byte with both upper bits set matches every value. */
export const ALARM_ANY = 0xc0;
/** Bit 7 of hours in 12-hour mode: afternoon. */
export const PM = 0x80;
/** The registers are not to be read from this long before an update until it has ended, microseconds. */
export const UPDATE_MICROSECONDS = 244 + 1984;
export const CRYSTAL_HZ = 32_768;
