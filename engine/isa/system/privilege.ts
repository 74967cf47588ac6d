/** Privilege checks that definitions make before anything else. */
import type { Emitter } from '../emitter.ts';

/** #GP(0) unless CPL is 0 (real mode has CPL 0, virtual-8086 mode 3). */
export function requireSupervisor(e: Emitter): void {
  e.raiseIf(e.ne(e.cpl(), e.const(0)), 13, e.const(0));
}

/** #UD unless this bit of CR4 is set. */
export function requireCr4(e: Emitter, bit: number): void {
  e.raiseIf(e.notB(e.bit(e.field('cr4'), bit)), 6);
}
