/** Registers of every kind changed while the machine stands: the guest itself, which stores what it finds, sees the new values. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { assemble } from '../../engine/isa/assemble.ts';
import { codeAddress, multibootImage } from '../benches/loop-guest.ts';
import { connectTo, type EngineClient } from './engine-client.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

const GENERAL = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', ...Array.from({ length: 8 }, (_, i) => `r${8 + i}`)];
/** Where the guest stores what it found. */
const PLACE = { general: 0x221000, rflags: 0x221080, fxsave: 0x222000, mm: 0x223000, words: 0x224000, data: 0x225000 } as const;
const MSRS = [0x174, 0x175, 0x176, 0x277, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0xc0000103];

/** One 8-byte word after the other, each left in rax. */
const WORDS: readonly (readonly [name: string, code: string])[] = [
  ...['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'dr0', 'dr1', 'dr2', 'dr3', 'dr6', 'dr7'].map(
    (one) => [one, `mov rax, ${one}`] as const,
  ),
  ['fs', 'xor eax, eax\n  mov eax, fs'],
  ['gs', 'xor eax, eax\n  mov eax, gs'],
  ['ds', 'xor eax, eax\n  mov eax, ds'],
  ['at fs.base', 'mov rbx, 8\n  mov rax, fs:[rbx]'],
  ['at gs.base', 'xor ebx, ebx\n  mov rax, gs:[rbx]'],
  ['xcr0', 'xor ecx, ecx\n  db 0x0f, 0x01, 0xd0\n  shl rdx, 32\n  or rax, rdx'],
  ...[0xc0000080, ...MSRS].map(
    (msr) => [`msr ${msr.toString(16)}`, `mov ecx, 0x${msr.toString(16)}\n  rdmsr\n  shl rdx, 32\n  or rax, rdx`] as const,
  ),
  ['gdt.limit', 'sgdt [0x225800]\n  xor eax, eax\n  mov ax, word [0x225800]'],
  ['idt.base', 'sidt [0x225800]\n  mov rax, qword [0x225802]'],
];
const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

const source = `bits 32
  mov dword [0x200000], 0x201003
  mov dword [0x204000], 0x201003
  mov dword [0x201000], 0x202003
  mov dword [0x202000], 0x83
  mov dword [0x202008], 0x200083
  mov eax, cr4
  or eax, 0x220
  mov cr4, eax
  mov eax, 0x200000
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x100
  wrmsr
  mov eax, cr0
  and eax, 0xfffffff3
  or eax, 0x80000001
  mov cr0, eax
  lgdt [table]
  jmp 8:long
bits 64
long:
  mov rsp, 0x180000
  xor eax, eax
  mov ss, ax
  fninit
  mov edx, 0x3f8
  mov al, 0x21
  out dx, al
round:
  nop
probe:
  ${GENERAL.map((one, i) => `mov qword [${hex(PLACE.general + 8 * i)}], ${one}`).join('\n  ')}
  mov rsp, 0x180000
  pushfq
  pop rax
  mov qword [${hex(PLACE.rflags)}], rax
  db 0x48, 0x0f, 0xae, 0x04, 0x25
  dd ${hex(PLACE.fxsave)}
  db 0x0f, 0x7f, 0x1c, 0x25
  dd ${hex(PLACE.mm)}
  emms
  ${WORDS.map(([, code], i) => `${code}\n  mov qword [${hex(PLACE.words + 8 * i)}], rax`).join('\n  ')}
done:
  nop
  jmp round
  align 8
  dq 0, 0x00209b0000000000
table:
  dw 0x0f
  dd table - 16
`;

let bench: Bench;
let client: EngineClient;
afterEach(async () => {
  client?.close();
  await bench?.close();
});

const value80 = 0x4000c90fdaa22168c235n;
const general = (name: string): bigint =>
  name === 'rsp' ? 0x17ff00n : 0x0111_2222_3333_4444n + (BigInt(GENERAL.indexOf(name)) << 60n);
const st = (i: number): bigint => (i === 3 ? 0xffff_0123_4567_89ab_cdefn : value80 + BigInt(i));
const xmm = (i: number): bigint => 0x00112233445566778899aabbccddee00n + BigInt(i);

