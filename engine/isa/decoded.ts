/** What the decoder returns: a variant and the values of its operands. */
import type { Definition, Form } from './form.ts';
import { PREFIX } from './table.ts';
import type { Variant } from './variants.ts';

/** Register number of AH; CH, DH and BH follow. */
export const HIGH_BYTE = 16;
const DS = 3;

/** One decoded instruction. Numbers only, so that records are filled from it without conversions. */
export class Decoded {
  readonly variant: Variant;
  /** Bytes, 1 to 15; at its end so many of the displacement of the memory operand and of what `readImmediates` reads. */
  length: number;
  displacementBytes: number;
  immediateBytes: number;
  /** Bits of PREFIX. */
  readonly prefixes: number;
  /** ModRM byte, C0 where the form has none. */
  readonly modrm: number;
  /** Last opcode byte. */
  readonly opcode: number;
  /** Segment override 0 ES … 5 GS (FS and GS only in 64-bit mode), -1 without. */
  readonly segmentOverride: number;
  /** Memory operand: base and index register 0 to 15 or -1, shift of the index, displacement as signed 64-bit halves. */
  base: number;
  index: number;
  scale: number;
  displacement: number;
  displacementHigh: number;
  /** Segment of the memory operand, or of the source of a string instruction and XLAT. */
  segment: number;
  ripRelative: boolean;
  /** First immediate, branch displacement or far offset, sign- or zero-extended by its form, as signed 32-bit halves. */
  immediate: number;
  immediateHigh: number;
  /** Second immediate (ENTER) or far selector, zero-extended. */
  immediate2: number;

  constructor(variant: Variant, modrm: number, opcode: number, prefixes: number, segmentOverride: number) {
    this.variant = variant;
    this.length = 0;
    this.displacementBytes = 0;
    this.immediateBytes = 0;
    this.prefixes = prefixes;
    this.modrm = modrm;
    this.opcode = opcode;
    this.segmentOverride = segmentOverride;
    this.base = -1;
    this.index = -1;
    this.scale = 0;
    this.displacement = 0;
    this.displacementHigh = 0;
    this.segment = segmentOverride < 0 ? DS : segmentOverride;
    this.ripRelative = false;
    this.immediate = 0;
    this.immediateHigh = 0;
    this.immediate2 = 0;
  }

  /** Add 2, 4 or 8. */
  addDisplacement(bytes: number): void {
    const low = (this.displacement >>> 0) + bytes;
    this.displacement = low | 0;
    if (low > 0xffffffff) this.displacementHigh++;
  }

  get form(): Form {
    return this.variant.form;
  }
  get definition(): Definition {
    return this.variant.form.definition;
  }
  get facts(): Variant['facts'] {
    return this.variant.facts;
  }
  get formIndex(): number {
    return this.variant.form.index;
  }

  /**
   * Number of the register the operand at `position` names: general 0 to 15, AH CH DH BH 16 to 19, or the number of a segment, control,
   * debug, MMX, XMM or x87 register. For a fixed immediate, its value.
   */
  register(position: number): number {
    const { spec, width } = this.variant.operands[position]!;
    const number = this.encodedNumber(spec.source);
    if (number < 0) return spec.fixed;
    switch (spec.kind) {
      case 'reg':
        return width === 8 && number >= 4 && number < 8 && (this.prefixes & PREFIX.rex) === 0 ? number + (HIGH_BYTE - 4) : number;
      case 'mmx':
      case 'st':
      case 'seg':
        return number & 7;
      default:
        return number;
    }
  }

  private encodedNumber(source: string): number {
    if (source === 'rm') return (this.modrm & 7) | ((this.prefixes & PREFIX.rexB) >> 3);
    if (source === 'reg') return ((this.modrm >> 3) & 7) | ((this.prefixes & PREFIX.rexR) >> 5);
    if (source === 'opcode') return (this.opcode & 7) | ((this.prefixes & PREFIX.rexB) >> 3);
    return -1;
  }
}
