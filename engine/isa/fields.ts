/** Names by which definitions reach processor state; engine/cpu/state.ts places each of them. */

/** State members a definition may read or write as integers (zero-extended). */
export type Field =
  | 'cr0'
  | 'cr2'
  | 'cr3'
  | 'cr4'
  | 'cr8'
  | 'efer'
  | 'xcr0'
  | 'dr6'
  | 'dr7'
  | 'fsBase'
  | 'gsBase'
  | 'kernelGsBase'
  | 'csBase'
  | 'ssBase'
  | 'dsBase'
  | 'esBase'
  | 'esSelector'
  | 'csSelector'
  | 'ssSelector'
  | 'dsSelector'
  | 'fsSelector'
  | 'gsSelector'
  | 'ldtrSelector'
  | 'trSelector'
  | 'gdtrBase'
  | 'gdtrLimit'
  | 'idtrBase'
  | 'idtrLimit'
  | 'star'
  | 'lstar'
  | 'cstar'
  | 'sfmask'
  | 'tscAux'
  | 'fcw'
  | 'fsw'
  | 'ftop'
  | 'ftag'
  | 'fop'
  | 'fip'
  | 'fdp'
  | 'fcs'
  | 'fds'
  | 'mxcsr'
  | 'cpl';

/** What a slow routine is: arguments and results it takes, whether it ends the block, and what it does. */
export interface SlowRoutine {
  readonly args: number;
  readonly results: 0 | 1 | 2;
  /** The routine sets RIP (or the next instruction may be fetched differently): nothing may follow the call. */
  readonly ends: boolean;
  readonly doc: string;
}

const routine = (args: number, results: 0 | 1 | 2, ends: boolean, doc: string): SlowRoutine => ({ args, results, ends, doc });

/**
 * Named slow routines: rare or huge behaviour, written in TypeScript over the state block (engine/cpu/system, engine/cpu/fpu) and called
 * by every tier. Values are as in `Emitter.slow`. Order is not significant; the generator numbers them.
 */
