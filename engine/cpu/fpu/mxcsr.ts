/** MXCSR in the vCPU state. */
import type { VcpuState } from '../context.ts';

/** Bits of MXCSR this processor has (SDM vol. 1, 10.2.3): DAZ is one of them. Also the MXCSR_MASK of FXSAVE. */
export const MXCSR_MASK = 0xffff;

export function setMxcsr(s: VcpuState, value: number): void {
  s.mxcsr = value;
}
