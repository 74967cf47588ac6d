/** KVM's register groups out of, and into, a vCPU's state block. Each `write` either takes all of a group or throws and takes nothing. */
import { EngineError } from '../../base/index.ts';
import {
  GENERAL_REGISTERS,
  GuestFault,
  readFlags,
  readMsr,
  type SlowContext,
  type VcpuState,
  writeFlags,
  writeMsr,
} from '../../cpu/index.ts';
import {
  type KvmDebugregs,
  type KvmFpu,
  type KvmMsrs,
  type KvmRegs,
  type KvmSegment,
  type KvmSregs,
  type KvmVcpuEvents,
  MP_STATE,
  type RegisterGroup,
} from '../index.ts';

const SEGMENT_OF = { cs: 'cs', ds: 'ds', es: 'es', fs: 'fs', gs: 'gs', ss: 'ss', tr: 'tr', ldt: 'ldtr' } as const;
type SegmentName = keyof typeof SEGMENT_OF;
const ACTIVITY = { running: 0, halted: 1, shutdown: 2, waitForSipi: 3, mwait: 4 } as const;

function refuse(group: RegisterGroup, register: string, reason: string): never {
  throw new EngineError('register-value', { group, register, reason });
}

export function readRegs(s: VcpuState): KvmRegs {
  type General = Record<(typeof GENERAL_REGISTERS)[number], bigint>;
  const general = Object.fromEntries(GENERAL_REGISTERS.map((name, i) => [name, s.gpr[i] as bigint])) as General;
  return { ...general, rip: s.rip, rflags: BigInt(readFlags(s)) };
}

export function writeRegs(s: VcpuState, regs: KvmRegs): void {
  for (const [i, name] of GENERAL_REGISTERS.entries()) s.gpr[i] = regs[name];
  s.rip = regs.rip;
  writeFlags(s, Number(regs.rflags & 0xffffffffn));
}

function readSegment(s: VcpuState, name: SegmentName): KvmSegment {
  const at = SEGMENT_OF[name];
  const attr = s[`${at}Attr`];
  return {
    base: s[`${at}Base`],
    limit: s[`${at}Limit`],
    selector: s[`${at}Selector`],
    type: attr & 15,
    s: (attr >>> 4) & 1,
    dpl: (attr >>> 5) & 3,
    present: (attr >>> 7) & 1,
    avl: (attr >>> 12) & 1,
    l: (attr >>> 13) & 1,
    db: (attr >>> 14) & 1,
    g: (attr >>> 15) & 1,
    unusable: (attr >>> 16) & 1,
  };
}

function writeSegment(s: VcpuState, name: SegmentName, segment: KvmSegment): void {
  const at = SEGMENT_OF[name];
  s[`${at}Base`] = segment.base;
  s[`${at}Limit`] = segment.limit;
  s[`${at}Selector`] = segment.selector;
  s[`${at}Attr`] =
    (segment.type & 15) |
    ((segment.s & 1) << 4) |
    ((segment.dpl & 3) << 5) |
    ((segment.present & 1) << 7) |
    ((segment.avl & 1) << 12) |
    ((segment.l & 1) << 13) |
    ((segment.db & 1) << 14) |
    ((segment.g & 1) << 15) |
    ((segment.unusable & 1) << 16);
}

export function readSregs(s: VcpuState, apic: { readonly base: bigint; readonly cr8: number }): KvmSregs {
  const segments = Object.fromEntries(Object.keys(SEGMENT_OF).map((name) => [name, readSegment(s, name as SegmentName)]));
  return {
    ...(segments as Record<SegmentName, KvmSegment>),
    gdt: { base: s.gdtrBase, limit: s.gdtrLimit },
    idt: { base: s.idtrBase, limit: s.idtrLimit },
    cr0: s.cr0,
    cr2: s.cr2,
    cr3: s.cr3,
    cr4: s.cr4,
    cr8: BigInt(apic.cr8),
    efer: s.efer,
    apic_base: apic.base,
    pdptrs: Array.from(s.pdpte),
  };
}

const CR0 = { pe: 1n, nw: 1n << 29n, cd: 1n << 30n, pg: 1n << 31n } as const;
const EFER = { lme: 0x100n, lma: 0x400n } as const;
const CR4_PAE = 0x20n;

