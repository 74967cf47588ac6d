/**
 * Facts of a PC's coprocessor error logic (IBM Personal Computer AT Technical Reference, math coprocessor; Intel 82371SB, coprocessor
 * error register and signals FERR# and IGNNE#).
 */

/** Ports from F0h; both are written with any value. */
export const Reg = {
  /** Negates IRQ13 and asserts IGNNE# until FERR# is negated. */
  ClearError: 0,
  /** Reset of a coprocessor in a socket of its own; with one inside the processor it does what the first does. */
  Reset: 1,
} as const;
export const PORTS = 2;
/** The ISA interrupt that FERR# raises, an edge. */
export const FPU_IRQ = 13;
/** Nobody drives the bus when the write-only ports are read. */
export const FLOATING = 0xff;
