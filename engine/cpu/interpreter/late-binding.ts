/** Operands read from the decoded record at run time (record layout: engine/cpu/regions.ts). */
import { HIGH_BYTE } from '../../isa/decoded.ts';
import type { Facts, Operand } from '../../isa/emitter.ts';
import type { VariantOperand } from '../../isa/variants.ts';
import { int, node } from '../ir/arithmetic.ts';
import type { Binding } from '../ir/binding.ts';
import type { IrEmitter } from '../ir/emitter.ts';
import type { Node } from '../ir/node.ts';
import { REC, REC_FLAG } from '../regions.ts';
import { offsetOf } from '../state.ts';
import type { AddressShape } from './address-shapes.ts';

/** Kinds of operands that name a register and so take one of the record's two register fields, in order. */
const REGISTER_KINDS: readonly Operand['kind'][] = ['reg', 'xmm', 'mmx', 'st', 'seg', 'cr', 'dr'];

/** Operands the form itself fixes (AL, CL, the 1 of a shift) are constants of the handler. */
const isFixed = (operand: Operand): boolean => (operand as VariantOperand).spec?.source === 'fixed';
const fixedNumber = (operand: Operand): number => (operand as VariantOperand).spec.fixed;

const [GPR, FPR, XMM] = [offsetOf('gpr'), offsetOf('fpr'), offsetOf('xmm')];

/** Offset of a register operand's bytes in the state block. */
export function registerOffset(kind: Operand['kind'], number: number): number {
  if (kind === 'xmm') return XMM + 16 * number;
  if (kind === 'mmx') return FPR + 16 * number;
  return number >= HIGH_BYTE ? GPR + 8 * (number - HIGH_BYTE) + 1 : GPR + 8 * number;
}

/** Where the record holds an operand: register field `a` or `b`, first or second immediate, displacement target, or the memory operand. */
export type Place = 'a' | 'b' | 'immediate' | 'second' | 'memory' | 'fixed';

export function placesOf(operands: readonly Operand[]): readonly Place[] {
  let registers = 0;
  let constants = 0;
  return operands.map((operand) => {
    if (operand.kind === 'mem') return 'memory';
    if (isFixed(operand)) return 'fixed';
    if (!REGISTER_KINDS.includes(operand.kind)) return constants++ === 0 ? 'immediate' : 'second';
    if (registers > 1) throw new RangeError('a record holds two register operands');
    return registers++ === 0 ? 'a' : 'b';
  });
}

/** @param shape what is known of the address of the memory operand */
export function lateBinding(facts: Facts, shape: AddressShape = 'general'): (e: IrEmitter) => Binding {
  const places = placesOf(facts.operands);
  const placeOf = (op: Operand): Place => {
    const at = facts.operands.indexOf(op);
    if (at < 0) throw new RangeError('the operand is not one of the form');
    return places[at] as Place;
  };
  return (e) => {
    const { ir, cpu } = e;
    const record = ir.param(1, 'i32');
    const small = (offset: number): Node => ir.load('i32.load16_u', record, offset);
    const state = (offset: Node): Node => ir.load('i64.load', ir.numeric('i32.add', cpu, offset));
    const registerField = (op: Operand): Node => small(placeOf(op) === 'a' ? REC.a : REC.b);
    const rip = (): Node => ir.load('i64.load', cpu, offsetOf('ripBase'));
    return {
      register: (op) =>
        isFixed(op)
          ? { address: cpu, offset: registerOffset(op.kind, fixedNumber(op)) }
          : { address: ir.numeric('i32.add', cpu, registerField(op)), offset: 0 },
      registerNumber: (op) => {
        if (isFixed(op)) return ir.const64(BigInt(fixedNumber(op)));
        const field = ir.numeric('i64.extend_i32_u', registerField(op));
        if (op.kind === 'reg') return node(e.shr(64, int(field), e.const(3)));
        if (op.kind !== 'xmm' && op.kind !== 'mmx') return field;
        const first = e.const(offsetOf(op.kind === 'xmm' ? 'xmm' : 'fpr'));
        return node(e.shr(64, e.sub(64, int(field), first), e.const(4)));
      },
      immediate: (op) => {
        if (isFixed(op)) return ir.const64(BigInt(fixedNumber(op)));
        if (placeOf(op) === 'second') return ir.load('i64.load32_u', record, REC.displacement);
        return ir.load('i64.load', record, REC.immediate);
      },
      memoryOffset: (op) => {
        if ((op as VariantOperand).spec?.source === 'moffs')
          return ir.numeric('i64.and', ir.load('i64.load', record, REC.immediate), state(small(REC.mask)));
        const displacement = ir.load('i64.load32_s', record, REC.displacement);
        const base = state(small(REC.base));
        if (shape === 'plain') return ir.numeric('i64.add', base, displacement);
        const index = ir.numeric('i64.shl', state(small(REC.index)), ir.load('i64.load8_u', record, REC.scale));
        const sum = ir.numeric('i64.add', ir.numeric('i64.add', base, index), displacement);
        return shape === 'indexed' ? sum : ir.numeric('i64.and', sum, state(small(REC.mask)));
      },
      addressMask: () => (shape === 'general' ? state(small(REC.mask)) : ir.const64(0xffffffffffffffffn)),
      segment: () => ({
        number: ir.load('i32.load8_u', record, REC.segment),
        base: shape === 'general' ? state(small(REC.segmentBase)) : ir.const64(0n),
        checked:
          shape !== 'general'
            ? ir.const32(0)
            : ir.numeric('i32.and', ir.load('i32.load8_u', record, REC.flags), ir.const32(REC_FLAG.checkedSegment)),
      }),
      nextIp: () => ir.numeric('i64.add', rip(), ir.load('i64.load16_u', record, REC.nextIp)),
      relTarget: () => {
        const from = ir.numeric('i64.add', rip(), ir.load('i64.load16_u', record, REC.nextIp));
        const sum = ir.numeric('i64.add', from, ir.load('i64.load32_s', record, REC.immediate));
        return ir.numeric('i64.and', sum, state(small(REC.mask)));
      },
      record: () => record,
    };
  };
}
