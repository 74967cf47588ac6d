/** The instruction under way, taken apart again for the exits that describe it (SDM vol. 3, 27.2.1 and tables 27-8 to 27-14). */
import type { SlowContext } from '../context.ts';
import { ATTR, is64, isLongActive, ownAccess } from '../system/registers.ts';

const DS = 3;
const SS = 2;
const SEGMENT_PREFIX: Readonly<Record<number, number>> = { 38: 0, 46: 1, 54: 2, 62: 3, 100: 4, 101: 5 };

export interface TakenApart {
  /** Opcode bytes after prefixes, 0F and its maps included. */
  readonly opcode: number;
  readonly rep: boolean;
  readonly operandSize: 16 | 32 | 64;
  readonly addressSize: 16 | 32 | 64;
  readonly segment: number;
  readonly mod: number;
  readonly reg: number;
  readonly rm: number;
  readonly base: number | undefined;
  readonly index: number | undefined;
  readonly scale: number;
  readonly displacement: bigint;
}

/** Bytes of the instruction under way. */
function codeBytes(c: SlowContext): readonly number[] {
  const { s } = c;
  const start = is64(s) ? c.ip() : s.csBase + c.ip();
  const access = ownAccess(c);
  return Array.from({ length: c.instructionLength() }, (_, i) =>
    Number(
      c.memory.read(8, isLongActive(s) ? BigInt.asUintN(64, start + BigInt(i)) : BigInt.asUintN(32, start + BigInt(i)), access),
    ),
  );
}

const signed = (bytes: readonly number[], at: number, size: number): bigint => {
  let value = 0n;
  for (let i = 0; i < size; i++) value |= BigInt(bytes[at + i] ?? 0) << BigInt(8 * i);
  return BigInt.asIntN(size * 8 || 1, value);
};

export function takeApart(c: SlowContext): TakenApart {
  const { s } = c;
  const bytes = codeBytes(c);
  const long = is64(s);
  const big = (s.csAttr & ATTR.DB) !== 0;
  let at = 0;
  let operand = false;
  let address = false;
  let rep = false;
  let segment: number | undefined;
  let rex = 0;
  for (; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === 0x66) operand = true;
    else if (byte === 0x67) address = true;
    else if (byte === 0xf2 || byte === 0xf3) rep = true;
    else if (SEGMENT_PREFIX[byte] !== undefined) segment = SEGMENT_PREFIX[byte];
    else if (byte !== 0xf0) break;
  }
  if (long && ((bytes[at] ?? 0) & 0xf0) === 0x40) rex = bytes[at++] as number;
  let opcode = bytes[at++] ?? 0;
  if (opcode === 0x0f) {
    opcode = 0x0f00 | (bytes[at++] ?? 0);
    if (opcode === 0x0f38) opcode = 0x0f3800 | (bytes[at++] ?? 0);
  }
  const modrm = bytes[at++] ?? 0;
  const mod = modrm >>> 6;
  const reg = ((modrm >>> 3) & 7) | ((rex & 4) << 1);
  const rm = (modrm & 7) | ((rex & 1) << 3);
  const operandSize = long && (rex & 8) !== 0 ? 64 : operand !== (long || big) ? 32 : 16;
  const addressSize = long ? (address ? 32 : 64) : address !== big ? 32 : 16;
  let base: number | undefined;
  let index: number | undefined;
  let scale = 0;
  let size = mod === 1 ? 1 : mod === 2 ? 4 : 0;
  if (mod !== 3 && addressSize === 16) {
    if (mod === 2) size = 2;
    const pairs = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]] as const;
    [base, index] = pairs[modrm & 7] as readonly [number, number?];
    if (mod === 0 && (modrm & 7) === 6) {
      base = undefined;
      size = 2;
    }
  } else if (mod !== 3) {
    base = rm;
    if ((modrm & 7) === 4) {
      const sib = bytes[at++] ?? 0;
      scale = sib >>> 6;
      base = (sib & 7) | ((rex & 1) << 3);
      const number = ((sib >>> 3) & 7) | ((rex & 2) << 2);
      if (number !== 4) index = number;
      if (mod === 0 && (sib & 7) === 5) {
        base = undefined;
        size = 4;
      }
    } else if (mod === 0 && (modrm & 7) === 5) {
      base = undefined;
      size = 4;
    }
  }
  const relative = mod === 0 && addressSize !== 16 && (modrm & 7) === 5 && long;
  const displacement = mod === 3 ? 0n : signed(bytes, at, size) + (relative ? c.nextIp() : 0n);
  const byStack = base === 4 || base === 5;
  return {
    opcode,
    rep,
    operandSize,
    addressSize,
    segment: segment ?? (byStack ? SS : DS),
    mod,
    reg,
    rm,
    base,
    index,
    scale,
    displacement: BigInt.asUintN(64, displacement),
  };
}

const ADDRESS_SIZE = { 16: 0, 32: 1, 64: 2 } as const;

/** The instruction-information field of instructions with a ModRM operand, and the displacement that is the exit qualification. */
export function instructionInformation(c: SlowContext): { readonly info: number; readonly displacement: bigint } {
  const i = takeApart(c);
  const register = i.mod === 3;
  const info =
    (register ? (1 << 10) | (i.rm << 3) : i.scale | (ADDRESS_SIZE[i.addressSize] << 7) | (i.segment << 15)) |
    (i.operandSize === 16 ? 0 : 1 << 11) |
    (register ? 0 : ((i.index ?? 0) << 18) | (i.index === undefined ? 1 << 22 : 0)) |
    (register ? 0 : ((i.base ?? 0) << 23) | (i.base === undefined ? 1 << 27 : 0)) |
    (i.reg << 28);
  return { info: info >>> 0, displacement: i.displacement };
}

/** INS and OUTS: address size and segment (table 27-8). */
export const stringInformation = (i: TakenApart): number => (ADDRESS_SIZE[i.addressSize] << 7) | (i.segment << 15);
