/**
 * IN and OUT where nothing looks at them but the port itself, in numbers and on one path: routines get and give bigints, which cost a
 * driver more than its device does. Whatever else there is to do is for the general way, `system/ports.ts` and `intercepts.ts`.
 */
import type { SlowContext } from '../context.ts';
import { slowIndex } from '../ir/emitter.ts';
import { offsetOf } from '../state.ts';
import { breakpointsArmed } from '../system/debug.ts';
import { iopl, isProtected, isVm86 } from '../system/registers.ts';
import { recordExit } from './exit.ts';
import { PROC } from './fields.ts';

/** Slow routines by number. */
export const PORT_IN = slowIndex('portIn');
export const PORT_OUT = slowIndex('portOut');

const ARGUMENTS = offsetOf('scratch');
/** In words from the first argument: port, shape (width, bit 8 where the port is immediate), value; then the result. */
const [SHAPE, VALUE, RESULT] = [2, 4, 8];
const IO = 30;

/** The access that a slow routine's arguments describe. False: nothing has happened, and the general way is to be taken. */
export function quickPort(c: SlowContext, id: number): boolean {
  const { s, host } = c;
  if (s.busOpen !== 0 || breakpointsArmed(s, 'io')) return false;
  if (isProtected(s) && (isVm86(s) || s.cpl > iopl(s))) return false;
  const { u32 } = s.views;
  const at = (s.base + ARGUMENTS) >>> 2;
  const port = (u32[at] as number) & 0xffff;
  const shape = u32[at + SHAPE] as number;
  const size = ((shape & 0xff) >>> 3) as 1 | 2 | 4;
  const input = id === PORT_IN;
  if (s.nonRoot !== 0) {
    // Every port exits, to a monitor that serves it from here (decision 0109).
    if (s.monitored === 0 || (s.procControls & (PROC.ioBitmaps | PROC.everyIo)) !== PROC.everyIo) return false;
    if (host.servesPort?.(c.index) !== true) return false;
    const immediate = (shape & 0x100) !== 0;
    recordExit(c, IO, ((size - 1) | (input ? 8 : 0) | (immediate ? 0x40 : 0) | (port << 16)) >>> 0);
  }
  if (!input) host.portWrite(c.index, port, size, u32[at + VALUE] as number);
  else {
    u32[at + RESULT] = host.portRead(c.index, port, size);
    u32[at + RESULT + 1] = 0;
  }
  return true;
}
