/** VM functions (SDM vol. 3, 25.5.5): what a guest may do to its own VMCS without an exit. */
import { type SlowContext, VmExit } from '../context.ts';
import { raiseUd } from '../system/faults.ts';
import { gpr32, RAX, RCX } from '../system/registers.ts';
import { validEptPointer } from './checks-controls.ts';
import { PROC2, VM_FUNCTION } from './fields.ts';
import { get, get32, set } from './region.ts';

const REASON = 59;
const EPTP_SWITCHING = 0;
const LIST_ENTRIES = 512;

export function vmfunc(c: SlowContext): void {
  const { s } = c;
  if (s.nonRoot === 0 || (s.proc2Controls & PROC2.vmFunctions) === 0) raiseUd();
  const enabled = (get32(c, 'vmFunctionControls') & VM_FUNCTION.eptpSwitching) !== 0;
  const entry = gpr32(s, RCX);
  if (gpr32(s, RAX) !== EPTP_SWITCHING || !enabled || entry >= LIST_ENTRIES) throw new VmExit(REASON);
  const pointer = c.memory.readPhysical(64, Number(get(c, 'eptpListAddress')) + 8 * entry);
  if (!validEptPointer(c, pointer)) throw new VmExit(REASON);
  set(c, 'eptPointer', pointer);
  s.eptPointer = pointer;
  // Nothing is flushed: translations belong to the pointer they were made under.
  c.modeChanged();
}
