/**
 * Alignment checks (#AC) as a real processor makes them, recorded with build/tasks/vectors/recorder.c: user mode, CR0.AM and EFLAGS.AC
 * set. The manual leaves the order among #GP, #AC and #PF and the 16-byte operands without alignment rule to the processor.
 */
import { describe, expect, it } from 'vitest';
import { assemble } from '../isa/assemble.ts';
import { Sandbox, type SandboxState } from './testing/sandbox.ts';
import { tiers } from './testing/tiers.ts';
import { SANDBOX, WINDOW_BYTES } from './testing/vector-file.ts';

const AC_FLAG = 0x40000;
const [AC, GP] = [17, 13];
const PLACE = SANDBOX.window + 0x100;

/** Instruction, then offsets of the operand that are accepted and offsets that are not. */
const RULES: readonly (readonly [text: string, fine: readonly number[], checked: readonly number[]])[] = [
  ['mov al, byte [rbx]', [0, 1, 2, 3], []],
  ['mov ax, word [rbx]', [0, 2], [1, 3]],
  ['mov eax, dword [rbx]', [0, 4], [1, 2, 3]],
  ['mov rax, qword [rbx]', [0, 8], [1, 2, 4]],
  ['add dword [rbx], eax', [0, 4], [1, 2]],
  ['bt dword [rbx], eax', [0, 4], [1, 2]],
  ['cmpxchg8b qword [rbx]', [0, 8], [1, 4]],
  ['movsd', [0, 4], [1, 2]],
  ['movsb', [0, 1], []],
  ['movups xmm0, xmmword [rbx]', [0, 1, 2, 4, 8], []],
  ['movups xmmword [rbx], xmm0', [0, 1, 2, 4, 8], []],
  ['movdqu xmm0, xmmword [rbx]', [0, 1, 8], []],
  ['lddqu xmm0, xmmword [rbx]', [0, 1, 8], []],
  ['pcmpistri xmm0, xmmword [rbx], 0', [0, 1, 8], []],
  ['movlps xmm0, qword [rbx]', [0, 8], [1, 4]],
  ['movss xmm0, dword [rbx]', [0, 4], [1, 2]],
  ['pextrw word [rbx], xmm0, 0', [0, 2], [1]],
  ['ldmxcsr dword [rbx]', [0, 4], [1, 2]],
  ['fld tbyte [rbx]', [0, 8], [1, 2, 4]],
  ['fstp tbyte [rbx]', [0, 8], [1, 2, 4]],
  ['fbstp tbyte [rbx]', [0, 8], [1, 4]],
  ['fld qword [rbx]', [0, 8], [2, 4]],
  ['fst dword [rbx]', [0, 4], [1, 2]],
  ['fild word [rbx]', [0, 2], [1]],
  ['fnstcw word [rbx]', [0, 2], [1]],
  ['fnstenv [rbx]', [0, 4], [1, 2]],
  ['fldenv [rbx]', [0, 4], [1, 2]],
  ['fnsave [rbx]', [0, 4], [1, 2]],
  ['frstor [rbx]', [0, 4], [1, 2]],
];

function state(text: string, address: bigint): SandboxState {
  const fx = new Uint8Array(416);
  fx[0] = 0x7f;
  fx[1] = 0x03;
  fx[4] = 0xff;
  fx[24] = 0x80;
  fx[25] = 0x1f;
  const gpr = Array<bigint>(16).fill(0n);
  gpr[3] = address;
  gpr[4] = BigInt(SANDBOX.window + 0x200);
  gpr[6] = address;
  gpr[7] = address;
  return { mode: 0, repeat: false, code: assemble(text).bytes, gpr, flags: AC_FLAG, fx, window: new Uint8Array(WINDOW_BYTES) };
}

describe.each(tiers)('alignment checks on the $name', ({ create }) => {
  const sandbox = new Sandbox(create());
  const vectorAt = (text: string, address: number | bigint): number => sandbox.execute(state(text, BigInt(address))).vector;

  it.each(RULES)('%s', (text, fine, checked) => {
    for (const offset of fine) expect(vectorAt(text, PLACE + offset), `offset ${offset}`).toBe(255);
    for (const offset of checked) expect(vectorAt(text, PLACE + offset), `offset ${offset}`).toBe(AC);
  });

  it('come after the check for canonical addresses and before page faults', () => {
    expect(vectorAt('mov eax, dword [rbx]', 0x8000_0000_0101n)).toBe(GP);
    expect(vectorAt('mov eax, dword [rbx]', SANDBOX.data + 0x1101)).toBe(AC);
    expect(vectorAt('add dword [rbx], eax', SANDBOX.data + 0x1101)).toBe(AC);
    expect(vectorAt('mov eax, dword [rbx]', SANDBOX.data + 0xfff)).toBe(AC);
  });

  it('are not made for operands whose own rule is broken', () => {
    expect(vectorAt('addps xmm0, xmmword [rbx]', PLACE + 8)).toBe(GP);
    expect(vectorAt('movaps xmmword [rbx], xmm0', PLACE + 1)).toBe(GP);
  });
});
