/** VM exits between instructions (SDM vol. 3, 25.2, 25.5.1, 26.7): timer, windows, external interrupts. */
import { type SlowContext, type VcpuState, VmExit } from '../context.ts';
import { FLAG } from '../flags.ts';
import { ACTIVITY } from '../system/idle.ts';
import { exitGuest, preemptionLeft } from './exit.ts';
import { EXIT_CONTROL, PIN, PROC } from './fields.ts';
import { get32 } from './region.ts';

const REASON = { externalInterrupt: 1, interruptWindow: 7, nmiWindow: 8, preemptionTimer: 52 } as const;

/** Is an exit due at an instruction boundary that only single steps find? The interrupt window is found by a request bit instead. */
export const windowOpen = (s: VcpuState): boolean => (s.procControls & PROC.nmiWindow) !== 0;

export const exitsByTime = (s: VcpuState): boolean => (s.pinControls & PIN.preemptionTimer) !== 0;

export const exitsOnInterrupt = (s: VcpuState): boolean => s.nonRoot !== 0 && s.interruptExits !== 0;

/** The exit due at this boundary; requests from other threads come after it. */
function betweenExit(c: SlowContext): VmExit | undefined {
  const { s } = c;
  if (exitsByTime(s) && preemptionLeft(c) === 0n) return new VmExit(REASON.preemptionTimer);
  if (s.activity === ACTIVITY.waitForSipi) return undefined;
  if ((s.procControls & PROC.nmiWindow) !== 0 && s.nmiBlocked === 0 && s.shadow === 0) return new VmExit(REASON.nmiWindow);
  if ((s.procControls & PROC.interruptWindow) !== 0 && (s.sysFlags & FLAG.I) !== 0 && s.shadow === 0)
    return new VmExit(REASON.interruptWindow);
  return undefined;
}

/** Exit where an exit is due. */
export function exitBetween(c: SlowContext): void {
  const exit = betweenExit(c);
  if (exit !== undefined) exitGuest(c, exit);
}

/** The exit of an external interrupt, `undefined` when none is pending any more. */
export function interruptExit(c: SlowContext): VmExit | undefined {
  if (!c.host.interruptPending(c.index)) return undefined;
  if ((get32(c, 'exitControls') & EXIT_CONTROL.acknowledge) === 0) return new VmExit(REASON.externalInterrupt);
  const vector = c.host.acknowledgeInterrupt(c.index);
  return vector < 0 ? undefined : new VmExit(REASON.externalInterrupt, { interruption: (0x80000000 | vector) >>> 0 });
}
