/**
 * Instruction bytes for the vectors: a form of the definition table with operands chosen at random. What the choice needs (an address in
 * a base register) is returned as changes of the initial registers.
 */
import { SANDBOX } from '../../../engine/cpu/testing/vector-file.ts';
import type { Form } from '../../../engine/isa/form.ts';
import type { Random } from './random.ts';

export type Mode = 0 | 1 | 2;

/** What distinguishes the groups of one form. */
export interface Shape {
  readonly mode: Mode;
  readonly size: 16 | 32 | 64;
  readonly memory: boolean;
}

export interface Encoded {
  readonly code: Uint8Array;
  readonly gpr: Map<number, bigint>;
  /** Registers in ModRM.reg and ModRM.rm, with their REX bits; -1 without ModRM or with memory in rm. */
  readonly reg: number;
  readonly rm: number;
}

/** Where a memory operand should lie. */
export interface Target {
  /** Linear address, or an offset in the data segment in 16-bit code. */
  readonly address: bigint;
}

const DEFAULT_SIZE = [32, 32, 16] as const;

/** Operand sizes under which a form means different things. */
export function sizesOf(form: Form, mode: Mode): readonly (16 | 32 | 64)[] {
  const sized = (codes: readonly unknown[]): boolean =>
    form.operands.some((o) => codes.includes(o.size) || codes.includes(o.immediate)) ||
    /\{[^a}][^}]*,/.test(form.definition.name);
  if (typeof form.size === 'number') return [form.size === 8 ? 32 : (form.size as 16 | 32 | 64)];
  if (mode !== 0) return form.prefix === 'any' && sized(['v', 'z', 'p', 'r']) ? [16, 32] : [DEFAULT_SIZE[mode]];
  if (form.size === 'f64') return [64];
  if (form.size === 'd64') return form.prefix === 'any' ? [16, 64] : [64];
  if (form.prefix === 'any' && sized(['v', 'z', 'p', '{w}'])) return [16, 32, 64];
  return sized(['y', 'v', 'z']) ? [32, 64] : [32];
}

interface Parts {
  rex: number;
  segment: number | undefined;
  address67: boolean;
  tail: number[];
  gpr: Map<number, bigint>;
}

const little = (value: bigint, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Number((BigInt.asUintN(64, value) >> BigInt(i * 8)) & 0xffn));

const fits8 = (value: bigint): boolean => value >= -128n && value <= 127n;

/** ModRM, SIB and displacement for 32- and 64-bit addressing. Returns the displacement to patch when RIP-relative. */
function memory32(parts: Parts, reg: number, to: { address: bigint; random: Random; mode: Mode }): 'rip' | undefined {
  const { address, random, mode } = to;
  const registers = mode === 0 ? 16 : 8;
  const style = random.below(10);
  const inReach = address < 0x7fffffffn;
  if (style < 2 && inReach) {
    if (mode === 0 && style === 0) {
      parts.tail.push(((reg & 7) << 3) | 5);
      return 'rip';
    }
    if (mode === 0) parts.tail.push(((reg & 7) << 3) | 4, 0x25);
    else parts.tail.push(((reg & 7) << 3) | 5);
    parts.tail.push(...little(address, 4));
    return undefined;
  }
  const base = random.pick([...Array(registers).keys()].filter((r) => r !== 4));
  const withIndex = style < 5;
  const index = withIndex ? random.pick([...Array(registers).keys()].filter((r) => r !== 4 && r !== base)) : -1;
  const scale = random.below(4);
  let rest = address;
  if (withIndex) {
    const value = BigInt(random.below(64) - 32);
    parts.gpr.set(index, BigInt.asUintN(mode === 0 && !parts.address67 ? 64 : 32, value));
    rest -= value << BigInt(scale);
  }
  const displacement = style % 2 === 0 ? BigInt(random.below(256) - 128) : BigInt(random.below(0x10000) - 0x8000);
  parts.gpr.set(base, BigInt.asUintN(mode === 0 && !parts.address67 ? 64 : 32, rest - displacement));
  const mod = fits8(displacement) ? 1 : 2;
  parts.rex |= (base >= 8 ? 1 : 0) | (index >= 8 ? 2 : 0);
  if (withIndex) parts.tail.push((mod << 6) | ((reg & 7) << 3) | 4, (scale << 6) | ((index & 7) << 3) | (base & 7));
  else if ((base & 7) === 4) parts.tail.push((mod << 6) | ((reg & 7) << 3) | 4, 0x20 | (base & 7));
  else parts.tail.push((mod << 6) | ((reg & 7) << 3) | (base & 7));
  parts.tail.push(...little(displacement, mod === 1 ? 1 : 4));
  return undefined;
}

const PAIRS16 = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
] as const;