/** The combinations that KVM refuses (kvm_valid_sregs) and those no instruction can reach. */
export function checkMode(
  sregs: Pick<KvmSregs, 'cr0' | 'cr3' | 'cr4' | 'efer' | 'cs'>,
  { cr4Mask }: { readonly cr4Mask: number },
): void {
  const { cr0, cr3, cr4, efer, cs } = sregs;
  if (cr0 >> 32n !== 0n) refuse('sregs', 'cr0', 'has bits above 31');
  if ((cr0 & CR0.nw) !== 0n && (cr0 & CR0.cd) === 0n) refuse('sregs', 'cr0', 'has NW without CD');
  if ((cr0 & CR0.pg) !== 0n && (cr0 & CR0.pe) === 0n) refuse('sregs', 'cr0', 'has paging without protection');
  if ((cr4 & ~BigInt(cr4Mask >>> 0)) !== 0n) refuse('sregs', 'cr4', 'has bits this processor does not have');
  if ((efer & ~0xd01n) !== 0n) refuse('sregs', 'efer', 'has bits this processor does not have');
  if (cr3 >> 52n !== 0n) refuse('sregs', 'cr3', 'is beyond the physical address space');
  const long = (cr0 & CR0.pg) !== 0n && (efer & EFER.lme) !== 0n;
  if (long !== ((efer & EFER.lma) !== 0n)) refuse('sregs', 'efer', 'has LMA without long mode, or long mode without LMA');
  if (long && (cr4 & CR4_PAE) === 0n) refuse('sregs', 'cr4', 'lacks PAE in long mode');
  if (!long && cs.l !== 0 && (efer & EFER.lme) !== 0n && (cr0 & CR0.pg) !== 0n)
    refuse('sregs', 'cs', 'is 64-bit code outside long mode');
}

export function writeSregs(s: VcpuState, sregs: KvmSregs): void {
  for (const name of Object.keys(SEGMENT_OF) as SegmentName[]) writeSegment(s, name, sregs[name]);
  s.gdtrBase = sregs.gdt.base;
  s.gdtrLimit = sregs.gdt.limit;
  s.idtrBase = sregs.idt.base;
  s.idtrLimit = sregs.idt.limit;
  s.cr0 = sregs.cr0;
  s.cr2 = sregs.cr2;
  s.cr3 = sregs.cr3;
  s.cr4 = sregs.cr4;
  s.efer = sregs.efer;
  s.pdpte.set(sregs.pdptrs);
  s.cpl = (sregs.cr0 & CR0.pe) === 0n ? 0 : sregs.ss.dpl & 3;
}

export function readFpu(s: VcpuState): KvmFpu {
  const part = (bytes: Uint8Array, i: number) => Uint8Array.from(bytes.subarray(i * 16, i * 16 + 16));
  return {
    fpr: Array.from({ length: 8 }, (_, i) => part(s.fpr, (s.ftop + i) & 7)),
    fcw: s.fcw,
    fsw: s.fsw | (s.ftop << 11),
    ftwx: s.ftag,
    last_opcode: s.fop,
    last_ip: s.fip,
    last_dp: s.fdp,
    xmm: Array.from({ length: 16 }, (_, i) => part(s.xmm, i)),
    mxcsr: s.mxcsr,
  };
}

export function writeFpu(s: VcpuState, fpu: KvmFpu): void {
  if ((fpu.mxcsr & ~0xffff) !== 0) refuse('fpu', 'mxcsr', 'has reserved bits');
  if (fpu.fpr.length !== 8 || fpu.xmm.length !== 16 || [...fpu.fpr, ...fpu.xmm].some(({ length }) => length !== 16)) {
    refuse('fpu', 'fpr', 'is not eight and sixteen registers of 16 bytes');
  }
  s.ftop = (fpu.fsw >>> 11) & 7;
  s.fsw = fpu.fsw & 0xc7ff;
  for (const [i, value] of fpu.fpr.entries()) s.fpr.set(value, ((s.ftop + i) & 7) * 16);
  for (const [i, value] of fpu.xmm.entries()) s.xmm.set(value, i * 16);
  s.fcw = fpu.fcw;
  s.ftag = fpu.ftwx;
  s.fop = fpu.last_opcode & 0x7ff;
  s.fip = fpu.last_ip;
  s.fdp = fpu.last_dp;
  s.mxcsr = fpu.mxcsr;
}

