/** Software interrupts and the virtual interrupt flag (SDM vol. 2, INT n, CLI, STI, POPF; vol. 3, 20.3 and 20.4). */
import type { SlowContext } from '../context.ts';
import { FLAG, readFlags, writeFlags } from '../flags.ts';
import { deliver, type EventKind } from './delivery.ts';
import { raiseGp } from './faults.ts';
import { CS, cr4, iopl, isProtected, isVm86, low32, setSegment, vm86Segment } from './registers.ts';
import { presentStack } from './stack.ts';
import { interruptToMonitor } from './tss.ts';

const CR4_VME = 1;
const CR4_PVI = 2;

/** INT n in virtual-8086 mode through the 8086 program's own vector table (methods 5 and 6 of table 20-2). */
function redirect(c: SlowContext, vector: number): void {
  const { s } = c;
  const flags = readFlags(s);
  const virtual = iopl(s) < 3;
  const entry = low32(c.memory.read(32, BigInt(vector * 4), 'user'));
  const ip = BigInt(entry & 0xffff);
  const stack = presentStack(c);
  stack.requireRoom(6);
  const image = virtual ? (flags & ~FLAG.I) | FLAG.IOPL | ((flags & FLAG.VIF) !== 0 ? FLAG.I : 0) : flags;
  stack.push(16, BigInt(image & 0xffff));
  stack.push(16, BigInt(s.csSelector));
  stack.push(16, c.nextIp());
  stack.commit(s);
  s.sysFlags &= ~(FLAG.T | FLAG.R | FLAG.N | (virtual ? FLAG.VIF : FLAG.I));
  setSegment(s, CS, vm86Segment(entry >>> 16));
  c.skipStep();
  c.jumpTo(ip);
  c.modeChanged();
}

/** INT n (0), INT3 (1), INTO (2), INT1 (3). */
export function softwareInterrupt(c: SlowContext, vector: number, which: number): void {
  const { s } = c;
  if (which === 0 && isProtected(s) && isVm86(s)) {
    const redirected = (cr4(s) & CR4_VME) !== 0 && !interruptToMonitor(c, vector);
    if (redirected) {
      redirect(c, vector);
      return;
    }
    if (iopl(s) < 3) raiseGp();
  }
  const kind: EventKind = which === 3 ? 'icebp' : 'software';
  deliver(c, { vector, kind, returnIp: c.nextIp() });
  c.notice?.({ kind: 'exception', vector });
  c.skipStep();
  // INT1 takes the place of debug traps that MOV SS held back.
  if (which === 3) s.debugTraps = 0;
}

/** CLI (0) or STI (1) where CPL exceeds IOPL: VIF by VME in virtual-8086 mode or by PVI at CPL 3, else #GP(0). */
export function cliSti(c: SlowContext, set: boolean): void {
  const { s } = c;
  const vm86 = isVm86(s);
  if (!isProtected(s) || (!vm86 && s.cpl <= iopl(s)) || (vm86 && iopl(s) === 3)) {
    s.sysFlags = set ? s.sysFlags | FLAG.I : s.sysFlags & ~FLAG.I;
    c.modeChanged();
    return;
  }
  const virtual = vm86 ? (cr4(s) & CR4_VME) !== 0 : s.cpl === 3 && (cr4(s) & CR4_PVI) !== 0;
  if (!virtual) raiseGp();
  if (set && (s.sysFlags & FLAG.VIP) !== 0) raiseGp();
  s.sysFlags = set ? s.sysFlags | FLAG.VIF : s.sysFlags & ~FLAG.VIF;
}

/**
 * POPF: `value` was popped, rSP is already behind it. The definition has raised what virtual-8086 mode with IOPL below 3 raises; what
 * gets here from there is a 16-bit POPF with VME, whose IF stands for VIF (SDM vol. 2, POPF).
 */
export function popFlags(c: SlowContext, value: number, width: 16 | 32 | 64): void {
  const { s } = c;
  const before = readFlags(s);
  let mask = FLAG.C | FLAG.P | FLAG.A | FLAG.Z | FLAG.S | FLAG.T | FLAG.D | FLAG.O | FLAG.N;
  if (width !== 16) mask |= FLAG.AC | FLAG.ID;
  let image = value;
  if (isVm86(s) && iopl(s) < 3) {
    mask |= FLAG.VIF;
    image = (value & ~FLAG.VIF) | ((value & FLAG.I) !== 0 ? FLAG.VIF : 0);
  } else if (isVm86(s)) mask |= FLAG.I;
  else {
    if (s.cpl <= iopl(s)) mask |= FLAG.I;
    if (s.cpl === 0) mask |= FLAG.IOPL;
  }
  // RF is cleared by every instruction that completes.
  writeFlags(s, (before & ~(mask | FLAG.R)) | (image & mask));
  c.modeChanged();
}
