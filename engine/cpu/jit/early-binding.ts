/** Operands of one decoded instruction as constants and registers: the JIT's binding of the emitter. */
import type { Decoded } from '../../isa/decoded.ts';
import type { Operand } from '../../isa/emitter.ts';
import type { VariantOperand } from '../../isa/variants.ts';
import { registerOffset } from '../interpreter/late-binding.ts';
import { int, node } from '../ir/arithmetic.ts';
import type { Binding, IrEmitter } from '../ir/emitter.ts';
import type { Node } from '../ir/node.ts';
import { offsetOf } from '../state.ts';

const GPR = offsetOf('gpr');
const PAGE = 4096;
const RECORD = offsetOf('regionRecord');
const SEGMENT_BASES = (['esBase', 'csBase', 'ssBase', 'dsBase', 'fsBase', 'gsBase'] as const).map(offsetOf);
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

export function earlyBinding(decoded: Decoded, place: Place): (e: IrEmitter) => Binding {
  const { variant } = decoded;
  const { facts } = variant;
  const positionOf = (op: Operand): number => (op as VariantOperand).position;
  const isFixed = (op: Operand): boolean => (op as VariantOperand).spec.source === 'fixed';
  const numberOf = (op: Operand): number => (isFixed(op) ? (op as VariantOperand).spec.fixed : decoded.register(positionOf(op)));
  const branchMask = MASKS[facts.mode === 'long' ? 64 : facts.width === 16 ? 16 : 32] as bigint;
  const addressMask = MASKS[facts.addressWidth] as bigint;
  const immediates = variant.operands.filter((o) => ['imm', 'far', 'rel'].includes(o.kind) && o.spec.source !== 'fixed');
  return (e) => {
    const { ir, cpu } = e;
    const c64 = (value: bigint): Node => ir.const64(value);
    const fromBase = (offset: number): Node => ir.numeric('i64.add', place.ripBase, c64(BigInt(offset)));
    const register = (number: number): Node => ir.load('i64.load', cpu, GPR + 8 * number);
    // The mode of the region says so, and what would change that ends it.
    const isFlat = (segment: number): boolean => (place.flat & (1 << segment)) !== 0;
    const based = place.long ? decoded.segment >= 4 : !isFlat(decoded.segment);
    return {
      register: (op) => ({ address: cpu, offset: registerOffset(op.kind, numberOf(op)) }),
      registerNumber: (op) => c64(BigInt(numberOf(op))),
      immediate: (op) => {
        if (isFixed(op)) return c64(BigInt(numberOf(op)));
        if (immediates.indexOf(op as VariantOperand) > 0) return c64(BigInt(decoded.immediate2 >>> 0));
        const value = BigInt.asUintN(64, signed64(decoded.immediate, decoded.immediateHigh));
        return c64(op.width < 64 && op.width > 0 ? value & ((1n << BigInt(op.width)) - 1n) : value);
      },
      memoryOffset: (op) => {
        if ((op as VariantOperand).spec?.source === 'moffs')
          return c64(BigInt.asUintN(64, signed64(decoded.displacement, decoded.displacementHigh)) & addressMask);
        let sum = c64(BigInt.asUintN(64, BigInt(decoded.displacement)));
        if (decoded.ripRelative) sum = fromBase(place.next + decoded.displacement);
        if (decoded.index >= 0) {
          const index = ir.numeric('i64.shl', register(decoded.index), c64(BigInt(decoded.scale)));
          sum = ir.numeric('i64.add', index, sum);
        }
        if (decoded.base >= 0) sum = ir.numeric('i64.add', register(decoded.base), sum);
        return ir.numeric('i64.and', sum, c64(addressMask));
      },
      addressMask: () => c64(addressMask),
      segment: () => ({
        number: ir.const32(decoded.segment),
        base: based ? ir.load('i64.load', cpu, SEGMENT_BASES[decoded.segment] as number) : c64(0n),
        checked: ir.const32(based && !place.long ? 1 : 0),
      }),
      isFlat: (segment) => !place.long && isFlat(segment),
      nextIp: () => fromBase(place.next),
      relTarget: () => {
        const target = targetOffset(decoded, place.next);
        // Pages of flat code lie below 4 GiB as a whole.
        const isBelow = place.flatCode && facts.width !== 16 && target >= 0 && target < PAGE;
        return isBelow ? fromBase(target) : node(e.and(int(fromBase(target)), int(c64(branchMask))));
      },
      record: () => ir.numeric('i32.add', cpu, ir.const32(RECORD)),
    };
  };
}
