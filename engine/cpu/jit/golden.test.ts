/**
 * Text of the wasm of small programs, to be read as code in review. `vitest run engine/cpu/jit --update` writes the files anew; without it
 * a difference fails.
 */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../isa/assemble.ts';
import { decode } from '../../isa/decode.ts';
import { Decoded } from '../../isa/decoded.ts';
import type { DecodeMode } from '../../isa/variants.ts';
import { FIXED } from '../../memory/index.ts';
import { printModule } from '../../wasm/print.ts';
import {
  CPU_FAR,
  CPU_FAR_TAGS,
  CPU_LINK_EPOCH,
  CPU_SITES,
  CPU_TLB,
  FAR_ENTRY,
  FAR_ENTRY_BYTES,
  FAR_TAG,
  FAR_TAG_BYTES,
  SITES,
  TLB_ENTRY,
} from '../regions.ts';
import { vcpuState } from '../state.ts';
import { encodeRegions, makeRegion } from './compile.ts';
import { planRegion } from './form.ts';
import { SLOTS } from './slots.ts';

/** Address of the vCPU, which the text names. */
const VCPU = 0x100000;

const MODES: Record<'long' | 'code32', DecodeMode> = {
  long: { code: 64, stack: 64, kind: 'long', features: -1 },
  code32: { code: 32, stack: 32, kind: 'protected', features: -1 },
};

/** Program, and why it is here; where it begins in its page, if not at its start. */
const PROGRAMS: Record<string, readonly [mode: keyof typeof MODES, text: string, from?: number]> = {
  'a register move is a copy of locals': ['long', 'mov rax, rbx\nhlt'],
  'constants fold through instructions': ['long', 'mov eax, 5\nadd eax, 7\nlea rcx, [rax+rax]\nhlt'],
  '32-bit results are zero-extended once': ['long', 'add eax, ebx\nxor ecx, eax\nhlt'],
  'a chain of 32-bit values has no masks': [
    'long',
    'mov eax, r8d\nror eax, 6\nxor eax, r9d\nadd eax, r10d\nimul eax, eax, 193\nadd ecx, eax\nhlt',
  ],
  'byte registers are inserted': ['long', 'mov ah, bl\nadd al, cl\nhlt'],
  'only the last flags are stored': ['long', 'add rax, rbx\nsub rcx, rdx\nand rsi, rdi\nhlt'],
  'a compare and branch compares': ['long', 'cmp rax, rbx\njb l\ninc rcx\nl: hlt'],
  'setcc and cmovcc read what was compared': ['long', 'test rax, rax\nsetz cl\ncmovs rdx, rbx\nhlt'],
  'a load probes the TLB': ['long', 'mov rax, [rbx+8]\nhlt'],
  'a store probes for writing': ['long', 'mov [rbx], ecx\nhlt'],
  'a read-modify-write probes once': ['long', 'add [rbx], rcx\nhlt'],
  'two accesses by one register share the page': ['long', 'mov rax, [rbx]\nmov rcx, [rbx+8]\nhlt'],
  'push and pop': ['long', 'push rax\npop rbx\nhlt'],
  'a counted loop stays inside': ['long', 't: add rax, rcx\nsub rcx, 1\njnz t\nhlt'],
  'flags at the head of a loop are lazy': ['long', 't: mov rax, [rbx]\nadd rbx, 8\ncmp rbx, rdx\njne t\nhlt'],
  'a loop in a loop': ['long', 'o: mov rcx, 3\ni: sub rcx, 1\njnz i\nsub rdx, 1\njnz o\nhlt'],
  'loops with one head lie within each other': ['long', 't: sub rcx, 1\njnz t\nmov rcx, 3\nsub rdx, 1\njnz t\nhlt'],
  'a scalar load needs no vector': ['long', 'movsd xmm0, [rbx+rcx]\naddsd xmm0, xmm1\nhlt'],
  'paths that join': ['long', 'test rax, rax\njz e\nmov rbx, 1\njmp j\ne: mov rbx, 2\nj: add rcx, rbx\nhlt'],
  'a call and its return': ['long', 'call f\nadd rax, 1\nhlt\nf: add rbx, 1\nret'],
  'an indirect jump leaves': ['long', 'jmp rax'],
  'a jump out of the page leaves': ['long', 'jmp $+0x2000'],
  'shifts by cl keep flags when the count is 0': ['long', 'shl rax, cl\nhlt'],
  'rotate through carry': ['long', 'rcl rax, 1\nhlt'],
  'multiplication without its upper half': ['long', 'imul rax, rbx\nadd rax, 1\nhlt'],
  'division leaves where it would fault': ['long', 'div ecx\nhlt'],
  'doubles in a chain': ['long', 'mulsd xmm0, xmm1\naddsd xmm0, xmm2\nhlt'],
  'a comparison of doubles': ['long', 'ucomisd xmm0, xmm1\nja l\nnop\nl: hlt'],
  'the x87 stack is in locals': ['long', 'fld qword [rbx]\nfmul st0, st1\nfaddp st1, st0\nfstp qword [rbx]\nhlt'],
  'packed integers': ['long', 'paddd xmm0, xmm1\npxor xmm2, xmm0\nhlt'],
  'an aligned vector load checks': ['long', 'movaps xmm0, [rbx]\nhlt'],
  'a locked exchange-and-add': ['long', 'lock xadd [rbx], rax\nhlt'],
  'what no region holds is left to the interpreter': ['long', 'mov rax, 1\ncpuid\nmov rbx, 2'],
  'a loop across two pages asks for the second one': ['long', 't: add rax, rcx\nsub rcx, 1\njnz t\nhlt', 4091],
  'in 32-bit code it asks for the segment too': ['code32', 't: add eax, ecx\nsub ecx, 1\njnz t\nhlt', 4091],
  'a call and its return in 32-bit code': ['code32', 'call f\nadd eax, 1\nhlt\nf: add ebx, 1\nret'],
  'the stack of 32-bit code': ['code32', 'push eax\nmov ecx, [ebx+4]\npop edx\nhlt'],
};

