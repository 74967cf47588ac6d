/**
 * The decoder: bytes to a variant of a form plus bound operands (SDM vol. 2, chapter 2). Tables come from the forms; this file knows
 * prefixes, ModRM, SIB, displacement and immediate layouts.
 */

import { Decoded } from './decoded.ts';
import type { AddressWidth, ConditionCode } from './emitter.ts';
import type { Definition } from './form.ts';
import { immediateBytes, readImmediates, signed16, signed32 } from './immediates.ts';
import { buildTables, COLUMN, DETAIL, type Entry, LAYOUT, PREFIX, type Table } from './table.ts';
import { type DecodeMode, makeVariant, type Variant } from './variants.ts';

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
const KIND_CODE = { real: 0, vm86: 4, protected: 8, long: 12 } as const;
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
  const { code } = mode;
  let i = at;
  let prefixes = 0;
  let override = NO_SEGMENT;
  let opcode = 0;

  for (; ; i++) {
    if (i >= limit) return short(available);
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
  i++;

  let row = opcode;
  if (opcode === 0x0f) {
    if (i >= limit) return short(available);
    opcode = bytes[i++]!;
    row = 256 + opcode;
    if (opcode === 0x38 || opcode === 0x3a) {
      if (i >= limit) return short(available);
      row = opcode === 0x38 ? 512 : 768;
      opcode = bytes[i++]!;
      row += opcode;
    }
  }
  const slot = table.at(row);
  if (slot === undefined) return 'undefined';

  const column = COLUMN_OF[prefixes & 31]!;
  let modrm = 0xc0;
  let entry: Entry | undefined;
  if (slot.modrm) {
    if (i >= limit) return short(available);
    modrm = bytes[i++]!;
    const group = slot.groups[column];
    entry = group === undefined ? slot.direct[column] : group[modrm];
  } else if (slot.extended !== undefined && (prefixes & PREFIX.rexB) !== 0 && column !== COLUMN.F3) entry = slot.extended;
  else entry = slot.direct[column];
  if (entry === undefined || !allowed(entry, modrm, prefixes, mode)) return 'undefined';

  const memory = modrm < 0xc0 && entry.takesMemory;
  const size = entry.sizes[(prefixes & PREFIX.operandSize) | ((prefixes & PREFIX.rexW) >> 8) | ((code & 0x60) >> 3)]!;
  const swap = (prefixes & PREFIX.addressSize) >> 1;
  const addressWidth: AddressWidth = code === 64 ? (swap ? 32 : 64) : (code === 32) !== (swap !== 0) ? 32 : 16;
  const detail = entry.detail === 0 ? 0 : detailOf(entry, opcode, prefixes);
  const modeCode = KIND_CODE[mode.kind] | (code === 32 ? 1 : 0) | (mode.stack === 32 ? 2 : 0);
  const variantSlot = (size >> 5) + 3 * (swap + 2 * ((memory ? 1 : 0) + 2 * detail));
  const variant =
    entry.variants[modeCode]?.[variantSlot] ??
    addVariant(entry, { modeCode, variantSlot, size, addressWidth, memory, detail, mode });

  const decoded = new Decoded(variant, modrm, opcode, prefixes, override);
  if (memory) {
    i = addressWidth === 16 ? readMemory16(decoded, bytes, i, limit) : readMemory(decoded, bytes, i, limit);
    if (i > limit) return short(available);
    if (decoded.ripRelative && code !== 64) decoded.ripRelative = false;
    if (entry.popMemory && decoded.base === 4) decoded.addDisplacement(size >> 3);
  } else if (entry.implied >= 0) {
    decoded.base = entry.implied;
    if (entry.impliedEs) decoded.segment = ES;
  }
  if (entry.layout !== LAYOUT.none) {
    const start = i;
    decoded.immediateBytes = immediateBytes(entry.layout, size, addressWidth);
    i += decoded.immediateBytes;
    if (i > limit) return short(available);
    readImmediates(decoded, entry.layout, { bytes, i: start, size, addressWidth, signed: entry.signed });
  }
  decoded.length = i - at;
  return decoded;
}

const short = (available: number): DecodeFailure => (available < 15 ? 'need-more' : 'too-long');

/** Column of the opcode table by the five legacy prefix bits: F3 before F2 (only the last of them is set) before 66. */
const COLUMN_OF = Uint8Array.from({ length: 32 }, (_, p) =>
  p & PREFIX.rep ? COLUMN.F3 : p & PREFIX.repne ? COLUMN.F2 : p & PREFIX.operandSize ? COLUMN[66] : COLUMN.NP,
);

