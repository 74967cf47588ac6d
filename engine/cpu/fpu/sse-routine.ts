/** The `sse` slow routine: exact operations over the state's MXCSR, with #XM. Arguments: engine/isa/sse/ops.ts. */
import { COLLECT, SSE_OPS, type SseOp } from '../../isa/sse/ops.ts';
import { GuestFault, type SlowContext } from '../context.ts';
import { MXCSR_MASK, setMxcsr } from './mxcsr.ts';
import { exactSse } from './sse.ts';

const CR4_OSXMMEXCPT = 1 << 10;

/** Add exceptions to MXCSR; an unmasked one raises #XM, or #UD when the system does not expect it (SDM vol. 1, 11.5.1). */
function report(c: SlowContext, flags: number): void {
  if (flags === 0) return;
  const { s } = c;
  const { mxcsr } = s;
  if ((mxcsr & flags) !== flags) setMxcsr(s, mxcsr | flags);
  if ((flags & ~(mxcsr >>> 7)) !== 0) throw new GuestFault((s.lo('cr4') & CR4_OSXMMEXCPT) === 0 ? 6 : 19);
}

export function sseRoutine(c: SlowContext, a0: bigint, a1: bigint, a2: bigint, a3: bigint): readonly bigint[] {
  const index = Number(a0);
  const op = SSE_OPS[index & (COLLECT - 1)] as SseOp;
  if (op === 'loadMxcsr') {
    const value = Number(a1);
    if ((value & ~MXCSR_MASK) !== 0) throw new GuestFault(13, 0);
    setMxcsr(c.s, value);
    return [0n, 0n];
  }
  const { result, flags } = exactSse(op, a1, a2, Number(a3) & 0xff, c.s.mxcsr);
  if ((index & COLLECT) === 0) report(c, flags);
  return [result, BigInt(flags)];
}
