/** The encoder: a form and operand values to bytes. Used by the assembler, by tests and by the vector recorder. */
import type { AddressWidth, Width } from './emitter.ts';
import type { Form, OperandSpec } from './form.ts';
import { encodeMemory, type MemoryOperand } from './modrm.ts';
import type { RegisterName } from './names.ts';
import { factsWidth, operandSize, operandWidth } from './variants.ts';

export type EncodeOperand = RegisterName | MemoryOperand | { readonly kind: 'imm'; readonly value: bigint };

export interface EncodeRequest {
  readonly form: Form;
  readonly operands: readonly EncodeOperand[];
  readonly code: 16 | 32 | 64;
  /** Address of the first byte: branch targets are absolute. Default 0. */
  readonly ip?: bigint;
  /** Only this operand size will do. */
  readonly size?: 16 | 32 | 64;
  readonly addressWidth?: AddressWidth;
  /** Condition code of a `+cc` form. */
  readonly cc?: number;
  readonly lock?: boolean;
  readonly rep?: 'rep' | 'repne';
  readonly segment?: number;
}

export interface Encoding {
  readonly bytes: Uint8Array;
  /** Operand size chosen; `Facts.width` follows from it. */
  readonly size: 16 | 32 | 64;
  readonly width: Width;
}

const isMemory = (operand: EncodeOperand): operand is MemoryOperand => operand.kind === 'mem';

/** Does `value`, seen as a number of `width` bits, fit `bits` bits under the immediate's extension? */
function immediateFits(value: bigint, spec: { bits: number; signed: boolean }, width: number): boolean {
  if (value >= 1n << BigInt(width) || value < -(1n << BigInt(width - 1))) return false;
  if (spec.bits >= width) return true;
  const v = spec.signed ? BigInt.asIntN(width, value) : BigInt.asUintN(width, value);
  return spec.signed ? BigInt.asIntN(spec.bits, v) === v : BigInt.asUintN(spec.bits, v) === v;
}

const immediateBits = (spec: OperandSpec, size: number): number =>
  spec.immediate === 'z' ? (size === 16 ? 16 : 32) : spec.immediate === 'v' ? size : spec.immediate;

function matches(spec: OperandSpec, operand: EncodeOperand, size: 16 | 32 | 64, code: 16 | 32 | 64): boolean {
  const width = operandWidth(spec, size, code === 64 ? 'long' : 'protected');
  if (spec.source === 'rel') return operand.kind === 'imm';
  if (operand.kind === 'imm') {
    if (spec.kind !== 'imm') return false;
    if (spec.source === 'fixed') return operand.value === BigInt(spec.fixed);
    return immediateFits(operand.value, { bits: immediateBits(spec, size), signed: spec.signed }, width === 0 ? 64 : width);
  }
  if (isMemory(operand)) {
    const fits = operand.width === 0 || width === 0 || spec.size === 'p' || operand.width === width;
    if (spec.source === 'moffs') return fits && operand.base < 0 && operand.index < 0 && !operand.ripRelative;
    return spec.source === 'rm' && fits;
  }
  if (spec.kind !== operand.kind) return false;
  if (spec.kind === 'reg' && operand.width !== width) return false;
  return spec.source !== 'fixed' || spec.fixed === operand.number;
}

/** Bits 3 of register numbers, and whether a REX prefix is needed or forbidden by byte registers. */
function rexNeeds(operands: readonly EncodeOperand[]): { rex: boolean; high: boolean } {
  const bytes = operands.filter((o): o is RegisterName => o.kind === 'reg' && (o as RegisterName).width === 8);
  return { rex: bytes.some((o) => o.number >= 4 && o.number < 8), high: bytes.some((o) => o.number >= 16) };
}

/** ModRM number of a register operand: AH to BH are 4 to 7. */
const encoded = (operand: EncodeOperand): number => {
  const { number } = operand as RegisterName;
  return number >= 16 ? number - 12 : number;
};

function pushNumber(out: number[], value: bigint, bits: number): void {
  for (let i = 0; i < bits; i += 8) out.push(Number((value >> BigInt(i)) & 0xffn));
}

/** Operands of the request by form position; implied ones (strings, XMM0) may be left out. `undefined` when the counts do not agree. */
function arrange(form: Form, operands: readonly EncodeOperand[]): (EncodeOperand | undefined)[] | undefined {
  if (operands.length === form.operands.length) return [...operands];
  const implied = form.operands.some((o) => o.source === 'string-source' || o.source === 'string-destination');
  if (operands.length === 0 && implied) return form.operands.map(() => undefined);
  if (operands.length === form.operands.length - 1 && form.operands.at(-1)?.text === 'XMM0') return [...operands, undefined];
  return undefined;
}

