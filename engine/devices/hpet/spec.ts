/** Facts of the high-precision event timers (IA-PC HPET specification 1.0a). */

export const BASE = 0xfed0_0000;
export const SIZE = 0x400;
export const TIMERS = 3;
/** A tick of 10 ns. */
export const TICK_NS = 10;
export const TICK_FEMTOSECONDS = 10_000_000;

export const Reg = { Capabilities: 0x000, Configuration: 0x010, Status: 0x020, Counter: 0x0f0, Timer0: 0x100 } as const;
/** Bytes from one timer to the next, and registers of each. */
export const TIMER_STRIDE = 0x20;
export const TimerReg = { Configuration: 0x00, Comparator: 0x08 } as const;

/** Revision 1, three timers, 64 bits, legacy replacement, vendor Intel. */
export const CAPABILITIES_LOW = 0x8086_0000 | (1 << 15) | (1 << 13) | ((TIMERS - 1) << 8) | 0x01;
export const Configuration = { Enable: 1, Legacy: 2 } as const;
export const Timer = {
  Level: 1 << 1,
  Enable: 1 << 2,
  Periodic: 1 << 3,
  CanBePeriodic: 1 << 4,
  Wide: 1 << 5,
  SetValue: 1 << 6,
  Narrow: 1 << 8,
  Route: 31 << 9,
  Written: (1 << 1) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 8) | (31 << 9),
} as const;
/** I/O APIC inputs that a timer may be routed to: those that nothing else uses. */
export const ROUTES = 0x00f0_0000;
/** Where timers 0 and 1 lead in legacy replacement. */
export const LEGACY_LINES = [0, 8] as const;
