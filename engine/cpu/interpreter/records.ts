/** Fills the 32-byte record of one decoded instruction (layout: engine/cpu/regions.ts). */
import type { Decoded } from '../../isa/decoded.ts';
import type { Variant, VariantOperand } from '../../isa/variants.ts';
import { REC, REC_FLAG } from '../regions.ts';
import { offsetOf } from '../state.ts';
import { placesOf, registerOffset } from './late-binding.ts';

const ZERO = offsetOf('zero');
const RIP_BASE = offsetOf('ripBase');
const PAGE_8K = offsetOf('page8k');
const MASKS: Record<number, number> = { 16: offsetOf('ones16'), 32: offsetOf('ones32'), 64: offsetOf('ones') };
const GPR = offsetOf('gpr');
const SEGMENT_BASES = [
  offsetOf('esBase'),
  offsetOf('csBase'),
  offsetOf('ssBase'),
  offsetOf('dsBase'),
  offsetOf('fsBase'),
  offsetOf('gsBase'),
];
const NUMBERED: readonly VariantOperand['kind'][] = ['st', 'seg', 'cr', 'dr'];

/** A register operand: its position, its field of the record; there stands its number, or the place of it in the state block. */
interface RegisterField {
  readonly position: number;
  readonly field: number;
  readonly kind: VariantOperand['kind'];
  readonly isNumber: boolean;
}

/** What the packer must know of a variant, worked out once. */
interface Plan {
  readonly registers: readonly RegisterField[];
  readonly immediateWidth: number;
  readonly relative: boolean;
  readonly moffs: boolean;
  readonly addressMask: number;
  readonly branchMask: number;
}

const plans = new WeakMap<Variant, Plan>();

function planOf(variant: Variant): Plan {
  const known = plans.get(variant);
  if (known) return known;
  const { operands, facts } = variant;
  const immediate = operands.find((o) => o.kind === 'imm' && o.spec.source !== 'fixed');
  const registers = placesOf(operands).flatMap((where, position): RegisterField[] => {
    const { kind } = operands[position] as VariantOperand;
    return where === 'a' || where === 'b' ? [{ position, field: REC[where], kind, isNumber: NUMBERED.includes(kind) }] : [];
  });
  const plan: Plan = {
    registers,
    immediateWidth: immediate?.width ?? 64,
    relative: operands.some((o) => o.kind === 'rel'),
    moffs: operands.some((o) => o.spec.source === 'moffs'),
    addressMask: MASKS[facts.addressWidth] as number,
    branchMask: MASKS[facts.mode === 'long' ? 64 : facts.width === 16 ? 16 : 32] as number,
  };
  plans.set(variant, plan);
  return plan;
}

export interface RecordPlace {
  readonly at: number;
  /** Offset of the instruction from the start of its page. */
  readonly offset: number;
  readonly handler: number;
  /** Long mode: FS and GS have bases, others none, nothing is checked. */
  readonly long: boolean;
  /** Bit i: segment i needs no limit checks and has base 0 (legacy modes). */
  readonly flat: number;
}

export function packRecord(dv: DataView, decoded: Decoded, place: RecordPlace): void {
  const { at } = place;
  const { variant } = decoded;
  const plan = planOf(variant);
  const next = place.offset + decoded.length;
  let flags = 0;
  dv.setUint16(at + REC.op, place.handler, true);
  dv.setUint8(at + REC.length, decoded.length);
  dv.setUint16(at + REC.nextIp, next, true);
  dv.setInt32(at + REC.link, 0, true);
  for (const { position, field, kind, isNumber } of plan.registers) {
    const number = decoded.register(position);
    dv.setUint16(at + field, isNumber ? number : registerOffset(kind, number), true);
  }
  const { segment } = decoded;
  const based = place.long ? segment >= 4 : (place.flat & (1 << segment)) === 0;
  if (based && !place.long) flags |= REC_FLAG.checkedSegment;
  dv.setUint8(at + REC.segment, segment);
  dv.setUint16(at + REC.segmentBase, based ? (SEGMENT_BASES[segment] as number) : ZERO, true);
  dv.setUint16(at + REC.mask, plan.relative ? plan.branchMask : plan.addressMask, true);
  packMemory(dv, decoded, at, next);
  if (plan.relative) {
    dv.setInt32(at + REC.immediate, decoded.immediate, true);
    const target = next + decoded.immediate;
    if (target >= 0 && target < 4096) flags |= REC_FLAG.samePage;
  } else if (plan.moffs) {
    dv.setInt32(at + REC.immediate, decoded.displacement, true);
    dv.setInt32(at + REC.immediate + 4, decoded.displacementHigh, true);
  } else {
    const width = plan.immediateWidth;
    const low = width < 32 ? decoded.immediate & ((1 << width) - 1) : decoded.immediate;
    dv.setInt32(at + REC.immediate, low, true);
    dv.setInt32(at + REC.immediate + 4, width < 64 ? 0 : decoded.immediateHigh, true);
  }
  if (!variant.memory || plan.moffs) dv.setInt32(at + REC.displacement, decoded.immediate2, true);
  dv.setUint8(at + REC.flags, flags);
}

function packMemory(dv: DataView, decoded: Decoded, at: number, next: number): void {
  let base = decoded.base < 0 ? ZERO : GPR + 8 * decoded.base;
  let index = decoded.index < 0 ? ZERO : GPR + 8 * decoded.index;
  let { displacement } = decoded;
  if (decoded.ripRelative) {
    base = RIP_BASE;
    displacement += next;
    if (displacement > 0x7fffffff) {
      index = PAGE_8K;
      displacement -= 8192;
    }
  }
  dv.setUint16(at + REC.base, base, true);
  dv.setUint16(at + REC.index, index, true);
  dv.setUint8(at + REC.scale, decoded.scale);
  dv.setInt32(at + REC.displacement, displacement, true);
}
