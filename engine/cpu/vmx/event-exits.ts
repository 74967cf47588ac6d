/** Which events exit instead of being delivered (SDM vol. 3, 25.2). */
import { type SlowContext, VmExit } from '../context.ts';
import type { CpuEvent } from '../system/delivery.ts';
import { VECTOR } from '../system/faults.ts';
import { informationOf } from './exit.ts';
import { PIN } from './fields.ts';

const EXCEPTION_OR_NMI = 0;
const DR6_SHOWN = 0x600f;

/** Does the bitmap name this exception? Page faults also compare their error code. */
export function isTrapped(c: SlowContext, vector: number, errorCode = 0): boolean {
  const named = ((c.s.exceptionBitmap >>> vector) & 1) !== 0;
  if (vector !== VECTOR.PF) return named;
  const matches = (errorCode & c.s.pageFaultMask) >>> 0 === c.s.pageFaultMatch;
  return matches === named;
}

/** The exit an event causes, `undefined` when it goes to the guest. */
export function eventExit(c: SlowContext, event: CpuEvent): VmExit | undefined {
  if (event.injected !== undefined || event.kind === 'interrupt' || event.kind === 'software') return undefined;
  if (event.kind === 'nmi') {
    return (c.s.pinControls & PIN.nmi) === 0 ? undefined : new VmExit(EXCEPTION_OR_NMI, { interruption: informationOf(event) });
  }
  if (!isTrapped(c, event.vector, event.errorCode)) return undefined;
  const qualification =
    event.vector === VECTOR.PF ? (event.cr2 ?? 0n) : event.vector === VECTOR.DB ? BigInt((event.debug ?? 0) & DR6_SHOWN) : 0n;
  return new VmExit(EXCEPTION_OR_NMI, {
    qualification,
    interruption: informationOf(event),
    error: event.errorCode ?? 0,
    resume: event.kind === 'fault' && event.vector !== VECTOR.DB,
  });
}

/**
 * INT n (0), INT3 (1), INTO (2) or INT1 (3) as the event during whose delivery something was thrown; nothing when that is the exit of the
 * exception itself.
 */
export function softwareEvent(c: SlowContext, event: { vector: number; kind: number }, thrown: unknown): CpuEvent | undefined {
  if (thrown instanceof VmExit && thrown.interruption !== 0) return undefined;
  return {
    vector: event.vector,
    kind: event.kind === 3 ? 'icebp' : 'software',
    exception: event.kind === 1 || event.kind === 2,
    length: c.instructionLength(),
  };
}
