/** HLT, MONITOR, MWAIT, PAUSE (SDM vol. 2; vol. 3, 8.10). */
import type { SlowContext, VcpuState } from '../context.ts';
import { FLAG } from '../flags.ts';
import { claims } from '../model/cpuid.ts';
import { offsetOf } from '../state.ts';
import { raiseGp, raiseUd, requireRing0 } from './faults.ts';
import { gpr32, low32, ownAccess, RCX } from './registers.ts';

const MISC_MONITOR = 1 << 18;
const LINE = 64;
const NOT_ARMED = 0xffff_ffff_ffff_ffffn;
/** `activity` values. */
export const ACTIVITY = { running: 0, halted: 1, shutdown: 2, waitForSipi: 3, mwait: 4 } as const;

const VMXON_HIGH = offsetOf('vmxonPointer') + 4;

/** INIT waits in VMX root operation, and in a guest that waits for SIPI (SDM vol. 3, 25.2 and 10.4.7.5). */
export const initBlocked = (s: VcpuState): boolean =>
  s.views.u32[(s.base + VMXON_HIGH) >>> 2] !== 0xffffffff &&
  s.monitored === 0 &&
  (s.nonRoot === 0 || s.activity === ACTIVITY.waitForSipi);

export function hlt(c: SlowContext): void {
  requireRing0(c);
  c.s.activity = ACTIVITY.halted;
  c.leave('halt');
}

function requireMonitor(c: SlowContext): void {
  if (!claims.monitor(c.features) || (low32(c.s.miscEnable) & MISC_MONITOR) === 0 || c.s.cpl !== 0) raiseUd();
}

const lineWord = (c: SlowContext, line: number, i: number): bigint => c.memory.readPhysical(64, line + 8 * i);

/** Arm the line at a linear address: remember what it holds. */
export function monitor(c: SlowContext, address: bigint): void {
  const { s } = c;
  requireMonitor(c);
  if (gpr32(s, RCX) !== 0) raiseGp();
  const line = Math.floor(c.memory.translate(address, ownAccess(c), false) / LINE) * LINE;
  s.monitorAddress = BigInt(line);
  for (let i = 0; i < 8; i++) s.monitorData[i] = lineWord(c, line, i);
}

/**
 * Has the armed line changed since MONITOR? A store of the value that was there before is not seen; no software waits for one. The
 * thread that idles for a vCPU in MWAIT asks this whenever it looks for work.
 */
export function monitorTriggered(c: SlowContext): boolean {
  const { s } = c;
  if (s.monitorAddress === NOT_ARMED) return true;
  const line = Number(s.monitorAddress);
  for (let i = 0; i < 8; i++) if (lineWord(c, line, i) !== s.monitorData[i]) return true;
  return false;
}

export function mwait(c: SlowContext): void {
  const { s } = c;
  requireMonitor(c);
  const extensions = gpr32(s, RCX);
  if ((extensions & ~1) !== 0) raiseGp();
  if (monitorTriggered(c)) {
    s.monitorAddress = NOT_ARMED;
    return;
  }
  s.mwaitExtensions = extensions;
  s.activity = ACTIVITY.mwait;
  c.leave('mwait');
}

/**
 * Should an idle vCPU (halted or in MWAIT) go on because of an interrupt or, in MWAIT, a store to its line? NMI, INIT and stop are the
 * business of whoever sees the request word. Changes nothing.
 */
export function wakes(c: SlowContext): boolean {
  const { s } = c;
  const waiting = s.activity === ACTIVITY.mwait;
  if (
    ((s.sysFlags & FLAG.I) !== 0 || s.interruptExits !== 0 || (waiting && s.mwaitExtensions !== 0)) &&
    c.host.interruptPending(c.index)
  )
    return true;
  return waiting && monitorTriggered(c);
}

/** End the wait: the vCPU runs again. */
export function wake(s: VcpuState): void {
  if (s.activity === ACTIVITY.mwait) s.monitorAddress = NOT_ARMED;
  s.activity = ACTIVITY.running;
}

/** A hint: let others run when this vCPU spins. */
export function pause(c: SlowContext): void {
  c.leave('pause');
}