/** Everything that makes a known opcode undefined: features, mode, register numbers, LOCK. */
function allowed(entry: Entry, modrm: number, prefixes: number, mode: DecodeMode): boolean {
  if ((entry.features & ~mode.features) !== 0) return false;
  if (entry.protectedOnly && (mode.kind === 'real' || mode.kind === 'vm86')) return false;
  if (((entry.registers >> (((modrm >> 3) & 7) | ((prefixes & entry.rexR) >> 5))) & 1) === 0) return false;
  return (prefixes & PREFIX.lock) === 0 || (entry.lock && modrm < 0xc0);
}

/** Condition code, repetition or LOCK, whichever the form can have (never two of them), as the part of the variant's slot. */
function detailOf(entry: Entry, opcode: number, prefixes: number): number {
  if (entry.detail === DETAIL.cc) return opcode & 15;
  if (entry.detail === DETAIL.lock) return (prefixes & PREFIX.lock) >> 2;
  return prefixes & PREFIX.rep ? 1 : (prefixes & PREFIX.repne) >> 2;
}

interface Found {
  readonly modeCode: number;
  readonly variantSlot: number;
  readonly size: number;
  readonly addressWidth: AddressWidth;
  readonly memory: boolean;
  readonly detail: number;
  readonly mode: DecodeMode;
}

/** First time a form is met under these facts. */
function addVariant(entry: Entry, found: Found): Variant {
  const { form } = entry;
  const variant = makeVariant(form, {
    mode: found.mode.kind,
    operandSize: found.size as 16 | 32 | 64,
    addressWidth: found.addressWidth,
    stackWidth: found.mode.stack,
    rep: entry.detail === DETAIL.rep ? REPS[found.detail]! : 'none',
    lock: entry.detail === DETAIL.lock && found.detail === 1,
    memory: found.memory || entry.memory,
    cc: (entry.detail === DETAIL.cc ? found.detail : form.opcode & 15) as ConditionCode,
  });
  entry.variants[found.modeCode] ??= [];
  entry.variants[found.modeCode]![found.variantSlot] = variant;
  return variant;
}

/** SIB and displacement for 32- and 64-bit addresses; returns where the immediates begin, beyond `limit` when bytes are missing. */
function readMemory(d: Decoded, bytes: Uint8Array, at: number, limit: number): number {
  const { modrm, prefixes } = d;
  const mod = modrm >> 6;
  let i = at;
  let base = modrm & 7;
  let wide = mod === 2;
  if (base === 4) {
    if (i >= limit) return limit + 1;
    const sib = bytes[i++]!;
    const index = ((sib >> 3) & 7) | ((prefixes & PREFIX.rexX) >> 4);
    if (index !== 4) {
      d.index = index;
      d.scale = sib >> 6;
    }
    base = sib & 7;
    if (base === 5 && mod === 0) wide = true;
    else d.base = base | ((prefixes & PREFIX.rexB) >> 3);
  } else if (base === 5 && mod === 0) {
    wide = true;
    d.ripRelative = true; // in 64-bit mode
  } else d.base = base | ((prefixes & PREFIX.rexB) >> 3);
  if ((d.base === 4 || d.base === 5) && d.segmentOverride < 0) d.segment = SS;
  if (wide) {
    if (i + 4 > limit) return limit + 1;
    d.displacement = signed32(bytes, i);
    d.displacementHigh = d.displacement >> 31;
    d.displacementBytes = 4;
    return i + 4;
  }
  if (mod === 0) return i;
  if (i >= limit) return limit + 1;
  d.displacement = (bytes[i]! << 24) >> 24;
  d.displacementHigh = d.displacement >> 31;
  d.displacementBytes = 1;
  return i + 1;
}

/** The same for 16-bit addresses. */
function readMemory16(d: Decoded, bytes: Uint8Array, i: number, limit: number): number {
  const mod = d.modrm >> 6;
  const rm = d.modrm & 7;
  const direct = mod === 0 && rm === 6;
  if (!direct) {
    d.base = BASE16[rm]!;
    d.index = INDEX16[rm]!;
  }
  if (d.base === 5 && d.segmentOverride < 0) d.segment = SS;
  const count = direct ? 2 : mod;
  if (i + count > limit) return limit + 1;
  if (count === 2) d.displacement = signed16(bytes, i);
  else if (count === 1) d.displacement = (bytes[i]! << 24) >> 24;
  d.displacementHigh = d.displacement >> 31;
  d.displacementBytes = count;
  return i + count;
}
