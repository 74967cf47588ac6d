/** MXCSR in the vCPU state, with the derived member that tells all tiers whether their fast arithmetic may be used. */
import type { VcpuState } from '../context.ts';

/** Bits of MXCSR this processor has (SDM vol. 1, 10.2.3): DAZ is one of them. Also the MXCSR_MASK of FXSAVE. */
export const MXCSR_MASK = 0xffff;

/** DAZ, FTZ and RC clear, all exceptions masked, PE sticky. */
const FAST_BITS = 0x8000 | 0x6000 | 0x1f80 | 0x40 | 0x20;
const FAST_VALUE = 0x1f80 | 0x20;

export function setMxcsr(s: VcpuState, value: number): void {
  s.mxcsr = value;
  s.sseFast = (value & FAST_BITS) === FAST_VALUE ? 1 : 0;
}
