/** FSTENV, FLDENV, FSAVE, FRSTOR: the image of the unit in memory in its four layouts (SDM vol. 1, 8.1.10). */
import { GuestFault, type SlowContext, type VcpuState } from '../../context.ts';
import { get32 } from '../../vmx/region.ts';

const TOP_SHIFT = 11;
const ES_B = 0x8080;
const ES = 0x80;

/** Status word with TOP. */
export const statusWord = (s: VcpuState): number => s.fsw | (s.ftop << TOP_SHIFT);

/** ES and B follow from exceptions and masks. */
export function setStatusWord(s: VcpuState, value: number): void {
  followSummary(s);
  s.ftop = (value >>> TOP_SHIFT) & 7;
  s.fsw = value & 0x477f;
  summarize(s);
}

function summarize(s: VcpuState): void {
  const pending = (s.fsw & ~s.fcw & 0x3f) !== 0;
  s.fsw = pending ? s.fsw | ES_B : s.fsw & ~ES_B;
}

/** Two bits per physical register: 0 valid, 1 zero, 2 special, 3 empty. */
function fullTags(s: VcpuState): number {
  let tags = 0;
  for (let i = 0; i < 8; i++) tags |= tagOf(s, i) << (2 * i);
  return tags;
}

function tagOf(s: VcpuState, i: number): number {
  if ((s.ftag & (1 << i)) === 0) return 3;
  const at = (s.fpr.byteOffset >>> 2) + i * 4;
  const words = s.views.u32;
  const field = (words[at + 2] as number) & 0x7fff;
  const [hi, lo] = [words[at + 1] as number, words[at] as number];
  if (field === 0) return (hi | lo) === 0 ? 1 : 2;
  return field === 0x7fff || hi < 0x80000000 ? 2 : 0;
}

function setFullTags(s: VcpuState, tags: number): void {
  let present = 0;
  for (let i = 0; i < 8; i++) if (((tags >>> (2 * i)) & 3) !== 3) present |= 1 << i;
  s.ftag = present;
}

const access = (c: SlowContext) => (c.s.cpl === 3 ? 'user' : 'supervisor');

function writeUnits(c: SlowContext, at: bigint, values: readonly number[], width: 16 | 32): void {
  for (const [i, value] of values.entries()) c.memory.write(width, at + BigInt((i * width) / 8), BigInt(value >>> 0), access(c));
}

/** The seven units of the environment. Selectors read zero: this processor does not keep them (CPUID.7.0:EBX bit 13). */
function environment(c: SlowContext, width: 16 | 32, isProtected: boolean): number[] {
  const { s } = c;
  const ip = s.lo('fip');
  const dp = s.lo('fdp');
  const status = statusWord(s);
  const tags = fullTags(s);
  if (width === 32) {
    const upper = 0xffff0000;
    const head = [upper | s.fcw, upper | status, upper | tags];
    if (isProtected) return [...head, ip, (s.fop << 16) | s.fcs, dp, upper | s.fds];
    return [...head, upper | (ip & 0xffff), ((ip >>> 16) << 12) | s.fop, upper | (dp & 0xffff), (dp >>> 16) << 12];
  }
  const head = [s.fcw, status, tags];
  if (isProtected) return [...head, ip & 0xffff, s.fcs, dp & 0xffff, s.fds];
  return [...head, ip & 0xffff, (((ip >>> 16) & 15) << 12) | s.fop, dp & 0xffff, ((dp >>> 16) & 15) << 12];
}

/** FNSTENV: afterwards all exceptions are masked. */
export function storeEnvironment(c: SlowContext, at: bigint, width: 16 | 32, isProtected: boolean): void {
  const values = environment(c, width, isProtected);
  writeUnits(c, at, width === 16 ? values.map((value) => value & 0xffff) : values, width);
  c.s.fcw |= 0x3f;
  summarize(c.s);
}

