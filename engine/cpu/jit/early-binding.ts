/** Operands of one decoded instruction as constants and registers: the JIT's binding of the emitter. */
import type { Decoded } from '../../isa/decoded.ts';
import type { Operand } from '../../isa/emitter.ts';
import type { VariantOperand } from '../../isa/variants.ts';
import { registerOffset } from '../interpreter/late-binding.ts';
import type { Binding } from '../ir/binding.ts';
import type { IrEmitter } from '../ir/emitter.ts';
import type { Node } from '../ir/node.ts';
import { offsetOf } from '../state.ts';

const GPR = offsetOf('gpr');
const PAGE = 4096;
const RECORD = offsetOf('regionRecord');
const SEGMENT_BASES = (['esBase', 'csBase', 'ssBase', 'dsBase', 'fsBase', 'gsBase'] as const).map(offsetOf);
const IMMEDIATE = new Set(['imm', 'far', 'rel']);
const MASKS: Record<number, bigint> = { 16: 0xffffn, 32: 0xffffffffn, 64: 0xffffffffffffffffn };

export interface Place {
  /** RIP at the start of the instruction's page. */
  readonly ripBase: Node;
  /** Offset of the next instruction from there. */
  readonly next: number;
  readonly long: boolean;
  /** Legacy modes: bit per segment that is flat. */
  readonly flat: number;
  /** Legacy modes: all 4 GiB from 0 are code. */
  readonly flatCode: boolean;
}

const signed64 = (low: number, high: number): bigint => (BigInt(high | 0) << 32n) | BigInt(low >>> 0);

/** Offset of the branch target from the start of the page, before it is truncated to the operand size. */
export const targetOffset = (decoded: Decoded, next: number): number => next + decoded.immediate;

const isFixed = (op: Operand): boolean => (op as VariantOperand).spec.source === 'fixed';

export class EarlyBinding implements Binding {
  readonly #emitter: IrEmitter;
  readonly #decoded: Decoded;
  readonly #place: Place;

  constructor(emitter: IrEmitter, decoded: Decoded, place: Place) {
    this.#emitter = emitter;
    this.#decoded = decoded;
    this.#place = place;
  }

  register(op: Operand): { address: Node; offset: number } {
    return { address: this.#emitter.cpu, offset: registerOffset(op.kind, this.#numberOf(op)) };
  }

  registerNumber(op: Operand): Node {
    return this.#emitter.ir.integer(this.#numberOf(op));
  }

  immediate(op: Operand): Node {
    if (isFixed(op)) return this.registerNumber(op);
    const { ir } = this.#emitter;
    const { variant, immediate, immediateHigh, immediate2 } = this.#decoded;
    const first = variant.operands.find((o) => IMMEDIATE.has(o.kind) && !isFixed(o));
    if (first !== op) return ir.integer(immediate2 >>> 0);
    if (op.width === 8) return ir.integer(immediate & 0xff);
    if (op.width === 32) return ir.integer(immediate >>> 0);
    const isWhole = op.width >= 64 || op.width === 0;
    if (isWhole && immediateHigh === immediate >> 31) return ir.integer(immediate);
    const value = BigInt.asUintN(64, signed64(immediate, immediateHigh));
    return ir.const64(isWhole ? value : BigInt.asUintN(op.width, value));
  }

  memoryOffset(op: Operand): Node {
    const { ir } = this.#emitter;
    const decoded = this.#decoded;
    if ((op as VariantOperand).spec?.source === 'moffs')
      return this.#constant(signed64(decoded.displacement, decoded.displacementHigh) & this.#mask());
    let sum = decoded.ripRelative ? this.#fromBase(this.#place.next + decoded.displacement) : ir.integer(decoded.displacement);
    if (decoded.index >= 0) {
      const index = ir.numeric('i64.shl', this.#general(decoded.index), ir.integer(decoded.scale));
      sum = ir.numeric('i64.add', index, sum);
    }
    if (decoded.base >= 0) sum = ir.numeric('i64.add', this.#general(decoded.base), sum);
    return ir.numeric('i64.and', sum, this.addressMask());
  }

  addressMask(): Node {
    return this.#constant(this.#mask());
  }

  segment(): { number: Node; base: Node; checked: Node } {
    const { ir, cpu } = this.#emitter;
    const { segment } = this.#decoded;
    const { long, flat } = this.#place;
    // The mode of the region says what is flat, and what would change that ends it.
    const based = long ? segment >= 4 : (flat & (1 << segment)) === 0;
    return {
      number: ir.const32(segment),
      base: based ? ir.load('i64.load', cpu, SEGMENT_BASES[segment] as number) : ir.integer(0),
      checked: ir.const32(based && !long ? 1 : 0),
    };
  }

  isFlat(segment: number): boolean {
    const { long, flat } = this.#place;
    return !long && (flat & (1 << segment)) !== 0;
  }

  nextIp(): Node {
    return this.#fromBase(this.#place.next);
  }

  relTarget(): Node {
    const { mode, width } = this.#decoded.facts;
    const { next, flatCode } = this.#place;
    const offset = targetOffset(this.#decoded, next);
    const target = this.#fromBase(offset);
    // Pages of flat code lie below 4 GiB as a whole.
    if (flatCode && width !== 16 && offset >= 0 && offset < PAGE) return target;
    const mask = MASKS[mode === 'long' ? 64 : width === 16 ? 16 : 32] as bigint;
    return this.#emitter.ir.numeric('i64.and', target, this.#constant(mask));
  }

  record(): Node {
    const { ir, cpu } = this.#emitter;
    return ir.numeric('i32.add', cpu, ir.const32(RECORD));
  }

  #numberOf(op: Operand): number {
    const { spec, position } = op as VariantOperand;
    return spec.source === 'fixed' ? spec.fixed : this.#decoded.register(position);
  }

  #mask(): bigint {
    return MASKS[this.#decoded.facts.addressWidth] as bigint;
  }

  #constant(value: bigint): Node {
    return this.#emitter.ir.const64(value);
  }

  #fromBase(offset: number): Node {
    return this.#emitter.ir.numeric('i64.add', this.#place.ripBase, this.#emitter.ir.integer(offset));
  }

  #general(number: number): Node {
    return this.#emitter.ir.load('i64.load', this.#emitter.cpu, GPR + 8 * number);
  }
}
