/** One rule of VM entry: a name, the fields it compares, and whether they pass. */
import type { SlowContext } from '../context.ts';
import { isLongActive } from '../system/registers.ts';
import type { VmcsFieldName } from './fields.ts';
import { get, get32, RFLAGS_VM } from './region.ts';

/** The current VMCS as rules read it. */
export class EntryView {
  readonly c: SlowContext;

  constructor(c: SlowContext) {
    this.c = c;
  }

  /** Is the processor in IA-32e mode at the time of the entry, in root operation? */
  get hostIsLong(): boolean {
    return isLongActive(this.c.s);
  }

  /** Any field. */
  big(name: VmcsFieldName): bigint {
    return get(this.c, name);
  }

  /** A field of at most 32 bits, or the low half of a longer one. */
  number(name: VmcsFieldName): number {
    return get32(this.c, name);
  }

  /** Is one of these bits set? */
  has(name: VmcsFieldName, bits: number): boolean {
    return (this.number(name) & bits) !== 0;
  }

  /** Secondary controls act only where the primary ones activate them; a change of that bit makes all rules due. */
  secondary(bit: number): boolean {
    return this.has('proc2Controls', bit) && this.has('procControls', 0x80000000);
  }

  /** A guest in virtual-8086 mode, whose segments have rules of their own: a change of the bit makes all rules due. */
  get vm86(): boolean {
    return (this.number('guestRflags') & RFLAGS_VM) !== 0;
  }

  /** No bit beyond the physical-address width, and the low bits of `mask` clear. */
  physical(name: VmcsFieldName, mask: bigint): boolean {
    const value = this.big(name);
    return (value & mask) === 0n && value >> BigInt(this.c.features.physicalBits) === 0n;
  }
}

export interface Rule {
  readonly name: string;
  /** Every field it reads. */
  readonly fields: readonly VmcsFieldName[];
  readonly ok: (v: EntryView) => boolean;
  /** Exit qualification of a failed guest-state rule (SDM vol. 3, 26.7). */
  readonly qualification: number;
  /** It looks at memory or at the processor too. */
  readonly beyondFields: boolean;
  /** Bits it reads of the processor-based controls, of which two change with every window that is awaited; absent: all. */
  readonly procBits?: number;
}

export const rule = (name: string, fields: readonly VmcsFieldName[], ok: (v: EntryView) => boolean): Rule => ({
  name,
  fields,
  ok,
  qualification: 0,
  beyondFields: false,
});

/** As `rule`, with what it reads of the processor-based controls. */
export const procRule = (
  procBits: number,
  [name, ...fields]: readonly [string, ...VmcsFieldName[]],
  ok: (v: EntryView) => boolean,
): Rule => ({ ...rule(name, ['procControls', ...fields], ok), procBits });
