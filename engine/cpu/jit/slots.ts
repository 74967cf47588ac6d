/** Members of the state block that a region keeps in wasm locals: general registers, the two flag words, XMM registers, the x87 stack. */
import type { ValueType } from '../../wasm/code.ts';
import { offsetOf } from '../state.ts';

export interface Slot {
  readonly index: number;
  readonly offset: number;
  readonly type: ValueType;
  /** Bits in memory, where they are not as many as the type has. */
  readonly bits?: 16;
  /** Of the x87 stack: it moves by TOP as the region is entered. `offset` is that of register 0, or of the tags of all. */
  readonly turned?: number | 'tags';
}

const GPR = offsetOf('gpr');
const XMM = offsetOf('xmm');
export const GENERAL = 16;
export const XMM_FROM = 18;
/** Significands, signs with exponents, tags of the x87 stack, counted from TOP as the region is entered; then the status word. */
export const SIGNIFICANDS = 34;
export const EXPONENTS = 42;
export const TAGS = 50;
export const STATUS_WORD = 51;
const FPR = offsetOf('fpr');
const FSW = offsetOf('fsw');
/** The two words of the flags. */
export const FLAGS = 16;

export const SLOTS: readonly Slot[] = [
  ...Array.from({ length: GENERAL }, (_, i): Slot => ({ index: i, offset: GPR + 8 * i, type: 'i64' })),
  { index: FLAGS, offset: offsetOf('flagResult'), type: 'i64' },
  { index: FLAGS + 1, offset: offsetOf('flagAux'), type: 'i64' },
  ...Array.from({ length: 16 }, (_, i): Slot => ({ index: XMM_FROM + i, offset: XMM + 16 * i, type: 'v128' })),
  ...Array.from({ length: 8 }, (_, i): Slot => ({ index: SIGNIFICANDS + i, offset: FPR, type: 'i64', turned: i })),
  ...Array.from({ length: 8 }, (_, i): Slot => ({ index: EXPONENTS + i, offset: FPR + 8, type: 'i64', bits: 16, turned: i })),
  { index: TAGS, offset: offsetOf('ftag'), type: 'i64', turned: 'tags' },
  { index: STATUS_WORD, offset: FSW, type: 'i64', bits: 16 },
];

/** Which of the two words of the flags a slot is, -1 for others. */
export const flagWordOf = (slot: number): number => (slot === FLAGS || slot === FLAGS + 1 ? slot - FLAGS : -1);

const flagAt = (slot: Slot, offset: number): SlotByte | undefined =>
  offset >= slot.offset && offset < slot.offset + 8 ? { slot, byte: offset - slot.offset } : undefined;

export interface SlotByte {
  readonly slot: Slot;
  readonly byte: number;
}

/**
 * The slot that a byte of the state block belongs to, and the byte's place in it. Registers of the x87 stack are not found so; its status word
 * is one where the region keeps the stack.
 */
export function slotAt(offset: number, keepsStack: boolean): SlotByte | undefined {
  if (offset >= GPR && offset < GPR + 128) return { slot: SLOTS[(offset - GPR) >> 3] as Slot, byte: (offset - GPR) & 7 };
  if (offset >= XMM && offset < XMM + 256)
    return { slot: SLOTS[XMM_FROM + ((offset - XMM) >> 4)] as Slot, byte: (offset - XMM) & 15 };
  if (offset === FSW && keepsStack) return { slot: SLOTS[STATUS_WORD] as Slot, byte: 0 };
  return flagAt(SLOTS[FLAGS] as Slot, offset) ?? flagAt(SLOTS[FLAGS + 1] as Slot, offset);
}
