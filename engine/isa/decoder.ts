/**
 * The decoder: bytes to a variant of a form plus bound operands (SDM vol. 2, chapter 2). Tables come from the forms; this file knows
 * prefixes, ModRM, SIB, displacement and immediate layouts.
 */

import { Decoded } from './decoded.ts';
import type { AddressWidth, ConditionCode } from './emitter.ts';
import type { Definition } from './form.ts';
import { immediateBytes, readImmediates, signed16, signed32 } from './immediates.ts';
import { buildTables, COLUMN, type Entry, LAYOUT, PREFIX, type Table } from './table.ts';
import { type DecodeMode, operandSize } from './variants.ts';

/** More bytes are needed; `undefined`: #UD; `too-long`: more than 15 bytes, #GP(0). */
export type DecodeFailure = 'need-more' | 'undefined' | 'too-long';

const NO_SEGMENT = -1;
const ES = 0;
const SS = 2;

export type Decode = (bytes: Uint8Array, at: number, available: number, mode: DecodeMode) => Decoded | DecodeFailure;

/** Class of a byte as a prefix: 0 none, 1 segment, 2 66, 3 67, 4 F0, 5 F2, 6 F3, 7 REX where that exists. */
const PREFIX_CLASS = new Uint8Array(256);
const SEGMENT_OF = new Uint8Array(256);
for (const [i, byte] of [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65].entries()) {
  PREFIX_CLASS[byte] = 1;
  SEGMENT_OF[byte] = i;
}
PREFIX_CLASS[0x66] = 2;
PREFIX_CLASS[0x67] = 3;
PREFIX_CLASS[0xf0] = 4;
PREFIX_CLASS[0xf2] = 5;
PREFIX_CLASS[0xf3] = 6;
for (let byte = 0x40; byte < 0x50; byte++) PREFIX_CLASS[byte] = 7;

/** 16-bit addressing: base and index by ModRM.rm (SDM vol. 2, table 2-1). */
const BASE16 = [3, 3, 5, 5, 6, 7, 5, 3];
const INDEX16 = [6, 7, 6, 7, -1, -1, -1, -1];
const SIZE_CODE: Record<number, number> = { 16: 0, 32: 1, 64: 2 };
const KIND_CODE = { real: 0, vm86: 1, protected: 2, long: 3 } as const;
const REPS = ['none', 'rep', 'repne'] as const;

/**
 * Make a decoder over these definitions. The result reads at most 15 bytes from `at`, of which `available` may be read; it never throws
 * on what the bytes say.
 */
export function createDecoder(definitions: readonly Definition[]): Decode {
  const tables = buildTables(definitions);
  return (bytes, at, available, mode) => decodeOne(mode.code === 64 ? tables.long : tables.legacy, bytes, at, available, mode);
}

