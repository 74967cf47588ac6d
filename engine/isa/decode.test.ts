import { describe, expect, it } from 'vitest';
import { definitions } from './all.ts';
import { asm, asm16, asm32, assemble } from './assemble.ts';
import { FEATURES, featureBits } from './attributes.ts';
import { type DecodeMode, decode } from './decode.ts';
import { Decoded } from './decoded.ts';
import type { Form } from './form.ts';
import { print } from './print.ts';

const ALL = featureBits(FEATURES);
const long: DecodeMode = { code: 64, stack: 64, kind: 'long', features: ALL };
const code32: DecodeMode = { code: 32, stack: 32, kind: 'protected', features: ALL };
const code16: DecodeMode = { code: 16, stack: 16, kind: 'real', features: ALL };
const modes = { 16: code16, 32: code32, 64: long };

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const run = (hex: string, mode: DecodeMode) => decode(bytes(hex), 0, bytes(hex).length, mode);
function text(hex: string, mode: DecodeMode): string {
  const decoded = run(hex, mode);
  return typeof decoded === 'string' ? decoded : `${decoded.length}: ${print(decoded)}`;
}

describe('lengths and operands', () => {
  // Each row was checked against binutils' objdump.
  it.each([
    ['48 11 d8', long, '3: adc rax, rbx'],
    ['f0 48 0f c1 0f', long, '5: lock xadd qword [rdi], rcx'],
    ['48 8b 05 00 10 00 00', long, '7: mov rax, qword [rel 0x1007]'],
    ['8b 04 25 00 10 00 00', long, '7: mov eax, dword [0x1000]'],
    ['67 8b 44 24 fc', long, '5: mov eax, dword [esp-0x4]'],
    ['48 b8 11 22 33 44 55 66 77 88', long, '10: mov rax, 0x8877665544332211'],
    ['48 a1 11 22 33 44 55 66 77 88', long, '10: mov rax, qword [0x8877665544332211]'],
    ['4b 8d 44 65 00', long, '5: lea rax, [r13+r12*2]'],
    ['40 b4 01', long, '3: mov spl, 0x1'],
    ['b4 01', long, '2: mov ah, 0x1'],
    ['66 e8 00 00 00 00', long, '6: call 0x6'],
    ['66 e8 00 00', code32, '4: call 0x4'],
    ['8f 44 24 04', long, '4: pop qword [rsp+0x4]'],
    ['f3 48 a5', long, '3: rep movsq'],
    ['67 f3 a4', long, '3: rep a32 movsb'],
    ['90', long, '1: nop'],
    ['41 90', long, '2: xchg r8d, eax'],
    ['f3 41 90', long, '3: pause'],
    ['66 63 c1', long, '3: movsxd ax, cx'],
    ['63 c1', code32, '2: arpl cx, ax'],
    ['c4 06 10 00', code16, '4: les ax, [0x10]'],
    ['ea 78 56 34 12 10 00', code32, '7: jmp far 0x10:0x12345678'],
    ['c8 10 00 02', code32, '4: enter 0x10, 0x2'],
    ['8a 42 fe', code16, '3: mov al, byte [bp+si-0x2]'],
    ['67 8a 04 24', code16, '4: mov al, byte [esp]'],
    ['48 0f c7 0e', long, '4: cmpxchg16b [rsi]'.replace('[rsi]', 'qword [rsi]')],
    ['f2 48 0f 38 f1 c1', long, '6: crc32 rax, rcx'],
    ['f3 0f bc c1', long, '4: bsf eax, ecx'],
    ['44 0f 20 c0', long, '4: mov rax, cr8'],
    ['0f 20 03', long, '3: mov rbx, cr0'],
    ['f3 0f 1e fa', long, '4: endbr64'],
  ] as const)('%s', (hex, mode, expected) => {
    expect(text(hex, mode)).toBe(expected);
  });

  it('chooses the stack segment for rSP and rBP, not for their 64-bit namesakes', () => {
    const segment = (hex: string, mode: DecodeMode) => (run(hex, mode) as Decoded).segment;
    expect([
      segment('8b 45 00', long),
      segment('8b 04 24', long),
      segment('41 8b 04 24', long),
      segment('41 8b 45 00', long),
    ]).toEqual([2, 2, 3, 3]);
    expect([segment('8a 42 00', code16), segment('8a 44 00', code16), segment('8a 06 00 00', code16)]).toEqual([2, 3, 3]);
    expect([segment('2e 8b 45 00', long), segment('2e 8b 45 00', code32), segment('65 8b 45 00', long)]).toEqual([2, 1, 5]);
  });

  it('addresses POP with the stack pointer it leaves', () => {
    const decoded = run('8f 44 24 fc', long) as Decoded;
    expect([decoded.displacement, decoded.displacementHigh]).toEqual([4, 0]);
    const widest = run('8f 84 24 ff ff ff 7f', long) as Decoded;
    expect([widest.displacement >>> 0, widest.displacementHigh]).toEqual([0x80000007, 0]);
  });
});