export function loadEnvironment(c: SlowContext, at: bigint, width: 16 | 32, isProtected: boolean): void {
  const values = Array.from({ length: 7 }, (_, i) => Number(c.memory.read(width, at + BigInt((i * width) / 8), access(c))));
  const [control, status, tags, ip, mixed, dp, last] = values as [number, number, number, number, number, number, number];
  const { s } = c;
  s.fcw = (control & 0x1f3f) | 0x40;
  setStatusWord(s, status & 0xffff);
  setFullTags(s, tags & 0xffff);
  s.fcs = 0;
  s.fds = 0;
  if (isProtected) {
    s.fip = BigInt(ip >>> 0);
    s.fdp = BigInt(dp >>> 0);
    if (width === 32) s.fop = (mixed >>> 16) & 0x7ff;
    return;
  }
  s.fop = mixed & 0x7ff;
  const upper =
    width === 32 ? (word: number) => ((word >>> 12) & 0xffff) * 0x10000 : (word: number) => ((word >>> 12) & 15) * 0x10000;
  s.fip = BigInt(upper(mixed) + (ip & 0xffff));
  s.fdp = BigInt(upper(last) + (dp & 0xffff));
}

const environmentBytes = (width: 16 | 32): number => (7 * width) / 8;

/** FNSAVE: environment, then ST0 to ST7 of 10 bytes each; afterwards the unit is initialised. */
export function saveState(c: SlowContext, at: bigint, width: 16 | 32, isProtected: boolean): void {
  const { s } = c;
  const values = environment(c, width, isProtected);
  writeUnits(c, at, width === 16 ? values.map((value) => value & 0xffff) : values, width);
  const registers = at + BigInt(environmentBytes(width));
  for (let i = 0; i < 8; i++) {
    const slot = (s.fpr.byteOffset + ((s.ftop + i) & 7) * 16) >>> 3;
    const place = registers + BigInt(i * 10);
    c.memory.write(64, place, s.views.u64[slot] as bigint, access(c));
    c.memory.write(16, place + 8n, (s.views.u64[slot + 1] as bigint) & 0xffffn, access(c));
  }
  initialize(s);
}

export function restoreState(c: SlowContext, at: bigint, width: 16 | 32, isProtected: boolean): void {
  const registers = at + BigInt(environmentBytes(width));
  const values = Array.from({ length: 8 }, (_, i) => {
    const place = registers + BigInt(i * 10);
    return [c.memory.read(64, place, access(c)), c.memory.read(16, place + 8n, access(c))] as const;
  });
  loadEnvironment(c, at, width, isProtected);
  const { s } = c;
  values.forEach(([significand, signExponent], i) => {
    const slot = (s.fpr.byteOffset + ((s.ftop + i) & 7) * 16) >>> 3;
    s.views.u64[slot] = significand;
    s.views.u64[slot + 1] = signExponent;
  });
}

/** FNINIT (SDM vol. 2): registers keep their bits but are empty. */
export function initialize(s: VcpuState): void {
  s.fcw = 0x37f;
  s.fsw = 0;
  s.ftop = 0;
  s.ftag = 0;
  s.fip = 0n;
  s.fdp = 0n;
  s.fop = 0;
  s.fcs = 0;
  s.fds = 0;
}

const CR0_NE = 0x20;

/** CR0.NE as the guest has it: what a monitor keeps set for VMX operation is in the mask, and the guest's own in the shadow. */
function signalsByException(c: SlowContext): boolean {
  const cr0 = c.s.monitored !== 0 && c.s.nonRoot !== 0 ? get32(c, 'cr0Shadow') : c.s.lo('cr0');
  return (cr0 & CR0_NE) !== 0;
}

/** The pending exception is taken: #MF, or FERR# for the interrupt controller of the PC when CR0.NE is clear (SDM vol. 1, 8.7). */
export function takePending(c: SlowContext): void {
  if (signalsByException(c)) throw new GuestFault(16);
  assertFerr(c);
}

/** FERR# is negated while ES is clear. Looked at before anything can set ES again. */
export function followSummary(s: VcpuState): void {
  if ((s.fsw & ES) === 0) s.ferr = 0;
}

/**
 * ES is set: with CR0.NE clear FERR# goes active, once until ES is cleared. The processor goes on instead of waiting for an interrupt
 * (SDM vol. 1, 8.7): the error is reported when it happens, so that an enabled IRQ13 comes before the next x87 instruction all the same.
 */
export function assertFerr(c: SlowContext): void {
  if (signalsByException(c) || c.s.ferr !== 0) return;
  c.s.ferr = 1;
  c.host.signal?.(c.index, 'ferr');
}
