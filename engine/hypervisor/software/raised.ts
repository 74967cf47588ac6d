/** Routines of the processor called by handlers of exits: what they raise is the guest's. */
import { GuestFault, VmExit } from '../../cpu/index.ts';
import type { ExitContext } from './exits/context.ts';

const EPT_VIOLATION = 48;

/**
 * The body's result; or `undefined` after what it raised was dealt with: an exception is injected, memory it did not reach is mapped and
 * the instruction exits once more. The bus is open to the body: what it reads may be a device.
 */
export function raised<T>(x: Pick<ExitContext, 'core' | 'inject' | 'mmu' | 'id'>, body: () => T): T | undefined {
  const { s } = x.core;
  s.busOpen = 1;
  try {
    return body();
  } catch (thrown) {
    if (thrown instanceof GuestFault) x.inject(thrown.vector, thrown.errorCode);
    else if (thrown instanceof VmExit && thrown.reason === EPT_VIOLATION) x.mmu.touch(x.id, Number(thrown.gpa), false);
    else throw thrown;
    return undefined;
  } finally {
    s.busOpen = 0;
  }
}
