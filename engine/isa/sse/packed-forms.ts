/** How packed integer instructions are declared: forms for MMX and XMM operands, and one body for both. */
import { defineInstruction } from '../define.ts';
import type { Emitter, Vec } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { readPacked, requireFor, writePacked } from '../mmx/state.ts';

export const noFlags = { reads: '', writes: '' } as const;

/** `mmx` is true when both operands are 64 bits, zero-extended. */
export type PackedBody = (e: Emitter, operands: { a: Vec; b: Vec; mmx: boolean }) => Vec;

/** Forms for MMX (with its feature, if there is one) and XMM. */
export function packedForms(opcode: string, feature: { mmx?: string; xmm: string }): string[] {
  const xmm = `66 0F ${opcode} Vx,Wx feature:${feature.xmm}`;
  return feature.mmx === undefined ? [xmm] : [`NP 0F ${opcode} Pq,Qq feature:${feature.mmx}`, xmm];
}

export function definePacked(name: string, forms: readonly string[], run: PackedBody): Definition {
  return defineInstruction({
    name,
    forms,
    flags: noFlags,
    run(e, { dst, src }) {
      requireFor(e, dst);
      const b = readPacked(e, src);
      writePacked(e, dst, run(e, { a: readPacked(e, dst), b, mmx: dst.kind === 'mmx' }));
    },
  });
}

export const MMX = { mmx: 'mmx', xmm: 'sse2' };
export const MMX_SSE = { mmx: 'sse', xmm: 'sse2' };
export const MMX_SSE2 = { mmx: 'sse2', xmm: 'sse2' };
export const SSSE3 = { mmx: 'ssse3', xmm: 'ssse3' };
export const SSE41 = { xmm: 'sse41' };
export const SSE42 = { xmm: 'sse42' };
