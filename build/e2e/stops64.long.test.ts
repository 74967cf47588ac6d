/** Every kind of stop in 64-bit code: the machine stands right after (code: before) the very instruction, on all back ends and tiers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { assemble } from '../../engine/isa/assemble.ts';
import { codeAddress, multibootImage } from '../benches/loop-guest.ts';
import { connectTo, type EngineClient } from './engine-client.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

/** Interrupt gate in the table at 0x210000, to code below 64 KiB more than a mebibyte. */
const gate = (vector: number, handler: string): string => `
  mov eax, ${handler}
  mov word [0x${(0x210000 + 16 * vector).toString(16)}], ax
  mov word [0x${(0x210002 + 16 * vector).toString(16)}], 8
  mov word [0x${(0x210004 + 16 * vector).toString(16)}], 0x8e00
  shr eax, 16
  mov word [0x${(0x210006 + 16 * vector).toString(16)}], ax`;

const source = `bits 32
  mov dword [0x200000], 0x201003
  mov dword [0x204000], 0x201003
  mov dword [0x201000], 0x202003
  mov dword [0x201018], 0x203003
  mov dword [0x202000], 0x83
  mov dword [0x202008], 0x200083
  mov dword [0x203fb0], 0xfec0009b
  mov eax, cr4
  or eax, 0x20
  mov cr4, eax
  mov eax, 0x200000
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x100
  wrmsr
  mov eax, cr0
  or eax, 0x80000001
  mov cr0, eax
  lgdt [table]
  jmp 8:long
bits 64
long:
  mov rsp, 0x180000
  xor eax, eax
  mov ss, ax
  ${gate(6, 'invalid')}
  ${gate(13, 'refused')}
  ${gate(14, 'absent')}
  ${gate(0x30, 'service')}
  lidt [interrupts]
  mov edx, 0x3f8
  mov al, 0x21
  out dx, al
round:
  mov ebx, 0x1000
wait:
  dec ebx
  jne wait
  mov ecx, 0xc0000102
  mov eax, 0x1234
  xor edx, edx
  wrmsr
  nop
  rdmsr
  mov r8d, 2
  mov rax, 0x204000
  mov cr3, rax
  mov r9d, 3
  mov rax, 0x200000
  mov cr3, rax
  mov rax, cr4
  mov cr4, rax
  mov r10d, 4
  mov rax, cr0
  mov cr0, rax
  mov r10d, 5
  mov eax, 4
  mov cr8, rax
  mov r10d, 8
  mov edi, 0xfec00000
  mov ecx, [rdi+0x10]
  mov r11d, 6
  mov dword [rdi], 1
  mov r12d, 7
  or dword [rdi+0x10], 0
  mov r12d, 8
  in al, 0x61
  mov r13d, 9
  mov al, 0x55
  out 0x80, al
  mov r14d, 10
  mov rsi, text
  mov edx, 0x3f8
  mov ecx, 3
  cld
  rep outsb
  mov r15d, 11
  ud2
  mov r15d, 12
  mov al, [0x40000000]
  mov r15d, 13
  int 0x30
  mov r15d, 14
  mov ecx, 0x123
  rdmsr
  mov r15d, 18
  cpuid
  mov r15d, 15
  mov qword [0x220000], 16
  mov r15d, 17
  jmp round
invalid:
  add qword [rsp], 2
  iretq
refused:
  add rsp, 8
  add qword [rsp], 2
  iretq
absent:
  add rsp, 8
  add qword [rsp], 7
  iretq
service:
  iretq
text:
  db 0x78, 0x79, 0x0a
  align 8
  dq 0, 0x00209b0000000000
table:
  dw 0x0f
  dd table - 16
interrupts:
  dw 0x0fff
  dq 0x210000
`;

type Condition = Parameters<EngineClient['engine']['stopAdd']>[0]['condition'];

const configurations = (['software', 'bare'] as const).flatMap((accel) =>
  (['off', 'on', 'force'] as const).map((jit) => [accel, jit] as const),
);

let bench: Bench;
let client: EngineClient;
afterEach(async () => {
  client?.close();
  await bench?.close();
});

const hex = (digits: RegExp | string) => expect.stringMatching(digits);

