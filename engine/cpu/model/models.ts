/** The processor models a machine can have. Vendor is GenuineIntel in all; only what this processor does is claimed. */
import { featureBits } from '../../isa/attributes.ts';
import { ARCH_CAPABILITIES_UNAFFECTED, bits, CR4, EBX7, ECX1, ECX81, EDX1, EDX7, EDX72, EDX81 } from './bits.ts';
import { cpuidLeaf } from './cpuid.ts';
import type { CpuClocks, CpuModel, ModelFacts } from './model.ts';

const cr4Of64 = bits(CR4.tsd, CR4.de, CR4.pse, CR4.pae, CR4.mce, CR4.pge, CR4.pce, CR4.osfxsr, CR4.osxmmexcpt);

/** Family 15, the oldest processor 64-bit systems run on: SSE3 and CMPXCHG16B, no virtual-8086 extensions, no x2APIC. */
const qemu64: ModelFacts = {
  name: 'qemu64',
  brand: 'Rootmode qemu64 processor',
  signature: 0x00060fb1,
  opcodes: ['fpu', 'mmx', 'sse', 'sse2', 'sse3', 'cx16', 'clflush', 'lahf', 'sysenter', 'cmov', 'fxsr'],
  ecx1: bits(ECX1.sse3, ECX1.cx16),
  edx1: bits(
    ...[EDX1.fpu, EDX1.de, EDX1.pse, EDX1.tsc, EDX1.msr, EDX1.pae, EDX1.mce, EDX1.cx8, EDX1.apic, EDX1.sep, EDX1.mtrr, EDX1.pge],
    ...[EDX1.mca, EDX1.cmov, EDX1.pat, EDX1.pse36, EDX1.clfsh, EDX1.mmx, EDX1.fxsr, EDX1.sse, EDX1.sse2],
  ),
  ebx7: bits(EBX7.fdpExceptionsOnly, EBX7.noFpuSelectors),
  edx7: 0,
  edx72: 0,
  ecx81: ECX81.lahf,
  edx81: bits(EDX81.syscall, EDX81.nx, EDX81.lm),
  cr4: cr4Of64,
  physicalBits: 40,
  maxLeaf: 0xd,
  archCapabilities: 0n,
  miscEnable: 0x1801n,
};

/** The x86-64-v2 level of the psABI (to SSE4.2 and POPCNT) on a family 6 processor, with the system features Linux makes use of. */
const v2: ModelFacts = {
  name: 'x86-64-v2',
  brand: 'Rootmode x86-64-v2 processor',
  signature: 0x000206c2,
  opcodes: [
    ...qemu64.opcodes,
    ...(['ssse3', 'sse41', 'sse42', 'popcnt', 'fsgsbase', 'rdtscp', 'monitor', 'invpcid', 'smap', 'xsave'] as const),
  ],
  ecx1: bits(
    ...[qemu64.ecx1, ECX1.monitor, ECX1.ssse3, ECX1.pcid, ECX1.sse41, ECX1.sse42, ECX1.x2apic, ECX1.popcnt, ECX1.tscDeadline],
    ECX1.xsave,
  ),
  edx1: bits(qemu64.edx1, EDX1.vme, EDX1.ss),
  ebx7: bits(qemu64.ebx7, EBX7.fsgsbase, EBX7.tscAdjust, EBX7.smep, EBX7.erms, EBX7.invpcid, EBX7.smap),
  edx7: bits(EDX7.specCtrl, EDX7.stibp, EDX7.archCapabilities, EDX7.ssbd),
  edx72: EDX72.bhiCtrl,
  ecx81: ECX81.lahf,
  edx81: bits(qemu64.edx81, EDX81.gib, EDX81.rdtscp),
  cr4: bits(cr4Of64, CR4.vme, CR4.pvi, CR4.fsgsbase, CR4.pcide, CR4.osxsave, CR4.smep, CR4.smap),
  physicalBits: 40,
  maxLeaf: 0x16,
  archCapabilities: ARCH_CAPABILITIES_UNAFFECTED,
  miscEnable: 0x41801n,
};

/** The same with VMX, for hypervisors as guests on `bare`. */
const v2Vmx: ModelFacts = {
  ...v2,
  name: 'x86-64-v2-vmx',
  opcodes: [...v2.opcodes, 'vmx'],
  ecx1: bits(v2.ecx1, ECX1.vmx),
};

const models: readonly ModelFacts[] = [v2, qemu64, v2Vmx];

/** The same processor with VMX, where it has none. */
export const withVmx = (model: CpuModel): CpuModel =>
  makeModel(
    { ...model, opcodes: [...new Set([...model.opcodes, 'vmx' as const])], ecx1: bits(model.ecx1, ECX1.vmx) },
    model.clocks,
  );

function makeModel(facts: ModelFacts, clocks: CpuClocks): CpuModel {
  const model: CpuModel = {
    ...facts,
    clocks,
    decodeFeatures: featureBits(facts.opcodes),
    cpuid: (leaf, subleaf, view) => cpuidLeaf(model, { leaf: leaf >>> 0, subleaf: subleaf >>> 0 }, view),
  };
  return model;
}

/** Names for `--cpu`, the default first. */
export const CPU_MODEL_NAMES: readonly string[] = models.map((m) => m.name);

/** A model by name; `undefined` when there is none of that name. */
export function cpuModel(name: string, clocks: CpuClocks): CpuModel | undefined {
  const facts = models.find((m) => m.name === name);
  return facts && makeModel(facts, clocks);
}
