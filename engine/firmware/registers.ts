/** The processor state a boot protocol prescribes, as data. The machine puts it into its first vCPU. */
import { type GuestWriter, join, littleEndian } from './bytes.ts';

/** A segment register with its hidden part. `type` is the descriptor's type field, 0 to 15; `limit` is in bytes. */
export interface BootSegment {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly type: number;
  /** 1 for code and data, 0 for system segments (TR, LDTR). */
  readonly s: 0 | 1;
  readonly present: 0 | 1;
  readonly dpl: number;
  readonly db: 0 | 1;
  readonly l: 0 | 1;
  readonly g: 0 | 1;
}

export interface DescriptorTable {
  readonly base: number;
  readonly limit: number;
}

/** All registers not named are as after RESET. Every value is below 2^53. */
export interface InitialRegisters {
  readonly mode: 'protected' | 'long';
  readonly rip: number;
  readonly rsp: number;
  readonly rflags: number;
  readonly rax: number;
  readonly rbx: number;
  readonly rsi: number;
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  readonly efer: number;
  readonly segments: Readonly<Record<'cs' | 'ds' | 'es' | 'fs' | 'gs' | 'ss' | 'tr' | 'ldt', BootSegment>>;
  readonly gdt: DescriptorTable;
  readonly idt: DescriptorTable;
}

const CR0_PE = 1 << 0;
const CR0_ET = 1 << 4;
const CR0_PG = 0x8000_0000;
const CR4_PAE = 1 << 5;
/** LME and LMA. */
const EFER_LONG = (1 << 8) | (1 << 10);
/** The bit of RFLAGS that is always one. */
const RFLAGS_FIXED = 0x2;

const CODE = 0x0b; // execute, read, accessed
const DATA = 0x03; // read, write, accessed
const BUSY_TSS = 0x0b;
/** Selectors: the Linux boot protocol prescribes 0x10 and 0x18, the others leave them open. */
const CODE_SELECTOR = 0x10;
const DATA_SELECTOR = 0x18;
const TSS_SELECTOR = 0x20;

const flat = (selector: number, type: number, long: boolean): BootSegment => ({
  selector,
  base: 0,
  limit: 0xffff_ffff,
  type,
  s: 1,
  present: 1,
  dpl: 0,
  db: long ? 0 : 1,
  l: long ? 1 : 0,
  g: 1,
});

const system = (selector: number, type: number, limit: number, present: 0 | 1): BootSegment => ({
  selector,
  base: 0,
  limit,
  type,
  s: 0,
  present,
  dpl: 0,
  db: 0,
  l: 0,
  g: 0,
});

/** The descriptor of `segment` as it stands in the GDT (SDM vol. 3A, 3.4.5). */
function descriptor(segment: BootSegment): Uint8Array {
  const limit = segment.g === 1 ? Math.floor(segment.limit / 4096) : segment.limit;
  const low = ((segment.base & 0xffff) * 0x10000 + (limit & 0xffff)) >>> 0;
  const access = segment.type | (segment.s << 4) | (segment.dpl << 5) | (segment.present << 7);
  const flags = (segment.l << 1) | (segment.db << 2) | (segment.g << 3);
  const high =
    ((segment.base & 0xff000000) | (flags << 20) | (limit & 0xf0000) | (access << 8) | ((segment.base >>> 16) & 0xff)) >>> 0;
  return join(littleEndian(low, 4), littleEndian(high, 4));
}

/** What differs between the protocols; everything else follows from the mode. */
export interface EntryPoint {
  readonly mode: 'protected' | 'long';
  readonly rip: number;
  /** Root of the page tables; long mode only. */
  readonly cr3?: number;
  readonly rax?: number;
  readonly rbx?: number;
  readonly rsi?: number;
  readonly rsp?: number;
}

/** Write a GDT of flat segments at `gdtAt` (40 bytes) and give the registers for `entry`: flat segments, interrupts off. */
export function enter(memory: GuestWriter, gdtAt: number, entry: EntryPoint): InitialRegisters {
  const long = entry.mode === 'long';
  const cs = flat(CODE_SELECTOR, CODE, long);
  const data = flat(DATA_SELECTOR, DATA, false);
  const tr = system(TSS_SELECTOR, BUSY_TSS, 0x67, 1);
  const nothing = new Uint8Array(8);
  memory.write(gdtAt, join(nothing, nothing, descriptor(cs), descriptor(data), descriptor(tr)));
  return {
    mode: entry.mode,
    rip: entry.rip,
    rsp: entry.rsp ?? 0,
    rflags: RFLAGS_FIXED,
    rax: entry.rax ?? 0,
    rbx: entry.rbx ?? 0,
    rsi: entry.rsi ?? 0,
    cr0: CR0_PE + CR0_ET + (long ? CR0_PG : 0),
    cr3: entry.cr3 ?? 0,
    cr4: long ? CR4_PAE : 0,
    efer: long ? EFER_LONG : 0,
    segments: { cs, ds: data, es: data, fs: data, gs: data, ss: data, tr, ldt: system(0, 2, 0xffff, 1) },
    gdt: { base: gdtAt, limit: 39 },
    idt: { base: 0, limit: 0 },
  };
}