describe('what does not decode', () => {
  it.each([
    ['06', long, 'PUSH ES in 64-bit mode'],
    ['c4 06', long, 'LES in 64-bit mode'],
    ['c5 c0', code32, 'LDS of a register'],
    ['62 f1 7e 48 6f 01', long, 'AVX-512'],
    ['0f 04', long, 'a hole'],
    ['8e c8', long, 'MOV to CS'],
    ['8e f0', long, 'segment register 6'],
    ['0f 20 c8', long, 'CR1'],
    ['44 0f 21 c0', long, 'DR8'],
    ['f0 89 c0', long, 'LOCK MOV'],
    ['f0 01 c0', long, 'LOCK ADD of a register'],
    ['f0 39 00', long, 'LOCK CMP'],
    ['0f 05', code32, 'SYSCALL outside 64-bit mode'],
    ['0f 00 c0', code16, 'SLDT in real mode'],
    ['0f 38 f0 00', long, 'MOVBE'],
    ['f3 0f c7 f0', long, 'RDRAND under F3'],
    ['0f c7 f0', long, 'RDRAND'],
    ['0f 0a', long, 'a hole'],
  ] as const)('%s is #UD', (hex, mode, what) => {
    expect(run(hex, mode), what).toBe('undefined');
  });

  it('is #UD when the model lacks the feature', () => {
    const without = { ...long, features: ALL & ~featureBits(['popcnt']) };
    expect(run('f3 0f b8 c1', without)).toBe('undefined');
    expect(run('f3 0f b8 c1', long)).toBeInstanceOf(Decoded);
  });

  it('asks for more bytes only when it needs them', () => {
    const whole = bytes('f0 48 81 84 88 00 01 00 00 44 33 22 11');
    for (let n = 0; n < whole.length; n++) expect(decode(whole, 0, n, long)).toBe('need-more');
    expect((decode(whole, 0, whole.length, long) as Decoded).length).toBe(whole.length);
    expect(decode(bytes('0f 04'), 0, 2, long)).toBe('undefined'); // no ModRM is fetched for a hole
  });

  it('refuses the sixteenth byte', () => {
    const prefixes = (count: number, rest: string) => bytes('66'.repeat(count) + rest + '00'.repeat(16));
    expect((decode(prefixes(14, '90'), 0, 31, long) as Decoded).length).toBe(15);
    expect(decode(prefixes(15, '90'), 0, 31, long)).toBe('too-long');
    expect(decode(prefixes(13, '8b 80'), 0, 31, long)).toBe('too-long');
    expect(decode(prefixes(13, '8b 80'), 0, 14, long)).toBe('need-more');
  });
});