describe.each(configurations)('stops in 64-bit code on %s, --jit %s', (accel, jit) => {
  it('stand at the very instruction', async ({ skip }) => {
    if (notBuilt !== undefined) return skip(notBuilt);
    bench = createBench();
    const image = join(bench.data, 'guest.bin');
    const { bytes, labels } = assemble(source, { origin: BigInt(codeAddress) });
    writeFileSync(image, multibootImage(bytes));
    const words = ['run', '--kernel', image, '--memory', '16', '--name', 'stops', '--accel', accel, '--jit', jit];
    await bench.start(words).see('!');
    client = await connectTo(bench.runtime, 'stops');
    const { engine } = client;
    await engine.eventsSubscribe({ events: ['machine-stopped'] });
    await client.event('machine-stopped');

    /** Arms the stop, goes on until it is met, twice, and tells what was met and what comes next each time. */
    async function met(condition: Condition, times = 2): Promise<string[]> {
      const found: string[] = [];
      const { status } = await engine.machineStatus({});
      const { stop } = await engine.stopAdd({ condition });
      for (let time = 0; time < times; time++) {
        if (time > 0 || status === 'paused') await engine.machineCont({});
        const { stopped } = await client.event('machine-stopped', (data) => data['stopped'] !== undefined);
        expect(stopped).toMatchObject({ why: 'stop', stop, vcpu: 0 });
        const { ip, instructions } = await engine.machineDisassemble({ count: 1 });
        const { vcpus } = await engine.machineRegisters({ vcpu: 0 });
        expect(BigInt(vcpus[0]?.registers.find(({ name }) => name === 'rip')?.value ?? 0)).toBe(BigInt(ip));
        found.push(`${(stopped as { what?: string }).what} | ${instructions[0]?.text}`);
      }
      await engine.stopRemove({ stop });
      return found;
    }
    const both = (text: unknown) => [text, text];
    const label = (name: string): string => `0x${(labels.get(name) as bigint).toString(16)}`;

    expect(await met({ on: 'msr', msr: 0xc0000102, access: 'write' })).toEqual(
      both('MSR 0xc0000102 written, value 0x1234 | nop'),
    );
    expect(await met({ on: 'msr', msr: 0xc0000102, access: 'read' })).toEqual(
      both('MSR 0xc0000102 read, value 0x1234 | mov r8d, 0x2'),
    );
    expect((await met({ on: 'cr', cr: 3 })).toSorted()).toEqual([
      'CR3 written, value 0x200000 | mov rax, cr4',
      'CR3 written, value 0x204000 | mov r9d, 0x3',
    ]);
    expect(await met({ on: 'cr', cr: 4 })).toEqual(both('CR4 written, value 0x20 | mov r10d, 0x4'));
    expect(await met({ on: 'cr', cr: 0 })).toEqual(both(hex(/^CR0 written, value 0x[0-9a-f]+ \| mov r10d, 0x5$/)));
    expect(await met({ on: 'cr', cr: 8 })).toEqual(both('CR8 written, value 0x4 | mov r10d, 0x8'));
    const [device, end] = ['0xfec00000', '0xfec0001f'];
    expect(await met({ on: 'mmio', from: device, access: 'write' })).toEqual(
      both('device memory 0xfec00000 written, value 0x1, 4 bytes | mov r12d, 0x7'),
    );
    expect((await met({ on: 'mmio', from: device, to: end, access: 'read' })).toSorted()).toEqual([
      hex(/^device memory 0xfec00010 read, value 0x[0-9a-f]+, 4 bytes \| mov r11d, 0x6$/),
      hex(/^device memory 0xfec00010 read, value 0x[0-9a-f]+, 4 bytes \| mov r12d, 0x8$/),
    ]);
    expect(await met({ on: 'port', from: 0x61 })).toEqual(
      both(hex(/^port 0x61 read, value 0x[0-9a-f]+, 1 byte \| mov r13d, 0x9$/)),
    );
    expect(await met({ on: 'port', from: 0x80 })).toEqual(both('port 0x80 written, value 0x55, 1 byte | mov r14d, 0xa'));
    // A repeated instruction stands between two of its repetitions.
    expect(await met({ on: 'port', from: 0x3f8, where: 'value == 0x79' })).toEqual(
      both('port 0x3f8 written, value 0x79, 1 byte | rep outsb'),
    );
    expect(await met({ on: 'serial', text: 'xy\n' })).toEqual(both('serial text "xy\\n" | mov r15d, 0xb'));
    expect(await met({ on: 'exception', vector: 6 })).toEqual(both('exception 6 | add qword [rsp], 0x2'));
    // `software` refuses it in an exit and injects the exception.
    expect(await met({ on: 'exception', vector: 13 })).toEqual(both('exception 13, error code 0x0 | add rsp, 0x8'));
    expect(await met({ on: 'exception', vector: 14 })).toEqual(
      both('exception 14, error code 0x0, address 0x40000000 | add rsp, 0x8'),
    );
    expect(await met({ on: 'exception', vector: 0x30 })).toEqual(both('exception 48 | iretq'));
    expect(await met({ on: 'data', gva: '0x220000', bytes: 8 })).toEqual(both('0x220000 written, 8 bytes | mov r15d, 0x11'));
    expect(await met({ on: 'code', gva: label('service') })).toEqual(both(`instruction at ${label('service')} | iretq`));
    if (accel === 'bare') return;
    expect(await met({ on: 'exit', reason: 'CPUID' })).toEqual(both(hex(/^exit: reason CPUID, .* \| mov r15d, 0xf$/)));
  }, 90_000);
});
