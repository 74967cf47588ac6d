/** Conditions of branches, taken from the operands of the instruction that set the flags instead of from the flags. */
import type { Bool, ConditionCode, Int, StatusFlag, Width } from '../../isa/emitter.ts';
import { bool, node } from '../ir/arithmetic.ts';
import type { IrBuilder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';

/** What is known of the flags that an instruction left, besides the words they are kept in. */
export interface FlagFact {
  /** The value of `flagResult` it wrote; when another stands there only carry and overflow are still its own. */
  readonly result: Node | undefined;
  readonly carry?: Bool;
  readonly overflow?: Bool;
  readonly zero?: Bool;
  readonly parity?: Bool;
  /** Carry or zero, of floats: in one comparison. */
  readonly belowOrEqual?: Bool;
  /** Operands that were compared: zero-extended to the width. */
  readonly compared?: { readonly width: Width; readonly a: Int; readonly b: Int; readonly onlyCompares: boolean };
}

/** Instructions whose flags are those of a sum or difference of their two operands, without a carry in. */
export const SUMS = new Set(['add', 'xadd']);
export const DIFFERENCES = new Set(['sub', 'cmp', 'neg', 'cmpxchg', 'cmps', 'scas']);

/** Conditions by code without the bit that negates. */
const CODE = { carry: 1, zero: 2, belowOrEqual: 3, parity: 5, less: 6, lessOrEqual: 7 } as const;

/** The flag of what `aux` and `result` hold, where it need not be read from them. */
export function knownFlag(fact: FlagFact | undefined, name: StatusFlag): Bool | undefined {
  if (name === 'C') return fact?.carry;
  if (name === 'Z') return fact?.zero;
  if (name === 'P') return fact?.parity;
  return name === 'O' ? fact?.overflow : undefined;
}

/** The condition without its negation; undefined where it must be read from the flags. */
export function knownCondition(ir: IrBuilder, fact: FlagFact | undefined, cc: ConditionCode): Bool | undefined {
  const code = cc >> 1;
  if (fact === undefined) return undefined;
  if (code === CODE.carry) return fact.carry;
  const { compared, zero, parity, belowOrEqual } = fact;
  if (code === CODE.zero && zero !== undefined) return zero;
  if (code === CODE.parity && parity !== undefined) return parity;
  if (code === CODE.belowOrEqual && belowOrEqual !== undefined) return belowOrEqual;
  if (compared === undefined) return undefined;
  const { width, onlyCompares } = compared;
  const [a, b] = [node(compared.a), node(compared.b)];
  switch (code) {
    case CODE.zero:
      return onlyCompares ? bool(ir.numeric('i64.eq', a, b)) : undefined;
    case CODE.belowOrEqual:
      return bool(ir.numeric('i64.le_u', a, b));
    case CODE.less:
      return less(ir, width, [a, b]);
    case CODE.lessOrEqual:
      return bool(ir.numeric('i32.eqz', node(less(ir, width, [b, a]))));
    default:
      return undefined;
  }
}

function less(ir: IrBuilder, width: Width, operands: readonly [Node, Node]): Bool {
  if (width === 64) return bool(ir.numeric('i64.lt_s', ...operands));
  const [a, b] = operands.map((of) => {
    const low = ir.numeric('i32.wrap_i64', of);
    return width === 32 ? low : ir.numeric(`i32.extend${width}_s`, low);
  }) as [Node, Node];
  return bool(ir.numeric('i32.lt_s', a, b));
}

/** Does the sum carry out of its width? */
export function sumCarries(ir: IrBuilder, width: Width, [a, result]: readonly [Int, Int]): Bool {
  const sum = width === 64 ? node(result) : ir.numeric('i64.and', node(result), ir.const64((1n << BigInt(width)) - 1n));
  return bool(ir.numeric('i64.lt_u', sum, node(a)));
}