/** A byte string that decodes to this form: its opcode with ModRM and filler chosen to fit. */
function sample(form: Form, code: 16 | 32 | 64, modrmRm: number): Uint8Array {
  const prefix = form.prefix === 'any' || form.prefix === 'NP' ? [] : [Number.parseInt(form.prefix, 16)];
  const map = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][form.map]!;
  const mod = form.anyMod || form.mod === 'reg' ? 0xc0 : form.mod === 'mem' ? 0x40 : modrmRm & 0xc0;
  const reg =
    form.digit >= 0 ? form.digit : form.operands.some((o) => o.kind === 'cr' || o.kind === 'seg') ? 3 : (modrmRm >> 3) & 7;
  const rm = modrmRm & 7;
  const modrm = form.modrm >= 0 ? [form.modrm] : form.hasModrm ? [mod | (reg << 3) | rm] : [];
  const rest = Array.from({ length: 12 }, (_, i) => (i * 37 + code) & 0x7f);
  return Uint8Array.from([...prefix, ...map, form.opcode, ...modrm, ...rest]);
}

describe('printer and assembler undo each other', () => {
  const forms = definitions.flatMap((definition) => definition.forms);
  it.each([16, 32, 64] as const)('%i-bit code, every form', (code) => {
    const failures: string[] = [];
    let count = 0;
    for (const form of forms) {
      if (code === 64 ? !form.in64 : !form.inLegacy) continue;
      for (const rm of [0x03, 0x46, 0xd1]) {
        const mode: DecodeMode = { ...modes[code], kind: code === 64 ? 'long' : 'protected' };
        const first = decode(sample(form, code, rm), 0, 15, mode);
        if (typeof first === 'string') continue; // shadowed in this mode or by another ModRM
        count++;
        const printed = print(first, 0x400000n);
        try {
          const again = decode(assemble(printed, { code, origin: 0x400000n }).bytes, 0, 15, mode);
          const reprinted = typeof again === 'string' ? again : print(again, 0x400000n);
          if (reprinted !== printed) failures.push(`${form.text}: ${printed} became ${reprinted}`);
        } catch (error) {
          failures.push(`${form.text}: ${String(error)}`);
        }
      }
    }
    expect(failures).toEqual([]);
    expect(count).toBeGreaterThan(800);
  });
});

describe('assembler', () => {
  const hex = (code: Uint8Array): string => Buffer.from(code).toString('hex');
  it('takes the shortest encodings', () => {
    expect(hex(asm`add rax, 1`)).toBe('4883c001');
    expect(hex(asm`add eax, 0xffffffff`)).toBe('83c0ff');
    expect(hex(asm`mov rax, -1`)).toBe('48c7c0ffffffff');
    expect(hex(asm`push 0x7f`)).toBe('6a7f');
    expect(hex(asm`shl eax, 1`)).toBe('d1e0');
    expect(hex(asm32`inc eax`)).toBe('40');
    expect(hex(asm16`mov ax, [0x1234]`)).toBe('a13412');
    expect(hex(asm`mov rax, fs:[0x28]`)).toBe('64488b042528000000');
  });

  it('relaxes branches until labels settle', () => {
    const source = (pad: number) => `start: jmp end\n${'nop\n'.repeat(pad)}end: jne start`;
    expect(assemble(source(127)).bytes.length).toBe(2 + 127 + 6);
    expect(assemble(source(128)).bytes.length).toBe(5 + 128 + 6);
    expect(assemble(source(100)).bytes.length).toBe(2 + 100 + 2);
    expect(assemble('l: dq l, end\nend:', { origin: 0x1000n }).labels.get('end')).toBe(0x1010n);
  });

  it('says which line it cannot assemble', () => {
    expect(() => assemble('nop\nmov eax, bl')).toThrow(/line 2: 'mov eax, bl': no encoding/);
    expect(() => assemble('frobnicate')).toThrow(/unknown instruction/);
    expect(() => assemble('mov [rax], 1')).toThrow(/size of the memory operand/);
    expect(() => assemble('jmp nowhere')).toThrow(/unknown name nowhere/);
  });
});