export function readDebugregs(s: VcpuState): KvmDebugregs {
  return { db: Array.from(s.dr), dr6: s.dr6, dr7: s.dr7 };
}

export function writeDebugregs(s: VcpuState, { db, dr6, dr7 }: KvmDebugregs): void {
  if (db.length !== 4) refuse('debugregs', 'db', 'is not four registers');
  if (dr6 >> 32n !== 0n || dr7 >> 32n !== 0n) refuse('debugregs', 'dr6', 'or dr7 has bits above 31');
  s.dr.set(db);
  s.dr6 = dr6;
  s.dr7 = dr7;
}

export function readEvents(s: VcpuState, nmisPending: number): KvmVcpuEvents {
  return {
    exception: { injected: s.excPending, nr: s.excVector, has_error_code: s.excHasError, error_code: s.excError },
    interrupt: { shadow: s.shadow },
    nmi: { pending: nmisPending, masked: s.nmiBlocked },
    sipi_vector: s.sipiVector,
    exception_payload: s.excPending === 0 ? 0n : s.excAddress,
  };
}

export function writeEvents(s: VcpuState, events: KvmVcpuEvents): void {
  const { exception, interrupt, nmi } = events;
  if (exception.injected !== 0 && (exception.nr > 31 || exception.nr === 2))
    refuse('vcpu_events', 'exception.nr', 'is no exception');
  if (nmi.pending > 2) refuse('vcpu_events', 'nmi.pending', 'is more than two');
  if (interrupt.shadow > 2) refuse('vcpu_events', 'interrupt.shadow', 'is not 0, 1 (STI) or 2 (MOV SS)');
  s.excPending = exception.injected === 0 ? 0 : 1;
  s.excVector = exception.nr;
  s.excHasError = exception.has_error_code === 0 ? 0 : 1;
  s.excError = exception.error_code;
  s.excAddress = events.exception_payload;
  s.shadow = interrupt.shadow;
  s.nmiBlocked = nmi.masked === 0 ? 0 : 1;
  s.sipiVector = events.sipi_vector;
}

/** Shutdown and MWAIT have no name in KVM; both are reported as halted. */
export function readMpState(s: VcpuState): number {
  if (s.activity === ACTIVITY.running) return MP_STATE.runnable;
  return s.activity === ACTIVITY.waitForSipi ? MP_STATE.initReceived : MP_STATE.halted;
}

export function writeMpState(s: VcpuState, state: number): void {
  if (!(state >= 0 && state <= MP_STATE.sipiReceived)) refuse('mp_state', 'mp_state', 'is not a state KVM names');
  const waits = state === MP_STATE.uninitialized || state === MP_STATE.initReceived;
  s.activity = waits ? ACTIVITY.waitForSipi : state === MP_STATE.halted ? ACTIVITY.halted : ACTIVITY.running;
}

const TSC = 0x10;
const TSC_ADJUST = 0x3b;
const range = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
/** MSRs that are state of the vCPU and in no other group, in the order in which they can be set. */
const MSRS: readonly number[] = [
  TSC,
  TSC_ADJUST,
  ...range(0x174, 3),
  0x17a,
  0x17b,
  0x1a0,
  ...range(0x200, 16),
  0x250,
  0x258,
  0x259,
  ...range(0x268, 8),
  0x277,
  0x2ff,
  0x6e0,
  ...range(0xc0000081, 4),
  0xc0000102,
  0xc0000103,
];

/** The MSRs this model has. */
export function readMsrs(c: SlowContext): KvmMsrs {
  const found: [number, bigint][] = [];
  for (const index of MSRS) {
    try {
      found.push([index, readMsr(c, index)]);
    } catch (fault) {
      if (!(fault instanceof GuestFault)) throw fault;
    }
  }
  return found;
}

export function writeMsrs(c: SlowContext, msrs: KvmMsrs): void {
  for (const [index, value] of msrs) {
    // Seen from inside, each of these two changes the other.
    if (index === TSC) c.s.tscOffset = BigInt.asUintN(64, value - BigInt(c.host.ticks(c.index)));
    else if (index === TSC_ADJUST) c.s.tscAdjust = value;
    else {
      try {
        writeMsr(c, index, value);
      } catch (fault) {
        if (!(fault instanceof GuestFault)) throw fault;
        refuse('msrs', `0x${index.toString(16)}`, `cannot be 0x${value.toString(16)}`);
      }
    }
  }
}
