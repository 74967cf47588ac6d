/**
 * State of one logical processor, declared once: layout, reset values, wire names, documentation. Generated code reaches members by
 * constant offsets from the block's base (`offset('rip')`), TypeScript through the bound accessor.
 *
 * Registers at power-up: SDM vol. 3, table 9-1. Segment attributes are in VMCS access-rights form (SDM 24.4.1).
 */
import { FIXED } from '../memory/index.ts';
import { array, bytes, defineState, u8, u16, u32, u64 } from '../state/index.ts';

/** Names of general registers by their place in `gpr`, which is that of their encoding. */
export const GENERAL_REGISTERS = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;

/** Byte offset of ES; CS SS DS FS GS LDTR TR follow. */
const SEGMENTS_AT = 160;

/** Members of one segment register. All eight have the same layout, 24 bytes apart, beginning with ES at `SEGMENTS_AT`. */
const segment = <P extends string>(
  prefix: P,
  first: number,
  reset: { selector?: number; base?: bigint; attr: number },
  kvm: string,
) =>
  ({
    [`${prefix}Selector`]: u16({
      id: first,
      at: SEGMENTS_AT + 24 * ((first - 10) / 4),
      reset: reset.selector ?? 0,
      doc: `${prefix.toUpperCase()} selector`,
      kvm: `${kvm}.selector`,
    }),
    [`${prefix}Base`]: u64({
      id: first + 1,
      reset: reset.base ?? 0n,
      doc: `${prefix.toUpperCase()} base (linear)`,
      kvm: `${kvm}.base`,
    }),
    [`${prefix}Limit`]: u32({
      id: first + 2,
      reset: 0xffff,
      doc: `${prefix.toUpperCase()} limit in bytes, inclusive`,
      kvm: `${kvm}.limit`,
    }),
    [`${prefix}Attr`]: u32({
      id: first + 3,
      reset: reset.attr,
      doc: `${prefix.toUpperCase()} access rights, VMCS format`,
      kvm: `${kvm}.attr`,
    }),
  }) as { [K in `${P}Selector`]: ReturnType<typeof u16> } & { [K in `${P}Base`]: ReturnType<typeof u64> } & {
    [K in `${P}Limit` | `${P}Attr`]: ReturnType<typeof u32>;
  };

const derived = { member: 'derived' } as const;

