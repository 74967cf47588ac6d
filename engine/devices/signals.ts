/** What devices of the chip set need from the board around them, beside byte lines and interrupts. */
import { definePort } from './ports.ts';

/** Events that end or restart the machine. They take effect after the access that caused them. */
export interface MachineSignals {
  powerOff(): void;
  reset(): void;
  /** `value` is what the guest wrote; the process that runs the machine exits with (value << 1) | 1. */
  debugExit(value: number): void;
}

export const machineSignals = definePort<MachineSignals>('machine-signals', () => ({
  powerOff: () => undefined,
  reset: () => undefined,
  debugExit: () => undefined,
}));

/** The A20 gate: while it is closed, address bit 20 is zero. */
export interface A20Gate {
  set(open: boolean): void;
}

export const a20Gate = definePort<A20Gate>('a20-gate', () => ({ set: () => undefined }));

/** Civil time. Microseconds since 1970-01-01 00:00 in the time zone the guest's clock is kept in; it may go backwards. */
export interface Calendar {
  microseconds(): number;
}

export const calendar = definePort<Calendar>('calendar', () => ({ microseconds: () => 0 }));

/** The sixteen ISA interrupt inputs, for a device whose output line is chosen at run time. */
export interface IsaLines {
  set(irq: number, active: boolean): void;
}

export const isaLines = definePort<IsaLines>('isa-lines', () => ({ set: () => undefined }));
