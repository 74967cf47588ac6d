/** CPUID feature bits by name (SDM vol. 2A, CPUID, tables 3-8 to 3-11), CR4 bits (vol. 3, 2.5) and IA32_ARCH_CAPABILITIES (vol. 4). */

const bit = (n: number): number => (1 << n) >>> 0;
/** OR of bits, unsigned. */
export const bits = (...values: readonly number[]): number => values.reduce((a, b) => (a | b) >>> 0, 0);

export const ECX1 = {
  sse3: bit(0),
  monitor: bit(3),
  vmx: bit(5),
  ssse3: bit(9),
  cx16: bit(13),
  pcid: bit(17),
  sse41: bit(19),
  sse42: bit(20),
  x2apic: bit(21),
  popcnt: bit(23),
  tscDeadline: bit(24),
  xsave: bit(26),
  osxsave: bit(27),
} as const;

export const EDX1 = {
  fpu: bit(0),
  vme: bit(1),
  de: bit(2),
  pse: bit(3),
  tsc: bit(4),
  msr: bit(5),
  pae: bit(6),
  mce: bit(7),
  cx8: bit(8),
  apic: bit(9),
  sep: bit(11),
  mtrr: bit(12),
  pge: bit(13),
  mca: bit(14),
  cmov: bit(15),
  pat: bit(16),
  pse36: bit(17),
  clfsh: bit(19),
  mmx: bit(23),
  fxsr: bit(24),
  sse: bit(25),
  sse2: bit(26),
  ss: bit(27),
  htt: bit(28),
} as const;

export const EBX7 = {
  fsgsbase: bit(0),
  tscAdjust: bit(1),
  /** The x87 data pointer changes with unmasked exceptions only. */
  fdpExceptionsOnly: bit(6),
  smep: bit(7),
  erms: bit(9),
  invpcid: bit(10),
  /** The x87 unit keeps no selectors. */
  noFpuSelectors: bit(13),
  smap: bit(20),
} as const;
export const EDX7 = { specCtrl: bit(26), stibp: bit(27), archCapabilities: bit(29), ssbd: bit(31) } as const;
/** BHI_DIS_S in IA32_SPEC_CTRL: without it Linux clears the branch history in software at each system call, BHI_NO or not. */
export const EDX72 = { bhiCtrl: bit(4) } as const;
export const ECX81 = { lahf: bit(0) } as const;
export const EDX81 = { syscall: bit(11), nx: bit(20), gib: bit(26), rdtscp: bit(27), lm: bit(29) } as const;

export const CR4 = {
  vme: bit(0),
  pvi: bit(1),
  tsd: bit(2),
  de: bit(3),
  pse: bit(4),
  pae: bit(5),
  mce: bit(6),
  pge: bit(7),
  pce: bit(8),
  osfxsr: bit(9),
  osxmmexcpt: bit(10),
  umip: bit(11),
  vmxe: bit(13),
  fsgsbase: bit(16),
  pcide: bit(17),
  osxsave: bit(18),
  smep: bit(20),
  smap: bit(21),
} as const;

/**
 * Every "not affected" bit: nothing here runs speculatively. RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, IF_PSCHANGE_MC_NO,
 * TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO, ITS_NO.
 */
export const ARCH_CAPABILITIES_UNAFFECTED = [0, 1, 3, 4, 5, 6, 8, 13, 14, 15, 20, 24, 26, 27, 62].reduce(
  (all, n) => all | (1n << BigInt(n)),
  0n,
);