function decodeOne(table: Table, bytes: Uint8Array, at: number, available: number, mode: DecodeMode): Decoded | DecodeFailure {
  const limit = at + (available < 15 ? available : 15);
  const short: DecodeFailure = available < 15 ? 'need-more' : 'too-long';
  const { code } = mode;
  let i = at;
  let prefixes = 0;
  let override = NO_SEGMENT;
  let column = 0;
  let opcode = 0;

  for (; ; i++) {
    if (i >= limit) return short;
    opcode = bytes[i]!;
    const kind = PREFIX_CLASS[opcode]!;
    if (kind === 0 || (kind === 7 && code !== 64)) break;
    if (kind === 7) {
      prefixes = (prefixes & 31) | PREFIX.rex | ((opcode & 15) << 6);
      continue;
    }
    prefixes &= 31; // REX counts only directly before the opcode
    if (kind === 1) {
      const segment = SEGMENT_OF[opcode]!;
      if (code !== 64 || segment >= 4) override = segment;
    } else if (kind === 2) prefixes |= PREFIX.operandSize;
    else if (kind === 3) prefixes |= PREFIX.addressSize;
    else if (kind === 4) prefixes |= PREFIX.lock;
    else if (kind === 5) prefixes = (prefixes & ~PREFIX.rep) | PREFIX.repne;
    else prefixes = (prefixes & ~PREFIX.repne) | PREFIX.rep;
  }
  if (prefixes & 31) column = prefixes & PREFIX.rep ? 2 : prefixes & PREFIX.repne ? 3 : prefixes & PREFIX.operandSize ? 1 : 0;

  let at2 = opcode;
  i++;
  if (opcode === 0x0f) {
    if (i >= limit) return short;
    opcode = bytes[i++]!;
    at2 = 256 + opcode;
    if (opcode === 0x38 || opcode === 0x3a) {
      if (i >= limit) return short;
      at2 = opcode === 0x38 ? 512 : 768;
      opcode = bytes[i++]!;
      at2 += opcode;
    }
  }
  const slot = table[at2];
  if (slot === undefined) return 'undefined';

  let modrm = 0;
  let entry: Entry | undefined;
  if (slot.modrm) {
    if (i >= limit) return short;
    modrm = bytes[i++]!;
    const group = slot.groups[column];
    entry = group === undefined ? slot.direct[column] : group[modrm];
  } else if (slot.extended !== undefined && (prefixes & PREFIX.rexB) !== 0 && column !== COLUMN.F3) entry = slot.extended;
  else entry = slot.direct[column];
  if (entry === undefined) return 'undefined';

  const { form } = entry;
  if ((form.features & ~mode.features) !== 0) return 'undefined';
  if (form.protectedOnly && (mode.kind === 'real' || mode.kind === 'vm86')) return 'undefined';
  if (((entry.registers >> (((modrm >> 3) & 7) | ((prefixes & entry.rexR) >> 5))) & 1) === 0) return 'undefined';
  const memory = slot.modrm && modrm < 0xc0 && !form.anyMod;
  const lock = (prefixes & PREFIX.lock) !== 0;
  if (lock && !(form.lock && memory)) return 'undefined';

  const size = operandSize(form, code, (prefixes & PREFIX.operandSize) !== 0, (prefixes & PREFIX.rexW) !== 0);
  const swap = (prefixes & PREFIX.addressSize) !== 0;
  const addressWidth: AddressWidth = code === 64 ? (swap ? 32 : 64) : (code === 32) !== swap ? 32 : 16;
  const rep = form.rep ? (prefixes & PREFIX.rep ? 1 : prefixes & PREFIX.repne ? 2 : 0) : 0;
  const cc = form.opcodes === 16 ? opcode & 15 : 0;

  // Lengths first, so that nothing is made for an instruction that is not all there.
  let base = -1;
  let index = -1;
  let scale = 0;
  let displacement = 0;
  let stack = false;
  let ripRelative = false;
  if (memory) {
    const mod = modrm >> 6;
    const rm = modrm & 7;
    let bytesOfDisplacement = mod === 1 ? 1 : 0;
    if (addressWidth === 16) {
      base = BASE16[rm]!;
      index = INDEX16[rm]!;
      if (mod === 2) bytesOfDisplacement = 2;
      else if (mod === 0 && rm === 6) {
        base = -1;
        bytesOfDisplacement = 2;
      }
      stack = base === 5;
    } else {
      if (mod === 2) bytesOfDisplacement = 4;
      if (rm === 4) {
        if (i >= limit) return short;
        const sib = bytes[i++]!;
        index = ((sib >> 3) & 7) | ((prefixes & PREFIX.rexX) >> 4);
        scale = sib >> 6;
        if (index === 4) {
          index = -1;
          scale = 0;
        }
        if ((sib & 7) === 5 && mod === 0) bytesOfDisplacement = 4;
        else base = (sib & 7) | ((prefixes & PREFIX.rexB) >> 3);
      } else if (rm === 5 && mod === 0) {
        bytesOfDisplacement = 4;
        ripRelative = code === 64;
      } else base = rm | ((prefixes & PREFIX.rexB) >> 3);
      stack = base === 4 || base === 5;
    }
    if (bytesOfDisplacement !== 0) {
      if (i + bytesOfDisplacement > limit) return short;
      if (bytesOfDisplacement === 1) displacement = (bytes[i]! << 24) >> 24;
      else if (bytesOfDisplacement === 2) displacement = signed16(bytes, i);
      else displacement = signed32(bytes, i);
      i += bytesOfDisplacement;
    }
  }
  const start = i;
  i += immediateBytes(entry.layout, size, addressWidth);
  if (i > limit) return short;

  const variantSlot =
    SIZE_CODE[size]! |
    ((addressWidth === 16 ? 0 : addressWidth === 32 ? 1 : 2) << 2) |
    (memory ? 16 : 0) |
    (cc << 5) |
    (rep << 9) |
    (lock ? 2048 : 0);
  const modeCode = (KIND_CODE[mode.kind] << 1) | (mode.stack === 32 ? 1 : 0);
  const variant = entry.variant(modeCode, variantSlot, () => ({
    mode: mode.kind,
    operandSize: size,
    addressWidth,
    stackWidth: mode.stack,
    rep: REPS[rep]!,
    lock,
    memory: memory || entry.memory,
    cc: (form.opcodes === 16 ? cc : form.opcode & 15) as ConditionCode,
  }));
  const decoded = new Decoded(variant, i - at, modrm, opcode, prefixes, override);
  if (memory) {
    decoded.base = base;
    decoded.index = index;
    decoded.scale = scale;
    decoded.displacement = displacement;
    decoded.displacementHigh = displacement >> 31;
    decoded.ripRelative = ripRelative;
    if (stack && override === NO_SEGMENT) decoded.segment = SS;
    if (form.popMemory && base === 4) decoded.addDisplacement(size >> 3);
  } else if (entry.implied >= 0) {
    decoded.base = entry.implied;
    if (entry.impliedEs) decoded.segment = ES;
  }
  if (entry.layout !== LAYOUT.none) readImmediates(decoded, entry, { bytes, i: start, size, addressWidth });
  return decoded;
}