function memory16(parts: Parts, reg: number, to: { address: bigint; random: Random }): void {
  const { random } = to;
  if (random.chance(15)) {
    parts.tail.push(((reg & 7) << 3) | 6, ...little(to.address, 2));
    return;
  }
  const rm = random.below(8);
  const [base, index] = PAIRS16[rm] ?? [3, -1];
  const displacement = BigInt(random.below(256) - 128);
  let rest = to.address - displacement;
  if (index >= 0) {
    const value = BigInt(random.below(512));
    parts.gpr.set(index, value);
    rest -= value;
  }
  parts.gpr.set(base, BigInt.asUintN(16, rest));
  parts.tail.push(0x40 | ((reg & 7) << 3) | rm, ...little(displacement, 1));
}

/** An immediate of `bytes` bytes. */
function immediate(random: Random, bytes: number): number[] {
  return little(bytes === 1 && random.chance(50) ? BigInt(random.below(40)) : random.integer(), bytes);
}

function immediateBytes(kind: 0 | 8 | 16 | 32 | 'z' | 'v', size: 16 | 32 | 64): number {
  if (kind === 'z') return size === 16 ? 2 : 4;
  if (kind === 'v') return size / 8;
  return kind / 8;
}

/** ModRM's register half: digit or a register. 8-bit registers avoid nothing; high bytes appear when there is no REX. */
function registerField(form: Form, mode: Mode, random: Random): number {
  if (form.digit >= 0) return form.digit;
  const spec = form.operands.find((o) => o.source === 'reg');
  if (spec === undefined) return 0;
  if (spec.kind === 'mmx' || spec.kind === 'seg') return random.below(spec.kind === 'seg' ? 6 : 8);
  return random.below(mode === 0 ? 16 : 8);
}

function registerRm(form: Form, mode: Mode, random: Random): number {
  const spec = form.operands.find((o) => o.source === 'rm');
  return random.below(mode === 0 && spec?.kind !== 'mmx' && spec?.kind !== 'st' ? 16 : 8);
}

/** Encode a form. `target` is where its memory operand goes; it may lie outside the data page. */
export function encode(form: Form, shape: Shape, choice: { random: Random; target: Target }): Encoded {
  const { mode, size } = shape;
  const { random, target } = choice;
  let used = { reg: -1, rm: -1 };
  const parts: Parts = { rex: 0, segment: undefined, address67: false, tail: [], gpr: new Map() };
  const opcode = form.opcode + (form.opcodes > 1 ? random.below(form.opcodes) : 0);
  let rip: 'rip' | undefined;
  let { address } = target;
  if (form.opcodes === 8 && mode === 0 && random.chance(50)) parts.rex |= 1;
  if (form.modrm >= 0) parts.tail.push(form.modrm + random.below(form.modrms));
  else if (form.hasModrm && shape.memory) {
    const reg = registerField(form, mode, random);
    if (reg >= 8) parts.rex |= 4;
    used = { reg, rm: -1 };
    if (mode === 0 && address < 0x7fffffffn && random.chance(8)) {
      parts.segment = 0x65;
      address -= BigInt(SANDBOX.gsBase);
    } else if (mode === 0 && address < 0x7fffffffn && random.chance(5)) parts.address67 = true;
    else if (mode === 2 && random.chance(10)) parts.address67 = true;
    if (mode === 2 && !parts.address67) memory16(parts, reg, { address, random });
    else rip = memory32(parts, reg, { address, random, mode });
  } else if (form.hasModrm) {
    const reg = registerField(form, mode, random);
    const rm = registerRm(form, mode, random);
    used = { reg, rm };
    parts.rex |= (reg >= 8 ? 4 : 0) | (rm >= 8 ? 1 : 0);
    parts.tail.push(0xc0 | ((reg & 7) << 3) | (rm & 7));
  }
  const immediates = form.operands
    .filter((o) => o.immediate !== 0)
    .flatMap((o) => immediate(random, immediateBytes(o.immediate, size)));
  if (form.operands.some((o) => o.source === 'moffs')) immediates.push(...little(address, mode === 0 ? 8 : mode === 1 ? 4 : 2));
  if (mode === 0 && size === 64 && form.size !== 'd64' && form.size !== 'f64' && typeof form.size !== 'number') parts.rex |= 8;
  const needsRex = parts.rex !== 0 || (mode === 0 && random.chance(10));
  const code: number[] = [];
  const small =
    form.prefix === 'any' && typeof form.size !== 'number' && (mode === 0 ? size === 16 : size !== DEFAULT_SIZE[mode]);
  if (parts.segment !== undefined) code.push(parts.segment);
  if (parts.address67) code.push(0x67);
  if (small || form.prefix === '66') code.push(0x66);
  if (form.prefix === 'F2') code.push(0xf2);
  if (form.prefix === 'F3') code.push(0xf3);
  if (needsRex) code.push(0x40 | parts.rex);
  if (form.map > 0) code.push(0x0f);
  if (form.map === 2) code.push(0x38);
  if (form.map === 3) code.push(0x3a);
  code.push(opcode, ...parts.tail);
  if (rip !== undefined) code.push(...little(address - BigInt(SANDBOX.entry + code.length + 4 + immediates.length), 4));
  code.push(...immediates);
  return { code: Uint8Array.from(code), gpr: parts.gpr, ...used };
}