export const vcpuState = defineState('vcpu', {
  gpr: array('u64', 16, { id: 1, doc: 'rAX rCX rDX rBX rSP rBP rSI rDI r8 … r15', kvm: 'kvm_regs.rax…r15' }),
  rip: u64({ id: 2, reset: 0xfff0n, doc: 'Instruction pointer (offset in CS)', kvm: 'kvm_regs.rip' }),
  flagResult: u64({
    id: 3,
    reset: 1n,
    doc: 'Last result, sign-extended from its width: Z, S and P come from it',
    kvm: 'kvm_regs.rflags',
  }),
  flagAux: u64({
    id: 4,
    reset: 0x100n,
    doc: 'Bit 63 C, bit 62 C xor O, bit 3 A, bit 0 inverts S, bits 15:8 are xored into the parity byte',
  }),
  sysFlags: u32({ id: 5, reset: 2, doc: 'RFLAGS but the six status flags; bit 1 reads 1', kvm: 'kvm_regs.rflags' }),
  ...segment('es', 10, { attr: 0x93 }, 'kvm_sregs.es'),
  ...segment('cs', 14, { selector: 0xf000, base: 0xffff0000n, attr: 0x9b }, 'kvm_sregs.cs'),
  ...segment('ss', 18, { attr: 0x93 }, 'kvm_sregs.ss'),
  ...segment('ds', 22, { attr: 0x93 }, 'kvm_sregs.ds'),
  ...segment('fs', 26, { attr: 0x93 }, 'kvm_sregs.fs'),
  ...segment('gs', 30, { attr: 0x93 }, 'kvm_sregs.gs'),
  ...segment('ldtr', 34, { attr: 0x82 }, 'kvm_sregs.ldt'),
  ...segment('tr', 38, { attr: 0x8b }, 'kvm_sregs.tr'),
  gdtrBase: u64({ id: 42, doc: 'GDT base', kvm: 'kvm_sregs.gdt.base' }),
  gdtrLimit: u32({ id: 43, reset: 0xffff, doc: 'GDT limit', kvm: 'kvm_sregs.gdt.limit' }),
  idtrBase: u64({ id: 44, doc: 'IDT base', kvm: 'kvm_sregs.idt.base' }),
  idtrLimit: u32({ id: 45, reset: 0xffff, doc: 'IDT limit', kvm: 'kvm_sregs.idt.limit' }),
  cr0: u64({ id: 50, reset: 0x60000010n, doc: 'CR0', kvm: 'kvm_sregs.cr0' }),
  cr2: u64({ id: 51, doc: 'CR2: linear address of the last page fault', kvm: 'kvm_sregs.cr2' }),
  cr3: u64({ id: 52, doc: 'CR3', kvm: 'kvm_sregs.cr3' }),
  cr4: u64({ id: 53, doc: 'CR4', kvm: 'kvm_sregs.cr4' }),
  cr8: u64({ id: 54, doc: 'CR8 as last read from the local APIC; the APIC owns the task priority', ...derived }),
  efer: u64({ id: 55, doc: 'IA32_EFER', kvm: 'kvm_sregs.efer' }),
  xcr0: u64({ id: 56, reset: 1n, doc: 'XCR0', kvm: 'kvm_xcrs.xcr0' }),
  pdpte: array('u64', 4, { id: 57, doc: 'PDPTEs loaded with CR3 in PAE mode', kvm: 'kvm_sregs2.pdptrs' }),
  dr: array('u64', 4, { id: 58, doc: 'DR0 to DR3', kvm: 'kvm_debugregs.db' }),
  dr6: u64({ id: 59, reset: 0xffff0ff0n, doc: 'DR6', kvm: 'kvm_debugregs.dr6' }),
  dr7: u64({ id: 60, reset: 0x400n, doc: 'DR7', kvm: 'kvm_debugregs.dr7' }),
  star: u64({ id: 61, doc: 'IA32_STAR', kvm: 'msr 0xc0000081' }),
  lstar: u64({ id: 62, doc: 'IA32_LSTAR', kvm: 'msr 0xc0000082' }),
  cstar: u64({ id: 63, doc: 'IA32_CSTAR', kvm: 'msr 0xc0000083' }),
  sfmask: u64({ id: 64, doc: 'IA32_FMASK', kvm: 'msr 0xc0000084' }),
  kernelGsBase: u64({ id: 65, doc: 'IA32_KERNEL_GS_BASE', kvm: 'msr 0xc0000102' }),
  tscAux: u64({ id: 66, doc: 'IA32_TSC_AUX', kvm: 'msr 0xc0000103' }),
  sysenterCs: u64({ id: 67, doc: 'IA32_SYSENTER_CS', kvm: 'msr 0x174' }),
  sysenterEsp: u64({ id: 68, doc: 'IA32_SYSENTER_ESP', kvm: 'msr 0x175' }),
  sysenterEip: u64({ id: 69, doc: 'IA32_SYSENTER_EIP', kvm: 'msr 0x176' }),
  pat: u64({ id: 70, reset: 0x0007040600070406n, doc: 'IA32_PAT', kvm: 'msr 0x277' }),
  tscAdjust: u64({ id: 71, doc: 'IA32_TSC_ADJUST', kvm: 'msr 0x3b' }),
  tscOffset: u64({
    id: 72,
    doc: 'Added to the host side of the time-stamp counter by writes to IA32_TIME_STAMP_COUNTER',
    kvm: 'msr 0x10',
  }),
  miscEnable: u64({ id: 73, reset: 1n, doc: 'IA32_MISC_ENABLE; bit 0 fast strings', kvm: 'msr 0x1a0' }),
  mtrrDefType: u64({ id: 74, doc: 'IA32_MTRR_DEF_TYPE', kvm: 'msr 0x2ff' }),
  mtrrFixed: array('u64', 11, {
    id: 75,
    doc: 'Fixed-range MTRRs: 64K_00000, 16K_80000, 16K_A0000, 4K_C0000 … 4K_F8000',
    kvm: 'msr 0x250…0x26f',
  }),
  mtrrVariable: array('u64', 16, { id: 76, doc: 'Eight PHYSBASE, PHYSMASK pairs', kvm: 'msr 0x200…0x20f' }),
  mcgStatus: u64({ id: 77, doc: 'IA32_MCG_STATUS', kvm: 'msr 0x17a' }),
  mcBanks: array('u64', 40, { id: 78, doc: 'Ten machine-check banks: CTL, STATUS, ADDR, MISC each', kvm: 'msr 0x400…' }),
  cpl: u8({ id: 80, range: [0, 3], doc: 'Current privilege level (DPL of SS)', kvm: 'kvm_sregs.ss.dpl' }),
  fpr: bytes(128, {
    id: 90,
    align: 16,
    doc: 'x87 registers, eight slots of 16 bytes by physical number: significand, then sign and exponent',
    kvm: 'kvm_fpu.fpr',
  }),
  fcw: u16({ id: 91, reset: 0x40, doc: 'x87 control word', kvm: 'kvm_fpu.fcw' }),
  fsw: u16({ id: 92, doc: 'x87 status word without TOP', mask: 0xc7ff, kvm: 'kvm_fpu.fsw' }),
  ftop: u8({ id: 93, range: [0, 7], doc: 'x87 TOP', kvm: 'kvm_fpu.fsw' }),
  ftag: u8({ id: 94, reset: 0xff, doc: 'Bit i: physical register i is not empty (FXSAVE form)', kvm: 'kvm_fpu.ftwx' }),
  fop: u16({ id: 95, mask: 0x7ff, doc: 'Last x87 opcode', kvm: 'kvm_fpu.last_opcode' }),
  fip: u64({ id: 96, doc: 'Last x87 instruction offset', kvm: 'kvm_fpu.last_ip' }),
  fdp: u64({ id: 97, doc: 'Last x87 operand offset', kvm: 'kvm_fpu.last_dp' }),
  fcs: u16({ id: 98, doc: 'Last x87 instruction selector' }),
  fds: u16({ id: 99, doc: 'Last x87 operand selector' }),
  xmm: bytes(256, { id: 100, align: 16, doc: 'XMM0 to XMM15', kvm: 'kvm_fpu.xmm' }),
  mxcsr: u32({ id: 101, reset: 0x1f80, mask: 0xffff, doc: 'MXCSR', kvm: 'kvm_fpu.mxcsr' }),
  excVector: u8({ id: 110, doc: 'Vector of the queued exception', kvm: 'kvm_vcpu_events.exception.nr' }),
  excPending: u32({
    id: 111,
    range: [0, 2],
    doc: '1: an exception is queued, 2: a VM exit; the instruction that raised it had no effect',
    kvm: 'kvm_vcpu_events.exception.injected',
  }),
  excHasError: u8({
    id: 112,
    range: [0, 1],
    doc: 'The queued exception pushes an error code',
    kvm: 'kvm_vcpu_events.exception.has_error_code',
  }),
  excError: u32({ id: 113, doc: 'Error code of the queued exception', kvm: 'kvm_vcpu_events.exception.error_code' }),
  excAddress: u64({
    id: 114,
    doc: 'Linear address of the queued page fault, moved to CR2 on delivery',
    kvm: 'kvm_vcpu_events.exception_payload',
  }),
  nmiBlocked: u8({ id: 115, range: [0, 1], doc: 'NMIs are blocked until IRET', kvm: 'kvm_vcpu_events.nmi.masked' }),
  shadow: u8({
    id: 116,
    range: [0, 2],
    doc: 'Interrupt shadow: 1 by STI, 2 by MOV SS, for the next instruction only',
    kvm: 'kvm_vcpu_events.interrupt.shadow',
  }),
  activity: u8({
    id: 117,
    range: [0, 4],
    doc: '0 running, 1 halted, 2 shutdown, 3 waiting for SIPI, 4 in MWAIT',
    kvm: 'kvm_mp_state.mp_state',
  }),
  sipiVector: u8({ id: 118, doc: 'Vector of the last start-up IPI', kvm: 'kvm_vcpu_events.sipi_vector' }),
  retired: u64({ id: 119, doc: 'Instructions retired since reset' }),
  debugTraps: u32({
    id: 120,
    mask: 0xe00f,
    doc: 'DR6 bits of a debug trap due after the current instruction',
    kvm: 'kvm_vcpu_events.exception_payload',
  }),
  monitorAddress: u64({ id: 121, doc: 'Guest-physical line armed by MONITOR, all ones when none' }),
  request: u32({
    id: 122,
    doc: 'Requests from other threads, set atomically; bits in REQUEST',
    kvm: 'kvm_run.request_interrupt_window',
  }),
  monitorData: array('u64', 8, {
    id: 123,
    doc: 'The 64 bytes of that line when MONITOR armed it; MWAIT waits while they are unchanged',
  }),
  mwaitExtensions: u8({ id: 126, range: [0, 1], doc: '1: the MWAIT under way ends with a pending interrupt even while IF is 0' }),
  specCtrl: u64({ id: 124, doc: 'IA32_SPEC_CTRL: kept for software, nothing here is speculative', kvm: 'msr 0x48' }),
  mcgCtl: u64({ id: 125, doc: 'IA32_MCG_CTL', kvm: 'msr 0x17b' }),
  ferr: u8({ id: 127, range: [0, 1], doc: '1: the pending x87 error was reported by FERR# (CR0.NE clear)' }),
  // derived: recomputed from the above, never saved
  zero: u64({ id: 200, doc: 'Always 0: stands for an absent base or index register', ...derived }),
  ones: u64({ id: 201, reset: 0xffffffffffffffffn, doc: 'Address mask for 64-bit addresses', ...derived }),
  ones32: u64({ id: 202, reset: 0xffffffffn, doc: 'Address mask for 32-bit addresses', ...derived }),
  ones16: u64({ id: 203, reset: 0xffffn, doc: 'Address mask for 16-bit addresses', ...derived }),
  page8k: u64({
    id: 204,
    reset: 0x2000n,
    doc: 'Constant 8192, corrects RIP-relative displacements that would overflow',
    ...derived,
  }),
  ripBase: u64({ id: 205, doc: 'RIP at the start of the page of the running block', ...derived }),
  context: u64({ id: 206, reset: 16n, doc: 'TLB context of ordinary data accesses, 16 to 4095', ...derived }),
  contexts: array('u64', 4, { id: 207, doc: 'TLB contexts by user (bit 0) and EFLAGS.AC (bit 1)', ...derived }),
  jumpKey: u32({ id: 208, doc: 'Tag of jump-cache entries: code key and context', ...derived }),
  modeKey: u32({ id: 209, doc: 'What decoding depends on: code and stack size, kind of mode, flat segments', ...derived }),
  pollMask: u32({ id: 210, reset: 0xffffffff, doc: 'Request bits that stop generated code now', ...derived }),
  budget: u32({ id: 211, doc: 'Instructions run() may still retire', ...derived }),
  shadowBudget: u32({
    id: 212,
    reset: 0xffffffff,
    doc: 'Budget at which the interrupt shadow set by STI or MOV SS applies',
    ...derived,
  }),
  shadowKind: u32({ id: 213, doc: 'Kind of that shadow: 1 STI, 2 MOV SS', ...derived }),
  paging: u32({ id: 214, doc: '0 none, 1 32-bit, 2 PAE, 3 four-level', ...derived }),
  walkFlags: u32({
    id: 215,
    doc: 'Controls of the page walk: bit 0 CR0.WP, 1 NX, 2 SMEP, 3 SMAP, 4 PSE, 5 no write entries (data breakpoints or alignment checks on)',
    ...derived,
  }),
  slowData: u32({ id: 216, doc: 'Not zero: no TLB entry is made for data (data breakpoints, alignment checks)', ...derived }),
  segLow: array('u32', 12, {
    id: 217,
    doc: 'First offset inside the segment: ES CS SS DS FS GS for reads, then for writes',
    ...derived,
  }),
  segHigh: array('u32', 12, {
    id: 218,
    doc: 'Last offset inside the segment, same order; below segLow when no access is allowed',
    ...derived,
  }),
  scratch: array('u64', 8, { id: 220, doc: 'Arguments (0 to 3) and results (4, 5) of slow routines', ...derived }),
  physicalBits: u32({ id: 221, reset: 40, doc: 'Physical-address width of the model', ...derived }),
  index: u32({ id: 222, doc: 'Number of this vCPU', ...derived }),
  tlbMisses: u64({ id: 223, doc: 'Page walks done', ...derived }),
  stage: bytes(16, { id: 225, align: 16, doc: 'Bytes of a read-modify-write that cannot be done in place', ...derived }),
  stageLinear: u64({ id: 226, doc: 'Linear address the staged bytes go back to', ...derived }),
  stageBytes: u32({ id: 227, doc: 'How many bytes are staged', ...derived }),
  excCanonical: u32({
    id: 230,
    doc: '1: the queued #GP is for a non-canonical address and becomes #SS when the access was to the stack',
    ...derived,
  }),
  alignCheck: u32({ id: 231, doc: '1: misaligned user accesses raise #AC (CR0.AM, EFLAGS.AC, CPL 3)', ...derived }),
  fetchBase: u64({ id: 235, doc: 'Added to RIP to form the linear address of code: CS base, 0 in 64-bit code', ...derived }),
  longMode: u32({ id: 232, doc: '1 in 64-bit code', ...derived }),
  faultRecord: u32({ id: 236, doc: 'Record of the instruction that raised the queued exception', ...derived }),
  shared: u32({ id: 237, range: [0, 1], doc: '1: the machine has other vCPUs', ...derived }),
  exclusive: u32({ id: 238, range: [0, 1], doc: '1: this vCPU runs alone until its locked access is done', ...derived }),
  nonRoot: u32({ id: 240, range: [0, 1], doc: '1 in VMX non-root operation', kvm: 'kvm_nested_state.flags' }),
  vpid: u32({ id: 241, doc: 'VPID of the running guest, 0 in root operation', ...derived }),
  eptPointer: u64({ id: 242, doc: 'EPT pointer of the running guest, 0 without EPT', ...derived }),
  eptReason: u32({ id: 243, doc: 'Exit reason queued with excPending 2: 48 EPT violation, 49 EPT misconfiguration', ...derived }),
  eptQualification: u64({ id: 244, doc: 'Exit qualification queued with it', ...derived }),
  eptAddress: u64({ id: 245, doc: 'Guest-physical address queued with it', ...derived }),
  vmxonPointer: u64({
    id: 250,
    reset: 0xffffffffffffffffn,
    doc: 'VMXON pointer; all ones outside VMX operation',
    kvm: 'kvm_nested_state.hdr.vmx.vmxon_pa',
  }),
  vmcsPointer: u64({
    id: 251,
    reset: 0xffffffffffffffffn,
    doc: 'Current-VMCS pointer; all ones when there is none',
    kvm: 'kvm_nested_state.hdr.vmx.vmcs12_pa',
  }),
  injecting: u32({ id: 252, doc: 'Event that VM entry has still to inject, as in the VMCS; bit 31: there is one' }),
  preemptionEnd: u64({ id: 253, doc: 'Count of the VMX-preemption timer’s clock at which it has run out' }),
  pinControls: u32({ id: 254, doc: 'Pin-based controls of the running guest', ...derived }),
  procControls: u32({ id: 255, doc: 'Primary processor-based controls', ...derived }),
  proc2Controls: u32({ id: 256, doc: 'Secondary controls, 0 where they are not activated', ...derived }),
  exceptionBitmap: u32({ id: 257, doc: 'Exception bitmap of the running guest', ...derived }),
  interruptExits: u32({ id: 258, doc: '1: external interrupts cause VM exits whatever IF is', ...derived }),
  guestTscOffset: u64({ id: 259, doc: 'TSC offset of the running guest, 0 in root operation', ...derived }),
  pauseFirst: u64({ id: 260, doc: 'Time of the first PAUSE of a loop (PAUSE-loop exiting)', ...derived }),
  globalContexts: array('u64', 4, { id: 290, doc: 'TLB contexts of global pages, in the order of contexts', ...derived }),
  globalContext: u64({ id: 291, doc: 'TLB context of global pages for ordinary data accesses', ...derived }),
  codeKey: u32({ id: 347, doc: 'Mode key, and from bit 12 on the number of where the code segment ends', ...derived }),
  globalJumpKey: u32({ id: 292, doc: 'Tag of jump-cache entries of code in global pages', ...derived }),
  walkGlobal: u32({ id: 293, doc: 'Not zero: the page that was walked last is global', ...derived }),
  nextContext: u32({ id: 294, reset: 16, doc: 'TLB context that is given out next', ...derived }),
  recentSpaces: array('u32', 16, {
    id: 295,
    doc: 'Contexts of known address spaces, by the low bits of the PCID: PCID, first context from bit 12, bit 31 set',
    ...derived,
  }),
  largePages: array('u32', 32, {
    id: 299,
    doc: 'A bit for each GiB of linear addresses, by a hash of its number: a large page was met there',
    ...derived,
  }),
  pageFaultMask: u32({ id: 296, doc: 'Page-fault error-code mask of the running guest', ...derived }),
  pageFaultMatch: u32({ id: 297, doc: 'Page-fault error-code match of the running guest', ...derived }),
  softwareFault: u32({ id: 298, range: [0, 1], doc: '1: the queued exception was met while INT n was delivered', ...derived }),
  regionRecord: bytes(32, {
    id: 331,
    align: 8,
    doc: 'What routines that a region calls read of a record: length and offset of the next instruction',
    ...derived,
  }),
  jumpSource: u32({
    id: 330,
    doc: 'Host address after the computed jump by which a region was left last, 0 when the interpreter has seen it',
    ...derived,
  }),
  regionEntries: u64({ id: 340, doc: 'Times the interpreter entered a region', ...derived }),
  regionChains: u64({ id: 341, doc: 'Times a region went on in another', ...derived }),
  regionRetired: u64({ id: 342, doc: 'Instructions retired in regions', ...derived }),
  regionMissing: u64({ id: 343, doc: 'Times a region was left to where there is none', ...derived }),
  regionAsked: u64({ id: 344, doc: 'Times a region was left because of a request', ...derived }),
  regionStopped: u64({ id: 345, doc: 'Times a region left an instruction to the interpreter', ...derived }),
  regionFaulted: u64({ id: 346, doc: 'Times a region left a fault to the interpreter', ...derived }),
  pauseLast: u64({ id: 261, doc: 'Time of the last PAUSE', ...derived }),
  tscMultiplier: u64({
    id: 262,
    doc: 'TSC multiplier of the running guest (48 bits of fraction), 0 where it is not scaled',
    ...derived,
  }),
  pmlAddress: u64({
    id: 263,
    reset: 0xffffffffffffffffn,
    doc: 'Page-modification log of the running guest (physical); all ones when there is none',
    ...derived,
  }),
  pmlIndex: u32({ id: 264, doc: 'Next entry of that log; above 511 it is full' }),
  busTable: u32({
    id: 270,
    reset: FIXED.physTable,
    doc: 'Address of the table of physical pages this processor sees',
    ...derived,
  }),
  busOpen: u32({
    id: 271,
    range: [0, 1],
    doc: '1: guest-physical addresses that EPT leaves to a monitor go to the bus',
    ...derived,
  }),
  monitored: u32({ id: 272, range: [0, 1], doc: '1: VM exits end run() instead of going to HOST_RIP', ...derived }),
  watched: u32({ id: 273, range: [0, 1], doc: '1: a debugger is to be told of exceptions and control registers', ...derived }),
});

export type VcpuFieldName = keyof typeof vcpuState.fields & string;

/** What is counted of regions while they run. */
export type RegionCounter = Extract<VcpuFieldName, `region${string}`>;

/** Byte offset of a member from the base of the vCPU block. */
export function offsetOf(name: VcpuFieldName): number {
  return vcpuState.fields[name].offset;
}

/** Request bits other threads set in `request`; `debug` and `window` (a VM exit is due once IF is set) are the processor's own. */
export const REQUEST = {
  interrupt: 1,
  nmi: 2,
  init: 4,
  sipi: 8,
  stop: 16,
  flushTlb: 32,
  sync: 64,
  debug: 128,
  window: 256,
} as const;
