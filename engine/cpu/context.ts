/**
 * What slow routines see of the processor that runs them, and how they report faults. The interpreter, the JIT and the oracle each
 * implement `SlowContext`; `engine/cpu/system` and `engine/cpu/fpu` are written against it and nothing else.
 */

import type { WatchedEvent } from '../base/watcher.ts';
import type { CpuModel } from './model/model.ts';
import type { vcpuState } from './state.ts';
import type { CurrentVmcs } from './vmx/current-vmcs.ts';

/** The accessor of one vCPU's state block. */
export type VcpuState = ReturnType<(typeof vcpuState)['bind']>;

/** What the machine around the processor answers. All methods are called on the vCPU's own thread, inside `run()`. */
export interface CpuHost {
  mmioRead(vcpu: number, pa: number, size: 1 | 2 | 4): number;
  mmioWrite(vcpu: number, pa: number, size: 1 | 2 | 4, value: number): void;
  portRead(vcpu: number, port: number, size: 1 | 2 | 4): number;
  portWrite(vcpu: number, port: number, size: 1 | 2 | 4, value: number): void;
  /**
   * A monitored guest's IN or OUT is to exit, and nobody needs to see it leave: the exit is recorded and counted, and `portRead` or
   * `portWrite` serves it while the instruction is under way. Absent or false: it exits.
   */
  servesPort?(vcpu: number): boolean;
  /** The same for CPUID: what the guest is answered, EAX, EBX, ECX, EDX. Absent or undefined: it exits. */
  servesCpuid?(vcpu: number, leaf: number, subleaf: number): readonly [number, number, number, number] | undefined;
  /** Vector 0 to 255, or -1 when nothing is deliverable any more. */
  acknowledgeInterrupt(vcpu: number): number;
  /** Would `acknowledgeInterrupt` return a vector (task and processor priority honoured)? */
  interruptPending(vcpu: number): boolean;
  /** APIC_BASE 0x1b, x2APIC 0x800 to 0x8ff, TSC_DEADLINE 0x6e0. `undefined`: not one of the host's. */
  readMsr(vcpu: number, index: number): bigint | undefined;
  /** `false` raises #GP(0), `undefined` as for reading. */
  writeMsr(vcpu: number, index: number, value: bigint): boolean | undefined;
  /** CR8, 0 to 15: bits 7:4 of the local APIC's task priority. */
  getTpr(vcpu: number): number;
  setTpr(vcpu: number, cr8: number): void;
  /** Host side of the time-stamp counter, before the vCPU's own offset: a whole number, for it is asked often. */
  ticks(vcpu: number): number;
  /** The vCPU's own offset changed: IA32_TSC_DEADLINE is reached at another time now. */
  tscMoved?(vcpu: number): void;
  /** Something worth counting or showing happened. */
  signal?(vcpu: number, event: string): void;
}

/** Bits of an access by a routine. */
export type AccessWidth = 8 | 16 | 32 | 64;

/**
 * Privilege of an access (SDM vol. 3, 4.6.1): `user` CPL 3; `supervisor` explicit access below CPL 3 (SMAP looks at EFLAGS.AC);
 * `implicit` by the processor itself to descriptor tables and TSS (supervisor whatever CPL is, SMAP ignores AC).
 */
export type Access = 'user' | 'supervisor' | 'implicit';

/**
 * Guest memory by linear address, any alignment, crossing pages where need be. A page fault throws `GuestFault` (vector 14) before
 * anything is written. No segment, limit or canonical checks: routines do those. Values are unsigned and fit the width.
 */
export interface LinearMemory {
  read(width: AccessWidth, address: bigint, access: Access): bigint;
  write(width: AccessWidth, address: bigint, value: bigint, access: Access): void;
  /** Raise the page fault that reading (or writing) `bytes` (1 to 4096) at `address` would raise; accessed and dirty bits are set. */
  probe(address: bigint, bytes: number, access: Access, write: boolean): void;
  /** Physical address behind a linear address, for `readPhysical`, after the checks of `probe` for one byte. */
  translate(address: bigint, access: Access, write: boolean): number;
  /** By guest-physical address under the EPT pointer in force; absent where there is no VMX. */
  readGuest?(width: AccessWidth, gpa: number): bigint;
  /** By physical address (below 2^52), EPT or not; `pa` is aligned to the width. */
  readPhysical(width: AccessWidth, pa: number): bigint;
  writePhysical(width: AccessWidth, pa: number, value: bigint): void;
}

/**
 * What to forget: `all` everything; `allNonGlobal` all PCIDs, global pages stay; `pcid` one PCID (`value`), global pages stay; `page` one
 * linear address (`value`) in the current PCID, and where it is global; `pcidPage` one address (`value`) in the PCID given as `pcid`.
 * Without CR4.PCIDE the current PCID is 0. Forgetting more is always allowed. Paging-structure caches go with it. All of these stay inside
 * the present VPID and EPT pointer; `vpid` one VPID (`value`), `ept` one EPT pointer (`value`), `everything` all there is.
 */