function textOf(mode: keyof typeof MODES, text: string, from = 0): string {
  const { bytes } = assemble(text, { code: MODES[mode].code });
  const code = new Uint8Array(8192);
  code.set(bytes, from);
  const end = from + bytes.length;
  const plan = planRegion({
    entry: from,
    decode: (offset) => {
      const decoded = decode(code, offset, end - offset, MODES[mode]);
      return decoded instanceof Decoded ? decoded : undefined;
    },
    targets: () => [],
    refused: () => false,
    warm: (offset) => offset < end,
    isFar: false,
    most: { instructions: 100, blocks: 20 },
  });
  if (plan === undefined) return 'nothing\n';
  const far = end > 4096 ? 3 : undefined;
  return printModule(
    encodeRegions([
      makeRegion(plan, {
        hostPage: () => 1,
        far,
        long: mode === 'long',
        flat: 0x3d,
        flatCode: mode !== 'long',
        anyFloat: false,
        cpu: VCPU,
      }),
    ]),
  );
}

/** Offsets by what stands there, so that a change of layout changes no text. */
const places = new Map<number, string>([
  ...Object.entries(vcpuState.fields).map(([name, { offset }]): [number, string] => [offset, name]),
  ...SLOTS.map(({ offset, type, index }): [number, string] => [offset, `${type} slot ${index}`]),
  ...Array.from({ length: 2 * SITES.count }, (_, i): [number, string][] => [
    [CPU_SITES + SITES.tag + 8 * i, `tag of site ${i}`],
    [CPU_SITES + SITES.addend + 4 * i, `addend of site ${i}`],
  ]).flat(),
  [CPU_SITES + SITES.known, 'any site known'],
  [CPU_FAR_TAGS + FAR_TAG_BYTES * 3 + FAR_TAG.tag, 'tag of far entry 3'],
  [CPU_FAR_TAGS + FAR_TAG_BYTES * 3 + FAR_TAG.epoch, 'epoch of far entry 3'],
  [CPU_LINK_EPOCH, 'epoch of the vCPU'],
  [CPU_FAR + FAR_ENTRY_BYTES * 3 + FAR_ENTRY.instead, 'slot instead of far entry 3'],
  [FIXED.codeEpoch, 'epoch of code'],
  ...Object.entries(TLB_ENTRY).map(([name, offset]): [number, string] => [VCPU + CPU_TLB + offset, `tlb ${name}`]),
]);
const named = (text: string): string =>
  text.replaceAll(/ \+(\d+)$/gm, (all, offset) => (offset === '0' ? all : ` +${places.get(Number(offset)) ?? offset}`));

describe('wasm of small programs', () => {
  it.each(Object.entries(PROGRAMS))('%s', async (name, [mode, text, from]) => {
    const file = `./golden/${name.replaceAll(/[^a-z0-9]+/gi, '-')}.txt`;
    await expect(`${text.replaceAll(/^/gm, '; ')}\n${named(textOf(mode, text, from))}`).toMatchFileSnapshot(file);
  });
});
