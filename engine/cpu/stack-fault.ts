/** Which exception a non-canonical address raises. */
import type { MachineMemory } from '../memory/index.ts';
import type { VcpuState } from './context.ts';
import { REC } from './regions.ts';

const SS = 2;

/** What tells of the faulting instruction: its record, and which operations use the stack implicitly. */
interface StackFaultParts {
  readonly machine: MachineMemory;
  readonly stack: readonly boolean[];
}

/** A non-canonical address in an access to the stack is #SS, not #GP. */
export function stackFault(o: StackFaultParts, s: VcpuState): void {
  s.excCanonical = 0;
  const { u8, u16, dv } = o.machine;
  const record = s.faultRecord;
  const member = (field: number): bigint => s.views.u64[(s.base + (u16[(record + field) >>> 1] as number)) >>> 3] as bigint;
  const outside = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) !== BigInt.asUintN(64, address);
  // PUSH, POP and CALL of memory may have met the fault at their other operand.
  const displacement = BigInt(dv.getInt32(record + REC.displacement, true));
  const other =
    (member(REC.base) + (member(REC.index) << BigInt(u8[record + REC.scale] as number)) + displacement) & member(REC.mask);
  const byStack = o.stack[u16[(record + REC.op) >>> 1] as number] === true && !outside(other) && !outside(other + 7n);
  if (u8[record + REC.segment] === SS || byStack) s.excVector = 12;
}