export const SLOW = {
  // far transfers and system instructions: integer and system definitions
  jumpFar: routine(3, 0, true, 'JMP far: selector, offset, operand width'),
  callFar: routine(3, 0, true, 'CALL far: selector, offset, operand width'),
  returnFar: routine(2, 0, true, 'RETF: operand width, bytes to release'),
  interrupt: routine(2, 0, true, 'INT n, INT3, INTO, INT1: vector, kind (0 int n, 1 int3, 2 into, 3 int1)'),
  iret: routine(1, 0, true, 'IRET, IRETD, IRETQ: operand width'),
  syscall: routine(0, 0, true, 'SYSCALL'),
  sysret: routine(1, 0, true, 'SYSRET: operand width (64: to 64-bit code)'),
  sysenter: routine(0, 0, true, 'SYSENTER'),
  sysexit: routine(1, 0, true, 'SYSEXIT: operand width'),
  loadSegment: routine(
    2,
    0,
    false,
    'MOV to segment register, POP, LxS: segment number 0 ES … 5 GS, selector; rSP, shadow and block end are the definition’s',
  ),
  loadLdt: routine(1, 0, true, 'LLDT: selector'),
  loadTr: routine(1, 0, true, 'LTR: selector'),
  loadGdt: routine(2, 0, true, 'LGDT: limit, base'),
  loadIdt: routine(2, 0, true, 'LIDT: limit, base'),
  verify: routine(2, 1, false, 'VERR (0) or VERW (1): selector, which; 1 when allowed'),
  accessRights: routine(1, 2, false, 'LAR: [attributes as LAR returns them, 1 when loaded]'),
  segmentLimit: routine(1, 2, false, 'LSL: [limit in bytes, 1 when loaded]'),
  readControl: routine(1, 1, false, 'MOV from CRn: number'),
  writeControl: routine(2, 0, true, 'MOV to CRn: number, value'),
  lmsw: routine(1, 0, true, 'LMSW: value'),
  clts: routine(0, 0, true, 'CLTS'),
  readDebug: routine(1, 1, false, 'MOV from DRn: number'),
  writeDebug: routine(2, 0, true, 'MOV to DRn: number, value'),
  rdmsr: routine(0, 0, false, 'RDMSR'),
  wrmsr: routine(0, 0, true, 'WRMSR'),
  rdtsc: routine(0, 1, false, 'RDTSC: the 64-bit count, after the CR4.TSD check'),
  rdtscp: routine(0, 1, false, 'RDTSCP: the 64-bit count; RCX is set by the definition from tscAux'),
  rdpmc: routine(0, 1, false, 'RDPMC: the 64-bit count'),
  cpuid: routine(0, 0, false, 'CPUID: EAX EBX ECX EDX in place'),
  xgetbv: routine(0, 1, false, 'XGETBV of ECX'),
  xsetbv: routine(0, 0, true, 'XSETBV of ECX, EDX:EAX'),
  invlpg: routine(1, 0, true, 'INVLPG: linear address'),
  invpcid: routine(3, 0, true, 'INVPCID: type, descriptor low, descriptor high'),
  flushAll: routine(0, 0, true, 'INVD, WBINVD: privilege check only'),
  portIn: routine(2, 1, false, 'IN: port, width (bit 8: immediate port); permission checked, I/O breakpoints noted'),
  portOut: routine(3, 0, false, 'OUT: port, width (bit 8: immediate port), value; the definition ends the block'),
  checkPort: routine(2, 0, false, 'Permission for INS/OUTS before memory is touched: port, width'),
  hlt: routine(0, 0, true, 'HLT'),
  monitor: routine(1, 0, false, 'MONITOR: linear address'),
  mwait: routine(0, 0, true, 'MWAIT'),
  pause: routine(0, 0, false, 'PAUSE: a hint to the thread scheduler'),
  popf: routine(
    2,
    0,
    true,
    'POPF in virtual-8086 mode with VME, or where TF, VM, VIF or VIP are touched: value, width; rSP has been advanced',
  ),
  cliSti: routine(1, 0, true, 'CLI (0) or STI (1) where CPL exceeds IOPL: VME, PVI or #GP'),
  rsm: routine(0, 0, true, 'RSM outside SMM: #UD'),
  smsw: routine(0, 1, false, 'SMSW: CR0 as the instruction shows it'),
  storeTable: routine(0, 0, false, 'SGDT, SIDT: nothing outside VMX non-root operation'),
  storeSelector: routine(0, 0, false, 'SLDT, STR: nothing outside VMX non-root operation'),
  // VMX; results are 0 VMsucceed, 1 VMfailInvalid, 2 VMfailValid
  vmxAllowed: routine(1, 0, false, 'What VMX instructions check before their operands: basic exit reason of the instruction'),
  vmxon: routine(1, 1, false, 'VMXON: pointer'),
  vmxoff: routine(0, 1, false, 'VMXOFF'),
  vmclear: routine(1, 1, false, 'VMCLEAR: pointer'),
  vmptrld: routine(1, 1, false, 'VMPTRLD: pointer'),
  vmptrst: routine(0, 1, false, 'VMPTRST: the current-VMCS pointer'),
  vmread: routine(1, 2, false, 'VMREAD: encoding; value, result'),
  vmwrite: routine(2, 1, false, 'VMWRITE: encoding, value'),
  vmcall: routine(0, 1, false, 'VMCALL in root operation'),
  vmfunc: routine(0, 0, true, 'VMFUNC: function in EAX, its argument in ECX'),
  vmEntry: routine(1, 0, true, 'VMLAUNCH (0), VMRESUME (1); sets the status flags itself when it fails'),
  invept: routine(3, 1, false, 'INVEPT: type, descriptor low, high'),
  invvpid: routine(3, 1, false, 'INVVPID: type, descriptor low, high'),
  // x87, FXSAVE, XSAVE: floating-point definitions; e is the linear effective address made with Emitter.address plus segment by the routine
  fxsave: routine(2, 0, false, 'FXSAVE: linear address, 1 for the 64-bit format'),
  fxrstor: routine(2, 0, true, 'FXRSTOR: linear address, 1 for the 64-bit format'),
  xsave: routine(3, 0, false, 'XSAVE: linear address, 1 for the 64-bit format, 1 for XSAVEOPT'),
  xrstor: routine(2, 0, true, 'XRSTOR: linear address, 1 for the 64-bit format'),
  /** Exact SSE operation where the fast path may not be used: kind (index in SSE_OPS), operand bits; result in [0]. */
  sse: routine(4, 2, false, 'Exact SSE floating-point operation: index in SSE_OPS, a, b, immediate or third operand'),
  x87: routine(4, 2, false, 'Exact x87 operation: index in X87_OPS, then what that operation takes'),
} as const satisfies Record<string, SlowRoutine>;

export type SlowName = keyof typeof SLOW;
