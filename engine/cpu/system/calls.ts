/** SYSCALL, SYSRET, SYSENTER, SYSEXIT (SDM vol. 2; vol. 3, 5.8.7 and 5.8.8): fixed flat segments, no descriptor is read. */
import type { SlowContext, VcpuState } from '../context.ts';
import { FLAG, readFlags, writeFlags } from '../flags.ts';
import { vcpuState } from '../state.ts';
import { DR6 } from './debug.ts';
import { raiseGp, raiseUd } from './faults.ts';
import {
  CS,
  EFER,
  efer,
  gpr,
  gpr32,
  is64,
  isCanonical,
  isLongActive,
  isProtected,
  low32,
  R11,
  RCX,
  RDX,
  RSP,
  SS,
  setSegment,
} from './registers.ts';

const STAR_HIGH = vcpuState.fields.star.offset + 4;
const FMASK_LOW = vcpuState.fields.sfmask.offset;
const word = (s: VcpuState, offset: number): number => s.views.u32[(s.base + offset) >>> 2] as number;

const CODE64 = 0xa09b;
const CODE32 = 0xc09b;
const DATA32 = 0xc093;

function flat(c: SlowContext, code: { selector: number; attr: number }, stackSelector: number, cpl: number): void {
  const { s } = c;
  const dpl = cpl << 5;
  setSegment(s, CS, { selector: code.selector, base: 0n, limit: 0xffffffff, attr: code.attr | dpl });
  setSegment(s, SS, { selector: stackSelector, base: 0n, limit: 0xffffffff, attr: DATA32 | dpl });
  s.cpl = cpl;
}

/** Unlike other instructions, SYSCALL and SYSRET are followed by a single-step trap when TF is set after them. */
function stepByNewFlags(c: SlowContext): void {
  c.skipStep();
  if ((c.s.sysFlags & FLAG.T) !== 0) c.s.debugTraps |= DR6.BS;
}

export function syscall(c: SlowContext): void {
  const { s } = c;
  if (!is64(s) || (efer(s) & EFER.SCE) === 0) raiseUd();
  const flags = readFlags(s);
  s.gpr[RCX] = c.nextIp();
  s.gpr[R11] = BigInt(flags >>> 0);
  writeFlags(s, flags & ~(word(s, FMASK_LOW) | FLAG.R));
  stepByNewFlags(c);
  const selector = word(s, STAR_HIGH) & 0xfffc;
  flat(c, { selector, attr: CODE64 }, (selector + 8) & 0xffff, 0);
  c.jumpTo(s.lstar);
  c.modeChanged();
}

export function sysret(c: SlowContext, width: number): void {
  const { s } = c;
  if (!is64(s) || (efer(s) & EFER.SCE) === 0) raiseUd();
  if (s.cpl !== 0) raiseGp();
  const wide = width === 64;
  const rcx = gpr(s, RCX);
  if (wide && !isCanonical(rcx)) raiseGp();
  writeFlags(s, gpr32(s, R11) & 0x3c7fd7);
  stepByNewFlags(c);
  const base = word(s, STAR_HIGH) >>> 16;
  const selector = ((wide ? base + 16 : base) & 0xffff) | 3;
  flat(c, { selector, attr: wide ? CODE64 : CODE32 }, ((base + 8) & 0xffff) | 3, 3);
  c.jumpTo(wide ? rcx : rcx & 0xffffffffn);
  c.modeChanged();
}

export function sysenter(c: SlowContext): void {
  const { s } = c;
  const selector = low32(s.sysenterCs) & 0xfffc;
  if (!isProtected(s) || selector === 0) raiseGp();
  const long = isLongActive(s);
  s.sysFlags &= ~(FLAG.VM | FLAG.I | FLAG.R);
  flat(c, { selector, attr: long ? CODE64 : CODE32 }, (selector + 8) & 0xffff, 0);
  s.gpr[RSP] = long ? s.sysenterEsp : s.sysenterEsp & 0xffffffffn;
  c.jumpTo(long ? s.sysenterEip : s.sysenterEip & 0xffffffffn);
  c.modeChanged();
}

export function sysexit(c: SlowContext, width: number): void {
  const { s } = c;
  const base = low32(s.sysenterCs) & 0xfffc;
  if (!isProtected(s) || base === 0 || s.cpl !== 0) raiseGp();
  const wide = width === 64;
  const [rsp, rip] = [gpr(s, RCX), gpr(s, RDX)];
  if (wide && (!isCanonical(rsp) || !isCanonical(rip))) raiseGp();
  const selector = ((base + (wide ? 32 : 16)) & 0xffff) | 3;
  flat(c, { selector, attr: wide ? CODE64 : CODE32 }, (selector + 8) & 0xffff, 3);
  s.gpr[RSP] = wide ? rsp : rsp & 0xffffffffn;
  c.jumpTo(wide ? rip : rip & 0xffffffffn);
  c.modeChanged();
}
