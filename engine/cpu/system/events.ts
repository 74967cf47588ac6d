/** Events with all that follows from them: nested faults, double fault, shutdown (SDM vol. 3, 6.15, interrupt 8, tables 6-4 and 6-5). */
import { GuestFault, type SlowContext, VmExit } from '../context.ts';
import { eventExit } from '../vmx/event-exits.ts';
import { exitGuest } from '../vmx/exit.ts';
import { type CpuEvent, deliver } from './delivery.ts';
import { VECTOR } from './faults.ts';
import { ACTIVITY, wake } from './idle.ts';

export type { CpuEvent } from './delivery.ts';

/** Classes of table 6-4. */
type FaultClass = 'benign' | 'contributory' | 'page' | 'double';

function classOf(event: CpuEvent): FaultClass {
  if (event.kind !== 'fault') return 'benign';
  switch (event.vector) {
    case VECTOR.DE:
    case VECTOR.TS:
    case VECTOR.NP:
    case VECTOR.SS:
    case VECTOR.GP:
      return 'contributory';
    case VECTOR.PF:
      return 'page';
    case VECTOR.DF:
      return 'double';
    default:
      return 'benign';
  }
}

/** What a fault during the delivery of another event becomes: served in its place, a double fault, or shutdown (table 6-5). */
export function escalate(first: FaultClass, second: FaultClass): 'serial' | 'double' | 'shutdown' {
  if (first === 'benign' || second === 'benign') return 'serial';
  if (first === 'double') return 'shutdown';
  if (first === 'contributory') return second === 'contributory' ? 'double' : 'serial';
  return 'double';
}

const DR7_GD = 0x2000n;
/** Basic exit reason (SDM vol. 3, appendix C). */
const TRIPLE_FAULT = 2;

/** State that changes however the delivery goes. */
function note(c: SlowContext, event: CpuEvent): void {
  const { s } = c;
  if (event.cr2 !== undefined) s.cr2 = event.cr2;
  if (event.vector === VECTOR.DB && event.kind !== 'software' && event.injected === undefined) {
    // The breakpoint bits are of this exception only; the others accumulate (SDM vol. 3, 17.2.3).
    s.dr6 = (s.dr6 & ~0xfn) | BigInt(event.debug ?? 0);
    s.dr7 &= ~DR7_GD;
  }
  if (event.kind === 'nmi') s.nmiBlocked = 1;
}

/** A fault thrown by a routine, as an event. */
export const faultEvent = (fault: GuestFault): CpuEvent => ({
  vector: fault.vector,
  kind: 'fault',
  errorCode: fault.errorCode,
  cr2: fault.cr2,
  debug: fault.debug,
});

/**
 * Deliver an event between instructions: RIP is the return address (of the faulting instruction for faults, else of the next one).
 * Faults on the way are delivered in turn; a third one in a row shuts the processor down. Never throws for what the guest did.
 * In VMX non-root operation an event may exit instead; `vectoring` is the one whose delivery raised it.
 */
export function deliverEvent(c: SlowContext, event: CpuEvent, vectoring?: CpuEvent): void {
  const { s } = c;
  let current = event;
  let delivering = vectoring;
  for (;;) {
    if (s.nonRoot !== 0) {
      const exit = eventExit(c, current);
      if (exit !== undefined) {
        exitGuest(c, exit, delivering);
        return;
      }
    }
    wake(s);
    s.shadow = 0;
    note(c, current);
    try {
      deliver(c, current);
      return;
    } catch (thrown) {
      if (thrown instanceof VmExit && s.nonRoot !== 0) {
        exitGuest(c, thrown, current);
        return;
      }
      if (!(thrown instanceof GuestFault)) throw thrown;
      const next = faultEvent(thrown);
      const step = escalate(classOf(current), classOf(next));
      if (step === 'shutdown' && s.nonRoot !== 0) {
        exitGuest(c, new VmExit(TRIPLE_FAULT));
        return;
      }
      if (step === 'shutdown') {
        // A page fault that ends in shutdown has still loaded CR2.
        if (next.cr2 !== undefined) s.cr2 = next.cr2;
        s.activity = ACTIVITY.shutdown;
        c.leave('shutdown');
        return;
      }
      delivering = current;
      current = step === 'double' ? { vector: VECTOR.DF, kind: 'fault', errorCode: 0 } : next;
      if (step === 'double' && next.cr2 !== undefined) s.cr2 = next.cr2;
    }
  }
}