describe.each(['software', 'bare'] as const)('registers on %s', (accel) => {
  it('are what somebody made of them, for the guest as well', async ({ skip }) => {
    if (notBuilt !== undefined) return skip(notBuilt);
    bench = createBench();
    const image = join(bench.data, 'guest.bin');
    const { bytes, labels } = assemble(source, { origin: BigInt(codeAddress) });
    writeFileSync(image, multibootImage(bytes));
    await bench.start(['run', '--kernel', image, '--memory', '16', '--name', 'edits', '--accel', accel, '--jit', 'on']).see('!');
    client = await connectTo(bench.runtime, 'edits');
    const { engine } = client;
    await engine.eventsSubscribe({ events: ['machine-stopped'] });
    await client.event('machine-stopped');
    const stands = () => client.event('machine-stopped', (data) => data['stopped'] !== undefined);
    const label = (name: string): string => hex(labels.get(name) as bigint);

    await engine.stopAdd({ condition: { on: 'code', gva: label('probe') } });
    await stands();
    const { vcpus } = await engine.machineRegisters({ vcpu: 0 });
    const before = new Map(vcpus[0]?.registers.map((one) => [`${one.group} ${one.name}`, BigInt(one.value)]));
    const was = (name: string): bigint => before.get(`kvm_sregs ${name}`) ?? 0n;
    const made: [group: string, name: string, value: bigint][] = [
      ...GENERAL.map((name): [string, string, bigint] => ['kvm_regs', name, general(name)]),
      ['kvm_regs', 'rflags', 0x8d7n],
      ['kvm_sregs', 'cr0', was('cr0') | 0x10000n],
      ['kvm_sregs', 'cr2', 0x1234_5678_9abcn],
      ['kvm_sregs', 'cr3', 0x204000n],
      ['kvm_sregs', 'cr4', was('cr4') | 0x40000n],
      ['kvm_sregs', 'cr8', 5n],
      ['kvm_sregs', 'efer', was('efer') | 0x800n],
      ['kvm_sregs', 'ds', 0x23n],
      ['kvm_sregs', 'fs', 0x2bn],
      ['kvm_sregs', 'fs.base', BigInt(PLACE.data)],
      ['kvm_sregs', 'gs', 0x33n],
      ['kvm_sregs', 'gs.base', BigInt(PLACE.data) + 16n],
      ['kvm_sregs', 'gdt.limit', 0x7fn],
      ['kvm_sregs', 'idt.base', 0x226000n],
      ['kvm_xcrs', 'xcr0', 3n],
      ...[0, 1, 2, 3].map((i): [string, string, bigint] => ['kvm_debugregs', `dr${i}`, 0x7000_0000n + BigInt(i)]),
      ['kvm_debugregs', 'dr6', 0xffff_0ff1n],
      ['kvm_debugregs', 'dr7', 0x401n],
      ['kvm_fpu', 'fcw', 0x27fn],
      ['kvm_fpu', 'ftwx', 0xffn],
      ['kvm_fpu', 'mxcsr', 0x3fa0n],
      ...Array.from({ length: 8 }, (_, i): [string, string, bigint] => ['kvm_fpu', `st${i}`, st(i)]),
      ...Array.from({ length: 16 }, (_, i): [string, string, bigint] => ['kvm_fpu', `xmm${i}`, xmm(i)]),
    ];
    const msr = (index: number): bigint =>
      index === 0x277 ? 0x0007010600070106n : index === 0xc0000084 ? 0x4700n : 0x1000n + BigInt(index & 0xff);
    const msrs = MSRS.map((index): [string, string, bigint] => ['kvm_msrs', hex(index), msr(index)]);
    const all = [...made, ...msrs].map(([group, name, value]) => ({ group, name, value: hex(value) }));
    for (let at = 0; at < all.length; at += 64) await engine.machineRegistersSet({ registers: all.slice(at, at + 64) });
    await engine.machineMemorySet({
      space: 'gpa',
      address: hex(PLACE.data),
      bytes: `${'00'.repeat(8)}1122334455667788${'99aabbccddeeff00'}`,
    });

    await engine.machineRunTo({ gva: label('done') });
    await stands();
    const memory = async (gpa: number, size: number): Promise<bigint> => {
      const { bytes: digits } = await engine.machineMemory({ space: 'gpa', address: hex(gpa), bytes: size });
      return BigInt(`0x${digits.match(/../g)?.reverse().join('')}`);
    };
    for (const [i, name] of GENERAL.entries())
      expect([name, await memory(PLACE.general + 8 * i, 8)]).toEqual([name, general(name)]);
    expect(await memory(PLACE.rflags, 8)).toBe(0x8d7n);
    // FXSAVE: SDM vol. 1, table 10-2.
    expect(await memory(PLACE.fxsave, 2)).toBe(0x27fn);
    expect(await memory(PLACE.fxsave + 4, 1)).toBe(0xffn);
    expect(await memory(PLACE.fxsave + 24, 4)).toBe(0x3fa0n);
    for (let i = 0; i < 8; i++) expect([i, await memory(PLACE.fxsave + 32 + 16 * i, 10)]).toEqual([i, st(i)]);
    for (let i = 0; i < 16; i++) expect([i, await memory(PLACE.fxsave + 160 + 16 * i, 16)]).toEqual([i, xmm(i)]);
    expect(await memory(PLACE.mm, 8)).toBe(0x0123_4567_89ab_cdefn);
    const found = new Map<string, bigint>();
    for (const [i, [name]] of WORDS.entries()) found.set(name, await memory(PLACE.words + 8 * i, 8));
    const wanted = new Map(made.map(([, name, value]) => [name, value]));
    for (const name of [
      'cr0',
      'cr2',
      'cr3',
      'cr4',
      'cr8',
      'dr0',
      'dr1',
      'dr2',
      'dr3',
      'dr6',
      'dr7',
      'ds',
      'fs',
      'gs',
      'xcr0',
      'gdt.limit',
      'idt.base',
    ]) {
      expect([name, found.get(name)]).toEqual([name, wanted.get(name)]);
    }
    expect(found.get('at fs.base')).toBe(0x8877665544332211n);
    expect(found.get('at gs.base')).toBe(0x00ffeeddccbbaa99n);
    expect(found.get('msr c0000080')).toBe(was('efer') | 0x800n);
    for (const index of MSRS) expect([hex(index), found.get(`msr ${index.toString(16)}`)]).toEqual([hex(index), msr(index)]);
    // What cannot be is refused, and nothing of it done.
    await expect(
      engine.machineRegistersSet({
        registers: [
          { group: 'kvm_regs', name: 'rbx', value: '0x77' },
          { group: 'kvm_sregs', name: 'cr4', value: '0x8000000000000000' },
        ],
      }),
    ).rejects.toMatchObject({ code: 'register-value' });
    const after = await engine.machineRegisters({ vcpu: 0 });
    expect(BigInt(after.vcpus[0]?.registers.find(({ name }) => name === 'rbx')?.value ?? 0)).not.toBe(0x77n);
  }, 60_000);
});
