/** Pushing and popping by routines, on the present stack or on one about to become the present one. */
import type { Access, SlowContext, VcpuState } from '../context.ts';
import { raiseSs } from './faults.ts';
import { ATTR, gpr, is64, isCanonical, low32, ownAccess, RSP, type SegmentValue } from './registers.ts';

/** Widths of stack items. */
export type ItemWidth = 16 | 32 | 64;

/** Does [offset, offset + bytes - 1] lie inside a data segment? (SDM vol. 3, 5.3.) */
function insideSegment(segment: { readonly limit: number; readonly attr: number }, offset: number, bytes: number): boolean {
  const last = offset + bytes - 1;
  const expandDown = (segment.attr & 0x1c) === 0x14;
  if (!expandDown) return last <= segment.limit;
  return offset > segment.limit && last <= ((segment.attr & ATTR.DB) !== 0 ? 0xffffffff : 0xffff);
}

/**
 * A stack as a routine works on it: `sp` moves with each item, registers change only when the routine commits. Faults carry
 * `errorCode` (0, or the new SS selector where the manual says so).
 */
export class Stack {
  sp: bigint;
  readonly #c: SlowContext;
  readonly #segment: { readonly base: bigint; readonly limit: number; readonly attr: number };
  readonly #width: ItemWidth;
  readonly #access: Access;
  readonly #errorCode: number;

  constructor(
    c: SlowContext,
    place: { readonly segment: Omit<SegmentValue, 'selector'>; readonly width: ItemWidth; readonly sp: bigint },
    rules: { readonly access: Access; readonly errorCode: number },
  ) {
    this.#c = c;
    this.#segment = place.segment;
    this.#width = place.width;
    this.sp = place.sp;
    this.#access = rules.access;
    this.#errorCode = rules.errorCode;
  }

  /** Linear address of an item at an offset, after the segment's or canonical check. */
  #at(offset: bigint, bytes: number): bigint {
    if (this.#width === 64) {
      if (!isCanonical(offset) || !isCanonical(offset + BigInt(bytes - 1))) raiseSs(this.#errorCode);
      return offset;
    }
    if (!insideSegment(this.#segment, low32(offset), bytes)) raiseSs(this.#errorCode);
    return BigInt.asUintN(32, this.#segment.base + offset);
  }

  push(width: ItemWidth, value: bigint): void {
    const sp = BigInt.asUintN(this.#width, this.sp - BigInt(width >>> 3));
    this.#c.memory.write(width, this.#at(sp, width >>> 3), BigInt.asUintN(width, value), this.#access);
    this.sp = sp;
  }

  pop(width: ItemWidth): bigint {
    const value = this.peek(width, 0);
    this.skip(width >>> 3);
    return value;
  }

  /** The item `offset` bytes above the top. */
  peek(width: ItemWidth, offset: number): bigint {
    const at = BigInt.asUintN(this.#width, this.sp + BigInt(offset));
    return this.#c.memory.read(width, this.#at(at, width >>> 3), this.#access);
  }

  /** Check that `bytes` can be popped without a stack fault. */
  requireBytes(bytes: number): void {
    if (this.#width === 64) {
      this.#at(this.sp, bytes);
      return;
    }
    const sp = low32(this.sp);
    const mask = this.#width === 16 ? 0xffff : 0xffffffff;
    // Items may wrap at the top of a 16- or 32-bit stack, so each end is judged on its own.
    if (!insideSegment(this.#segment, sp, 1) || !insideSegment(this.#segment, ((sp + bytes - 1) & mask) >>> 0, 1))
      raiseSs(this.#errorCode);
  }

  /** Check that `bytes` can be pushed without a stack fault. */
  requireRoom(bytes: number): void {
    if (this.#width === 64) {
      this.#at(this.sp - BigInt(bytes), bytes);
      return;
    }
    const low = low32(BigInt.asUintN(this.#width, this.sp - BigInt(bytes)));
    if (!insideSegment(this.#segment, low, bytes)) raiseSs(this.#errorCode);
  }

  skip(bytes: number): void {
    this.sp = BigInt.asUintN(this.#width, this.sp + BigInt(bytes));
  }

  /** Store `sp` in rSP by its width; the rest of the register is kept (16 bits) or cleared (32 bits). */
  commit(s: VcpuState): void {
    setStackPointer(s, this.#width, this.sp);
  }
}

export function setStackPointer(s: VcpuState, width: ItemWidth, sp: bigint): void {
  s.gpr[RSP] = width === 16 ? (gpr(s, RSP) & ~0xffffn) | (sp & 0xffffn) : sp;
}

/** Width of a stack whose SS has these attributes. */
export const widthOf = (attr: number): 16 | 32 => ((attr & ATTR.DB) !== 0 ? 32 : 16);

/** The present stack, at the present CPL. */
export function presentStack(c: SlowContext): Stack {
  const { s } = c;
  const width = is64(s) ? 64 : widthOf(s.ssAttr);
  const sp = width === 64 ? gpr(s, RSP) : BigInt.asUintN(width, gpr(s, RSP));
  return new Stack(
    c,
    { segment: { base: s.ssBase, limit: s.ssLimit, attr: s.ssAttr }, width, sp },
    { access: ownAccess(c), errorCode: 0 },
  );
}
