/** One rule of VM entry: a name, the fields it compares, and whether they pass. */
import type { SlowContext } from '../context.ts';
import type { VmcsFieldName } from './fields.ts';
import { get, get32 } from './region.ts';

/** The current VMCS as rules read it. */
export class EntryView {
  readonly c: SlowContext;

  constructor(c: SlowContext) {
    this.c = c;
  }

  /** Any field. */
  big(name: VmcsFieldName): bigint {
    return get(this.c, name);
  }

  /** A field of at most 32 bits. */
  number(name: VmcsFieldName): number {
    return get32(this.c, name);
  }

  /** Are all these bits set? */
  has(name: VmcsFieldName, bits: number): boolean {
    return (this.number(name) & bits) !== 0;
  }

  /** Secondary controls act only where the primary ones activate them. */
  secondary(bit: number): boolean {
    return (this.number('procControls') & 0x80000000) !== 0 && this.has('proc2Controls', bit);
  }

  /** No bit beyond the physical-address width, and the low bits of `mask` clear. */
  physical(name: VmcsFieldName, mask: bigint): boolean {
    const value = this.big(name);
    return (value & mask) === 0n && value >> BigInt(this.c.features.physicalBits) === 0n;
  }
}

export interface Rule {
  readonly name: string;
  readonly fields: readonly VmcsFieldName[];
  readonly ok: (v: EntryView) => boolean;
  /** Exit qualification of a failed guest-state rule (SDM vol. 3, 26.7). */
  readonly qualification?: number;
}

export const rule = (name: string, fields: readonly VmcsFieldName[], ok: (v: EntryView) => boolean, qualification = 0): Rule => ({
  name,
  fields,
  ok,
  qualification,
});

/** The first rule of the list that does not hold. */
export const firstFailure = (rules: readonly Rule[], v: EntryView): Rule | undefined => rules.find((r) => !r.ok(v));
