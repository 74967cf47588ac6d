/**
 * Register groups with KVM's names and members (linux/kvm.h, asm/kvm.h). 64-bit members are bigints, narrower ones numbers. What a back
 * end gives, another takes.
 */

export interface KvmRegs {
  rax: bigint;
  rbx: bigint;
  rcx: bigint;
  rdx: bigint;
  rsi: bigint;
  rdi: bigint;
  rsp: bigint;
  rbp: bigint;
  r8: bigint;
  r9: bigint;
  r10: bigint;
  r11: bigint;
  r12: bigint;
  r13: bigint;
  r14: bigint;
  r15: bigint;
  rip: bigint;
  rflags: bigint;
}

export interface KvmSegment {
  base: bigint;
  /** Bytes, inclusive. */
  limit: number;
  selector: number;
  type: number;
  present: number;
  dpl: number;
  db: number;
  s: number;
  l: number;
  g: number;
  avl: number;
  unusable: number;
}

export interface KvmDtable {
  base: bigint;
  limit: number;
}

export const SEGMENTS = ['cs', 'ds', 'es', 'fs', 'gs', 'ss', 'tr', 'ldt'] as const;

export interface KvmSregs extends Record<(typeof SEGMENTS)[number], KvmSegment> {
  gdt: KvmDtable;
  idt: KvmDtable;
  cr0: bigint;
  cr2: bigint;
  cr3: bigint;
  cr4: bigint;
  /** 0..15. */
  cr8: bigint;
  efer: bigint;
  apic_base: bigint;
  /** KVM_GET_SREGS2: the PDPTEs loaded with CR3 in PAE mode. */
  pdptrs: readonly bigint[];
}

export interface KvmFpu {
  /** ST0 to ST7, 16 bytes each, 10 used. */
  fpr: readonly Uint8Array[];
  fcw: number;
  fsw: number;
  /** Bit i: physical register i is not empty. */
  ftwx: number;
  last_opcode: number;
  last_ip: bigint;
  last_dp: bigint;
  /** XMM0 to XMM15. */
  xmm: readonly Uint8Array[];
  mxcsr: number;
}

/** The area XSAVE would write in its standard form, 4096 bytes (KVM_GET_XSAVE); only x87 and SSE are in it. */
export interface KvmXsave {
  region: Uint8Array;
}

export interface KvmXcrs {
  xcr0: bigint;
}

export interface KvmDebugregs {
  db: readonly bigint[];
  dr6: bigint;
  dr7: bigint;
}

export interface KvmVcpuEvents {
  exception: { injected: number; nr: number; has_error_code: number; error_code: number };
  interrupt: { shadow: number };
  /** `pending`: how many wait, at most 2. */
  nmi: { pending: number; masked: number };
  sipi_vector: number;
  exception_payload: bigint;
}

/** KVM_MP_STATE_*. */
export const MP_STATE = { runnable: 0, uninitialized: 1, initReceived: 2, halted: 3, sipiReceived: 4 } as const;

export interface KvmMpState {
  mp_state: number;
}

/** The register page of the local APIC, 1024 bytes. */
export interface KvmLapicState {
  regs: Uint8Array;
}

/** MSR index and value. */
export type KvmMsrs = readonly (readonly [index: number, value: bigint])[];

export interface RegisterGroups {
  regs: KvmRegs;
  sregs: KvmSregs;
  fpu: KvmFpu;
  xsave: KvmXsave;
  xcrs: KvmXcrs;
  debugregs: KvmDebugregs;
  vcpu_events: KvmVcpuEvents;
  mp_state: KvmMpState;
  lapic: KvmLapicState;
  msrs: KvmMsrs;
}

export type RegisterGroup = keyof RegisterGroups;

/**
 * The order in which a complete state is set: APIC_BASE (sregs) decides how the APIC page reads, EFER and CR0 decide what segments mean,
 * the APIC page says whether IA32_TSC_DEADLINE can be set, mp_state goes last.
 */
export const GROUP_ORDER: readonly RegisterGroup[] = [
  'sregs',
  'regs',
  'fpu',
  'xsave',
  'xcrs',
  'debugregs',
  'lapic',
  'msrs',
  'vcpu_events',
  'mp_state',
];