/** Shortest encoding of this form for these operands, or `undefined` when they do not fit it. */
export function encode(request: EncodeRequest): Encoding | undefined {
  const { form, code } = request;
  if (code === 64 ? !form.in64 : !form.inLegacy) return undefined;
  const operands = arrange(form, request.operands);
  if (!operands) return undefined;
  const prefixChoices =
    code === 64
      ? ([
          [false, false],
          [true, false],
          [false, true],
        ] as const)
      : ([
          [false, false],
          [true, false],
        ] as const);
  for (const [prefix66, rexW] of prefixChoices) {
    const size = operandSize(form, code, prefix66, rexW);
    if (request.size !== undefined && request.size !== size) continue;
    if (!form.operands.every((spec, i) => operands[i] === undefined || matches(spec, operands[i], size, code))) continue;
    const bytes = build(request, operands, { size, prefix66, rexW });
    if (bytes) return { bytes, size, width: factsWidth(form, size) };
  }
  return undefined;
}

interface Choice {
  readonly size: 16 | 32 | 64;
  readonly prefix66: boolean;
  readonly rexW: boolean;
}

function build(request: EncodeRequest, operands: readonly (EncodeOperand | undefined)[], choice: Choice): Uint8Array | undefined {
  const { form, code } = request;
  const given = operands.filter((o) => o !== undefined);
  const memory = given.find(isMemory);
  if (memory && form.mod === 'reg') return undefined;
  if (!memory && form.mod === 'mem' && !form.anyMod) return undefined;
  if (request.lock && !(form.lock && memory)) return undefined;
  const defaultAddress: AddressWidth = code;
  const addressWidth = request.addressWidth ?? (memory?.addressWidth || defaultAddress);
  const out: number[] = [];
  let rex = choice.rexW ? 8 : 0;
  let opcode = form.opcode + (form.opcodes === 16 ? (request.cc ?? 0) : 0);
  let reg = form.digit < 0 ? 0 : form.digit;
  let modrm = form.modrm >= 0 ? [form.modrm] : undefined;
  for (const [i, spec] of form.operands.entries()) {
    const operand = operands[i];
    if (!operand || operand.kind === 'imm') continue;
    if (spec.source === 'reg') {
      reg = encoded(operand) & 7;
      if (encoded(operand) & 8) rex |= 4;
    } else if (spec.source === 'opcode') {
      opcode += encoded(operand) & 7;
      if (encoded(operand) & 8) rex |= 1;
    } else if (spec.source === 'rm' && !isMemory(operand)) {
      modrm = form.modrm >= 0 ? [form.modrm + (encoded(operand) & 7)] : [0xc0 | (encoded(operand) & 7)];
      if (encoded(operand) & 8) rex |= 1;
    }
  }
  if (memory && form.hasModrm) {
    const encodedMemory = encodeMemory(memory, { code, addressWidth });
    if (!encodedMemory) return undefined;
    modrm = encodedMemory.bytes;
    rex |= encodedMemory.rex;
  }
  if (form.hasModrm && form.modrm < 0) {
    modrm ??= [form.mod === 'mem' ? 0 : 0xc0];
    modrm = [modrm[0]! | (reg << 3), ...modrm.slice(1)];
  }
  const needs = rexNeeds(given);
  if (needs.high && (rex !== 0 || needs.rex)) return undefined;
  if ((rex !== 0 || needs.rex) && code !== 64) return undefined;

  const segment = request.segment ?? memory?.segment ?? -1;
  if (segment >= 0) out.push([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][segment]!);
  if (request.lock) out.push(0xf0);
  if (request.rep) out.push(request.rep === 'rep' ? 0xf3 : 0xf2);
  if (addressWidth !== defaultAddress) out.push(0x67);
  if (choice.prefix66 || form.prefix === '66') out.push(0x66);
  if (form.prefix === 'F3' || form.prefix === 'F2') out.push(Number.parseInt(form.prefix, 16));
  if (rex !== 0 || needs.rex) out.push(0x40 | rex);
  out.push(...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][form.map]!, opcode & 0xff, ...(modrm ?? []));

  const immediates: [bigint, number][] = [];
  for (const [i, spec] of form.operands.entries()) {
    const operand = operands[i];
    if (spec.source === 'moffs' && operand && isMemory(operand)) immediates.push([operand.displacement, addressWidth]);
    if (operand?.kind === 'imm' && spec.immediate !== 0) immediates.push([operand.value, immediateBits(spec, choice.size)]);
  }
  const length = out.length + immediates.reduce((sum, [, bits]) => sum + bits / 8, 0);
  const rel = form.operands[0]?.source === 'rel';
  if (rel) {
    const [target, bits] = immediates[0]!;
    const distance = BigInt.asIntN(choice.size, target - ((request.ip ?? 0n) + BigInt(length)));
    if (bits < choice.size && BigInt.asIntN(bits, distance) !== distance) return undefined;
    immediates[0] = [distance, bits];
  }
  const displacementAt = memory?.ripRelative ? out.length - 4 : -1;
  for (const [value, bits] of immediates) pushNumber(out, value, bits);
  if (displacementAt >= 0) {
    const distance = memory!.displacement - ((request.ip ?? 0n) + BigInt(length));
    const bytes: number[] = [];
    pushNumber(bytes, distance, 32);
    out.splice(displacementAt, 4, ...bytes);
  }
  return Uint8Array.from(out);
}
