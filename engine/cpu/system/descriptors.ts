/** Descriptor tables: finding, reading and taking apart descriptors (SDM vol. 3, 3.4.5, 3.5, 5.8.3.1, 7.2). */
import type { SlowContext, VcpuState } from '../context.ts';
import { ATTR, high32, isLongActive, low32, type SegmentValue } from './registers.ts';

/** The 8 bytes of a descriptor, and where they lie. */
export interface Descriptor {
  readonly lo: number;
  readonly hi: number;
  readonly address: bigint;
}

/** Types of system descriptors (table 3-2); the 16-bit ones do not exist in IA-32e mode. */
export const TYPE = {
  TSS16: 1,
  LDT: 2,
  TSS16_BUSY: 3,
  CALL16: 4,
  TASK: 5,
  INTERRUPT16: 6,
  TRAP16: 7,
  TSS32: 9,
  TSS32_BUSY: 11,
  CALL32: 12,
  INTERRUPT32: 14,
  TRAP32: 15,
} as const;

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
export const isSystem = (d: Descriptor): boolean => (d.hi & 0x1000) === 0;
/** Type with S: 0 to 15 system, 16 to 31 code and data. */
export const typeOf = (d: Descriptor): number => (d.hi >>> 8) & 31;
export const dpl = (d: Descriptor): number => (d.hi >>> 13) & 3;
export const isPresent = (d: Descriptor): boolean => (d.hi & 0x8000) !== 0;
export const isCode = (d: Descriptor): boolean => (d.hi & 0x1800) === 0x1800;
export const isConforming = (d: Descriptor): boolean => (d.hi & 0x1c00) === 0x1c00;
export const isWritableData = (d: Descriptor): boolean => (d.hi & 0x1a00) === 0x1200;
export const isReadable = (d: Descriptor): boolean => (d.hi & 0x1800) === 0x1000 || (d.hi & 0x1a00) === 0x1a00;
/** Code descriptor of 64-bit mode. */
export const isLongCode = (d: Descriptor): boolean => (d.hi & 0x200000) !== 0;
export const isBig = (d: Descriptor): boolean => (d.hi & 0x400000) !== 0;
export const baseOf = (d: Descriptor): number => ((d.lo >>> 16) | ((d.hi & 0xff) << 16) | (d.hi & 0xff000000)) >>> 0;
export const limitOf = (d: Descriptor): number => {
  const raw = (d.lo & 0xffff) | (d.hi & 0xf0000);
  return (d.hi & 0x800000) === 0 ? raw : ((raw << 12) | 0xfff) >>> 0;
};
export const attrOf = (d: Descriptor): number => (d.hi >>> 8) & 0xf0ff;

/** Linear address of a selector's descriptor, `undefined` when its `bytes` are not inside the table (or there is no LDT). */
export function locate(s: VcpuState, selector: number, bytes: 8 | 16 = 8): bigint | undefined {
  const offset = selector & 0xfff8;
  if ((selector & 4) === 0) return offset + bytes - 1 > s.gdtrLimit ? undefined : linear(s, s.gdtrBase + BigInt(offset));
  if ((s.ldtrAttr & ATTR.UNUSABLE) !== 0 || isNull(s.ldtrSelector) || offset + bytes - 1 > s.ldtrLimit) return undefined;
  return linear(s, s.ldtrBase + BigInt(offset));
}

/** Linear addresses wrap at 4 GiB outside IA-32e mode. */
export const linear = (s: VcpuState, address: bigint): bigint =>
  isLongActive(s) ? BigInt.asUintN(64, address) : BigInt.asUintN(32, address);

export function readDescriptor(c: SlowContext, address: bigint): Descriptor {
  const raw = c.memory.read(64, address, 'implicit');
  return { lo: low32(raw), hi: high32(raw), address };
}

/** Descriptor of a selector; `undefined` when outside its table. */
export function findDescriptor(c: SlowContext, selector: number): Descriptor | undefined {
  const address = locate(c.s, selector);
  return address === undefined ? undefined : readDescriptor(c, address);
}

/** Upper 8 bytes of a 16-byte system descriptor of IA-32e mode. */
export function readUpper(c: SlowContext, d: Descriptor): Descriptor {
  return readDescriptor(c, d.address + 8n);
}

/** Set the accessed bit of a code or data descriptor in memory where it is clear. */
export function markAccessed(c: SlowContext, d: Descriptor): void {
  if ((d.hi & 0x100) === 0) c.memory.write(8, d.address + 5n, BigInt(((d.hi >>> 8) & 0xff) | 1), 'implicit');
}

/** What a segment register holds after loading a code or data descriptor. */
export const loaded = (selector: number, d: Descriptor): SegmentValue => ({
  selector,
  base: BigInt(baseOf(d)),
  limit: limitOf(d),
  attr: attrOf(d) | ATTR.ACCESSED,
});
