/**
 * Variants: a form under one combination of facts. Each is made once, so a binding can hang its handler on it (`handler`), and a generator
 * can enumerate all of them (`variantsOf`).
 */
import type { AddressWidth, ConditionCode, Facts, Operand, Width } from './emitter.ts';
import type { Form, OperandSpec } from './form.ts';

/** What decoding depends on besides the bytes. In 64-bit mode code and stack are 64. */
export interface DecodeMode {
  /** Default size of code: CS.D, CS.L. */
  readonly code: 16 | 32 | 64;
  /** Size of the stack pointer: SS.B. */
  readonly stack: AddressWidth;
  readonly kind: Facts['mode'];
  /** Bit set over FEATURES (attributes.ts). */
  readonly features: number;
}

/** An operand of a variant: what definitions see, plus where bindings find its value. */
export interface VariantOperand extends Operand {
  /** Index in `facts.operands`; argument of `Decoded.register`. */
  readonly position: number;
  readonly spec: OperandSpec;
}

export interface Variant {
  readonly form: Form;
  readonly facts: Facts;
  readonly operands: readonly VariantOperand[];
  /** `Decoded` describes a memory operand (by ModRM, by offset, or the first implied one). */
  readonly memory: boolean;
  /** Free for the binding that generates handlers; -1 until set. */
  handler: number;
}

/** Facts that distinguish variants of one form. */
export interface VariantKey {
  readonly mode: Facts['mode'];
  readonly operandSize: 16 | 32 | 64;
  readonly addressWidth: AddressWidth;
  readonly stackWidth: AddressWidth;
  readonly rep: Facts['rep'];
  readonly lock: boolean;
  readonly memory: boolean;
  readonly cc: ConditionCode;
}

/** Effective operand size by mode, prefixes and the form's rule. A 66 that selects the opcode does not count. */
export function operandSize(form: Form, code: 16 | 32 | 64, prefix66: boolean, rexW: boolean): 16 | 32 | 64 {
  const small = prefix66 && form.prefix !== '66';
  if (typeof form.size === 'number') return form.size === 8 ? 32 : form.size;
  if (code !== 64) return (code === 32) !== small ? 32 : 16;
  if (form.size === 'f64' || rexW) return 64;
  if (small) return 16;
  return form.size === 'd64' ? 64 : 32;
}

/** Width of an operand in bits. */
export function operandWidth(spec: OperandSpec, size: 16 | 32 | 64, mode: Facts['mode']): number {
  switch (spec.size) {
    case 'v':
      return size;
    case 'z':
      return size === 16 ? 16 : 32;
    case 'y':
      return size === 64 ? 64 : 32;
    case 'r':
      return mode === 'long' ? 64 : 32;
    case 'p':
      return size + 16;
    default:
      return spec.size;
  }
}

/** `Facts.width`: size of the first operand that is neither constant nor a port in DX, where that is a byte or `z`; else the operand size. */
export function factsWidth(form: Form, size: 16 | 32 | 64): Width {
  if (form.size === 8) return 8;
  const first = form.operands.find((o) => o.kind !== 'imm' && o.kind !== 'rel' && o.text !== 'DX');
  if (first?.size === 8) return 8;
  return first?.size === 'z' && size === 64 ? 32 : size;
}

/** Whether ModRM of this form can name memory, and whether it must. */
const memoryChoices = (form: Form): readonly boolean[] => {
  if (form.operands.some((o) => o.source !== 'rm' && o.kind === 'mem')) return [true];
  if (!form.hasModrm || form.anyMod || form.mod === 'reg') return [false];
  return form.mod === 'mem' ? [true] : [false, true];
};

export function makeVariant(form: Form, key: VariantKey): Variant {
  const operands = form.operands.map((spec, position): VariantOperand => {
    const kind = spec.source === 'rm' && key.memory ? 'mem' : spec.kind;
    const whole = kind === 'xmm' || kind === 'mmx';
    const width = whole && spec.size === 0 ? (kind === 'xmm' ? 128 : 64) : operandWidth(spec, key.operandSize, key.mode);
    return { kind, width, position, spec };
  });
  const facts: Facts = {
    width: factsWidth(form, key.operandSize),
    addressWidth: key.addressWidth,
    stackWidth: key.stackWidth,
    mode: key.mode,
    rep: key.rep,
    lock: key.lock,
    operands,
    dst: operands[0] as Operand,
    src: operands[1] as Operand,
    cc: key.cc,
  };
  return { form, facts, operands, memory: key.memory, handler: -1 };
}

/** Every combination of facts under which the decoder can produce this form. */
export function* variantKeys(form: Form): Generator<VariantKey> {
  const reps: readonly Facts['rep'][] = form.rep ? ['none', 'rep', 'repne'] : ['none'];
  const ccs = form.opcodes === 16 ? [...Array(16).keys()] : [form.opcode & 15];
  for (const { mode, code, stackWidth } of modes(form)) {
    const sizes = new Set<16 | 32 | 64>();
    for (const prefix66 of [false, true])
      for (const rexW of code === 64 ? [false, true] : [false]) sizes.add(operandSize(form, code, prefix66, rexW));
    const addresses: readonly AddressWidth[] = code === 64 ? [64, 32] : [16, 32];
    for (const size of sizes)
      for (const addressWidth of addresses)
        for (const rep of reps)
          for (const memory of memoryChoices(form))
            for (const lock of form.lock && memory ? [false, true] : [false])
              for (const cc of ccs)
                yield { mode, operandSize: size, addressWidth, stackWidth, rep, lock, memory, cc: cc as ConditionCode };
  }
}

function* modes(form: Form): Generator<{ mode: Facts['mode']; code: 16 | 32 | 64; stackWidth: AddressWidth }> {
  if (form.in64) yield { mode: 'long', code: 64, stackWidth: 64 };
  if (!form.inLegacy) return;
  for (const stackWidth of [16, 32] as const) {
    for (const code of [16, 32] as const) {
      yield { mode: 'protected', code, stackWidth };
      if (!form.protectedOnly) yield { mode: 'real', code, stackWidth };
    }
  }
  if (!form.protectedOnly) yield { mode: 'vm86', code: 16, stackWidth: 16 };
}
