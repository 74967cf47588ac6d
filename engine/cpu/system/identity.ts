/** CPUID, and the counters: RDTSC, RDTSCP, RDPMC (SDM vol. 2). */
import type { SlowContext } from '../context.ts';
import type { CpuidView } from '../model/model.ts';
import { raiseGp } from './faults.ts';
import { cr4, gpr32, is64, isProtected, low32, RAX, RBX, RCX, RDX, setGpr32 } from './registers.ts';

const CR4_TSD = 4;
const APIC_BASE = 0x1b;
const APIC_ENABLED = 0x800n;

/** The processor state that CPUID shows. */
export function cpuidView(c: SlowContext): CpuidView {
  const { s } = c;
  return {
    cr4: cr4(s),
    xcr0: low32(s.xcr0),
    miscEnable: low32(s.miscEnable),
    xdDisabled: (s.miscEnable & (1n << 34n)) !== 0n,
    apicEnabled: ((c.host.readMsr(c.index, APIC_BASE) ?? APIC_ENABLED) & APIC_ENABLED) !== 0n,
    long: is64(s),
    apicId: c.index,
    vcpus: c.vcpus,
  };
}

export function cpuid(c: SlowContext): void {
  const { s } = c;
  const [a, b, cx, d] = c.features.cpuid(gpr32(s, RAX), gpr32(s, RCX), cpuidView(c));
  setGpr32(s, RAX, a);
  setGpr32(s, RBX, b);
  setGpr32(s, RCX, cx);
  setGpr32(s, RDX, d);
}

/** The time-stamp counter, unless CR4.TSD reserves it for CPL 0. */
export function readTsc(c: SlowContext): bigint {
  if ((cr4(c.s) & CR4_TSD) !== 0 && c.s.cpl !== 0 && isProtected(c.s)) raiseGp();
  return c.tsc();
}

/** No performance counters (CPUID leaf 0AH, version 0): every counter number is invalid. */
export function readPmc(): bigint {
  return raiseGp();
}
