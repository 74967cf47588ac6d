/** Port I/O with its permission checks (SDM vol. 1, chapter 19.5) and I/O breakpoints. */
import type { SlowContext } from '../context.ts';
import { breakpointsArmed, ioBreakpoints } from './debug.ts';
import { raiseGp } from './faults.ts';
import { iopl, isProtected, isVm86 } from './registers.ts';
import { portsAllowed } from './tss.ts';

type PortSize = 1 | 2 | 4;

/** #GP(0) unless the I/O permission map (virtual-8086 mode: always) or IOPL allows `size` ports from `port`. */
export function checkPort(c: SlowContext, port: number, size: number): void {
  const { s } = c;
  if (!isProtected(s) || (!isVm86(s) && s.cpl <= iopl(s))) return;
  if (!portsAllowed(c, port, size)) raiseGp();
}

function note(c: SlowContext, port: number, size: number): void {
  if (breakpointsArmed(c.s, 'io')) c.s.debugTraps |= ioBreakpoints(c.s, port, size);
}

export function portIn(c: SlowContext, port: number, size: number): number {
  checkPort(c, port, size);
  note(c, port, size);
  return c.host.portRead(c.index, port, size as PortSize) >>> 0;
}

export function portOut(c: SlowContext, at: { readonly port: number; readonly size: number }, value: number): void {
  checkPort(c, at.port, at.size);
  note(c, at.port, at.size);
  c.host.portWrite(c.index, at.port, at.size as PortSize, value);
}
