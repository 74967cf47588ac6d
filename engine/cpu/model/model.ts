/**
 * Processor models: what CPUID claims, which CR4 bits can be set, how wide addresses are. A model is data; nothing else in the engine
 * asks for a processor's name.
 */
import type { FeatureName } from '../../isa/attributes.ts';

/** The processor state that CPUID shows. */
export interface CpuidView {
  readonly cr4: number;
  readonly xcr0: number;
  /** Low half of IA32_MISC_ENABLE. */
  readonly miscEnable: number;
  /** IA32_MISC_ENABLE bit 34. */
  readonly xdDisabled: boolean;
  /** IA32_APIC_BASE bit 11. */
  readonly apicEnabled: boolean;
  /** In 64-bit mode: Intel claims SYSCALL only there. */
  readonly long: boolean;
  readonly apicId: number;
  readonly vcpus: number;
}

/** Frequencies the machine gives the processor: of the TSC, and of the local APIC timer's clock (the "crystal" of CPUID leaf 15H). */
export interface CpuClocks {
  readonly tscHz: number;
  readonly apicHz: number;
}

/** Static part of a model. */
export interface ModelFacts {
  readonly name: string;
  /** Brand string, at most 47 characters. */
  readonly brand: string;
  /** CPUID.1:EAX, also in EDX after reset. */
  readonly signature: number;
  /** Features that gate opcodes (isa/attributes.ts). */
  readonly opcodes: readonly FeatureName[];
  /** CPUID.1:ECX and EDX, CPUID.7.0:EBX and EDX, CPUID.80000001H:ECX and EDX, without bits that depend on state. */
  readonly ecx1: number;
  readonly edx1: number;
  readonly ebx7: number;
  readonly edx7: number;
  /** CPUID.7.2:EDX. */
  readonly edx72: number;
  readonly ecx81: number;
  readonly edx81: number;
  /** Bits of CR4 software may set. */
  readonly cr4: number;
  readonly physicalBits: number;
  readonly maxLeaf: number;
  /** IA32_ARCH_CAPABILITIES, where CPUID.7.0:EDX bit 29 claims it. */
  readonly archCapabilities: bigint;
  /** IA32_MISC_ENABLE after power-up. */
  readonly miscEnable: bigint;
}

export interface CpuModel extends ModelFacts {
  /** `opcodes` as the decoder takes it. */
  readonly decodeFeatures: number;
  readonly clocks: CpuClocks;
  /** EAX, EBX, ECX, EDX of a leaf, as this processor state shows them (SDM vol. 2A, CPUID). */
  cpuid(leaf: number, subleaf: number, view: CpuidView): readonly [number, number, number, number];
}