export type TlbFlush = 'all' | 'allNonGlobal' | 'pcid' | 'page' | 'pcidPage' | 'vpid' | 'ept' | 'everything';

/**
 * Why `run()` should return after the current instruction; `entry`: only to go on after a VM entry or a failed one; `exit`: a VM exit to
 * a monitor.
 */
export type LeaveReason = 'halt' | 'mwait' | 'shutdown' | 'stop' | 'pause' | 'entry' | 'exit';

/**
 * One slow routine's view. Until `jumpTo` is called, completing a routine means that the next instruction in line follows; `leave`
 * takes effect after the instruction has completed. A routine that throws `GuestFault` has changed nothing a guest can see, except
 * when the fault says `late`.
 */
export interface SlowContext {
  readonly s: VcpuState;
  readonly memory: LinearMemory;
  readonly host: CpuHost;
  /** Number of the vCPU. */
  readonly index: number;
  /** vCPUs in the machine, for CPUID's topology leaves. */
  readonly vcpus: number;
  readonly features: CpuModel;
  /** The current VMCS; where there is none, `s.vmcsPointer` says so. */
  readonly vmcs: CurrentVmcs;
  /** Bytes of the current instruction. */
  instructionLength(): number;
  /** RIP (offset in CS) of the current instruction; between instructions, of the next one. */
  ip(): bigint;
  /** RIP of the instruction after the current one, truncated to 32 (16) bits outside 64-bit mode. */
  nextIp(): bigint;
  /** Continue at this RIP instead. Between instructions it sets RIP. */
  jumpTo(rip: bigint): void;
  /** `value` and `pcid` as `TlbFlush` says. */
  flushTlb(kind: TlbFlush, value?: bigint, pcid?: number): void;
  /** CS, SS, CPL, CR0, CR4, EFER, EFLAGS.VM or AC, DR7, IA32_PAT or paging structures' roots changed: recompute everything derived. */
  modeChanged(): void;
  /** Only this segment's selector, base, limit or attributes changed (0 ES … 5 GS; not CS, not SS). Cheap. */
  segmentChanged(segment: number): void;
  leave(reason: LeaveReason): void;
  /** This instruction is not followed by a single-step trap although EFLAGS.TF was set when it began (INT n; SYSCALL that masks TF). */
  skipStep(): void;
  /** The guest's time-stamp counter: `host.tsc` + `tscOffset`, modulo 2^64. */
  tsc(): bigint;
  /** For a debugger, if there is one: it may stop after what is under way. */
  notice?(event: WatchedEvent): void;
}

/**
 * An exception a routine or an access raises. Not an `Error`: it is the guest's, is caught at the boundary of the routine and costs no
 * stack trace. `late` faults (task switch, after the new state is in place) are delivered with the state as it then is: the return
 * address is `s.rip`, set by `jumpTo` before the throw.
 */
export class GuestFault {
  readonly vector: number;
  readonly errorCode: number | undefined;
  /** Faulting linear address of a page fault. */
  readonly cr2: bigint | undefined;
  /** DR6 bits of a debug exception. */
  readonly debug: number;
  late = false;

  constructor(vector: number, errorCode?: number, detail?: { readonly cr2?: bigint; readonly debug?: number }) {
    this.vector = vector;
    this.errorCode = errorCode;
    this.cr2 = detail?.cr2;
    this.debug = detail?.debug ?? 0;
  }
}

/** What a VM exit records besides its reason; absent numbers are 0. */
export interface VmExitDetail {
  readonly qualification?: bigint;
  /** VM-exit instruction information and length. */
  readonly info?: number;
  readonly length?: number;
  /** VM-exit interruption information and error code. */
  readonly interruption?: number;
  readonly error?: number;
  readonly gpa?: bigint;
  readonly linear?: bigint;
  /** RIP saved, where it is not that of the instruction (exits after it has completed). */
  readonly rip?: bigint;
  /** RFLAGS.RF is saved as 1. */
  readonly resume?: boolean;
}

/** A VM exit that a routine or an access causes in VMX non-root operation; caught where `GuestFault` is. */
export class VmExit {
  readonly reason: number;
  readonly qualification: bigint;
  readonly info: number;
  readonly interruption: number;
  readonly error: number;
  readonly gpa: bigint;
  readonly linear: bigint;
  readonly rip: bigint | undefined;
  readonly resume: boolean;
  length: number;

  constructor(reason: number, detail: VmExitDetail = {}) {
    this.reason = reason;
    this.qualification = detail.qualification ?? 0n;
    this.info = detail.info ?? 0;
    this.length = detail.length ?? 0;
    this.interruption = detail.interruption ?? 0;
    this.error = detail.error ?? 0;
    this.gpa = detail.gpa ?? 0n;
    this.linear = detail.linear ?? 0n;
    this.rip = detail.rip;
    this.resume = detail.resume ?? false;
  }
}

/** A named slow routine: arguments as `SLOW` says, unsigned 64-bit; at most two results. */
export type SlowRoutineBody = (c: SlowContext, a0: bigint, a1: bigint, a2: bigint, a3: bigint) => readonly bigint[] | undefined;
