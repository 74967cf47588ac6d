/** Fills the 32-byte record of one decoded instruction (layout: engine/cpu/regions.ts). */
import type { Decoded } from '../../isa/decoded.ts';
import type { Variant, VariantOperand } from '../../isa/variants.ts';
import { REC_FLAG } from '../regions.ts';
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

/** A register operand: its position; in its field of the record stands its number, or the place of it in the state block. */
interface RegisterField {
  readonly position: number;
  readonly kind: VariantOperand['kind'];
  readonly isNumber: boolean;
}

/** What the packer must know of a variant, worked out once. */
interface Plan {
  readonly a: RegisterField | undefined;
  readonly b: RegisterField | undefined;
  readonly immediateWidth: number;
  readonly relative: boolean;
  readonly moffs: boolean;
  readonly addressMask: number;
  readonly branchMask: number;
}

const plans = new WeakMap<Variant, Plan>();

/** What of a record the immediate fills. */
export function immediateOf(variant: Variant): { readonly width: number; readonly relative: boolean; readonly moffs: boolean } {
  const { immediateWidth: width, relative, moffs } = planOf(variant);
  return { width, relative, moffs };
}

function planOf(variant: Variant): Plan {
  const known = plans.get(variant);
  if (known) return known;
  const { operands, facts } = variant;
  const immediate = operands.find((o) => o.kind === 'imm' && o.spec.source !== 'fixed');
  const places = placesOf(operands);
  const register = (place: 'a' | 'b'): RegisterField | undefined => {
    const position = places.indexOf(place);
    if (position < 0) return undefined;
    const { kind } = operands[position] as VariantOperand;
    return { position, kind, isNumber: NUMBERED.includes(kind) };
  };
  const plan: Plan = {
    a: register('a'),
    b: register('b'),
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

/** Word by word, as `REC` has them. */
export function packRecord(u32: Uint32Array, decoded: Decoded, place: RecordPlace): void {
  const { variant, segment } = decoded;
  const plan = planOf(variant);
  const next = place.offset + decoded.length;
  const word = place.at >>> 2;
  let flags = 0;
  const based = place.long ? segment >= 4 : (place.flat & (1 << segment)) === 0;
  if (based && !place.long) flags |= REC_FLAG.checkedSegment;
  const segmentBase = based ? (SEGMENT_BASES[segment] as number) : ZERO;
  const target = next + decoded.immediate;
  if (plan.relative && target >= 0 && target < 4096) flags |= REC_FLAG.samePage;
  u32[word] = place.handler | (decoded.length << 16) | (flags << 24);
  u32[word + 1] = registerField(decoded, plan.a) | (registerField(decoded, plan.b) << 16);
  u32[word + 3] = segmentBase | (decoded.scale << 16) | (segment << 24);
  u32[word + 5] = next | ((plan.relative ? plan.branchMask : plan.addressMask) << 16);
  packMemory(u32, word, decoded, next);
  if (!variant.memory || plan.moffs) u32[word + 4] = decoded.immediate2;
  if (plan.relative) {
    u32[word + 6] = decoded.immediate;
    u32[word + 7] = 0; // no link yet
  } else if (plan.moffs) {
    u32[word + 6] = decoded.displacement;
    u32[word + 7] = decoded.displacementHigh;
  } else {
    const width = plan.immediateWidth;
    u32[word + 6] = width < 32 ? decoded.immediate & ((1 << width) - 1) : decoded.immediate;
    u32[word + 7] = width < 64 ? 0 : decoded.immediateHigh;
  }
}

function registerField(decoded: Decoded, field: RegisterField | undefined): number {
  if (field === undefined) return 0;
  const number = decoded.register(field.position);
  return field.isNumber ? number : registerOffset(field.kind, number);
}

function packMemory(u32: Uint32Array, word: number, decoded: Decoded, next: number): void {
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
  u32[word + 2] = base | (index << 16);
  u32[word + 4] = displacement;
}
