/** Whole programs through the system part, on every tier: mode switches, privilege changes, tasks, debugging, interrupts. */
import { describe, expect, test } from 'vitest';
import { assemble } from '../../isa/assemble.ts';
import { readFlags } from '../flags.ts';
import { REQUEST } from '../state.ts';
import { type TierCpu, tiers } from '../testing/tiers.ts';

const ORIGIN = 0x7c00;
const GDT = 0x1000;
const IDT = 0x2000;
const TSS = 0x4000;
const TSS2 = 0x5000;
const PML4 = 0x10000;

const poke = (cpu: TierCpu, at: number, bytes: Uint8Array | readonly number[]) =>
  cpu.machine.u8.set(bytes, cpu.machine.map.ramBase + at);
const poke32 = (cpu: TierCpu, at: number, value: number) => cpu.machine.dv.setUint32(cpu.machine.map.ramBase + at, value, true);
const peek32 = (cpu: TierCpu, at: number) => cpu.machine.dv.getUint32(cpu.machine.map.ramBase + at, true);

/** Code, data, 64-bit code of ring 0; code, data, 64-bit code of ring 3; TSS (16 bytes); second TSS; call gate; 16-bit code and data. */
const SEL = {
  code: 0x08,
  data: 0x10,
  code64: 0x18,
  code3: 0x23,
  data3: 0x2b,
  code64user: 0x33,
  tss: 0x38,
  tss2: 0x48,
  gate: 0x58,
} as const;

function descriptor(cpu: TierCpu, selector: number, [low, high]: readonly [number, number]) {
  poke32(cpu, GDT + (selector & ~7), low);
  poke32(cpu, GDT + (selector & ~7) + 4, high);
}

const gate = (cpu: TierCpu, at: number, [selector, offset, type]: readonly [number, bigint, number]) => {
  const low = Number(offset);
  poke32(cpu, at, (low & 0xffff) | (selector << 16));
  poke32(cpu, at + 4, (low & 0xffff0000) | (type << 8));
};

/** A processor in real mode at ORIGIN with the tables in place; `text` begins in 16-bit code. */
function boot(
  create: () => TierCpu,
  text: string,
  handlers: Readonly<Record<number, readonly [label: string, type: number]>>,
  wide: boolean,
) {
  const cpu = create();
  const { bytes, labels } = assemble(`bits 16\n${text}`, { origin: BigInt(ORIGIN) });
  poke(cpu, ORIGIN, bytes);
  descriptor(cpu, SEL.code, [0xffff, 0xcf9b00]);
  descriptor(cpu, SEL.data, [0xffff, 0xcf9300]);
  descriptor(cpu, SEL.code64, [0xffff, 0xaf9b00]);
  descriptor(cpu, SEL.code3, [0xffff, 0xcffb00]);
  descriptor(cpu, SEL.data3, [0xffff, 0xcff300]);
  descriptor(cpu, SEL.code64user, [0xffff, 0xaffb00]);
  descriptor(cpu, SEL.tss, [(TSS << 16) | 0x2fff, 0x008900]);
  descriptor(cpu, SEL.tss2, [(TSS2 << 16) | 0x67, 0x008900]);
  for (const [vector, [label, type]] of Object.entries(handlers)) {
    gate(cpu, IDT + Number(vector) * (wide ? 16 : 8), [wide ? SEL.code64 : SEL.code, labels.get(label) as bigint, type]);
  }
  const { s } = cpu;
  Object.assign(s, {
    csSelector: 0,
    csBase: 0n,
    rip: BigInt(ORIGIN),
    gdtrBase: BigInt(GDT),
    gdtrLimit: 0xff,
    idtrBase: 0n,
    idtrLimit: 0x3ff,
  });
  s.gpr[4] = 0x7000n;
  cpu.changed();
  return { cpu, labels };
}

const PROTECT = `
  cli
  mov eax, cr0
  or eax, 1
  mov cr0, eax
  db 0xea
  dw protected
  dw ${SEL.code}
bits 32
protected:
  mov ax, ${SEL.data}
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov esp, 0x7000
  lidt [idtr]
`;

const written = (cpu: TierCpu) =>
  cpu.host.accesses
    .filter((a) => a.kind === 'out' && a.address === 0xe9)
    .map((a) => String.fromCharCode(a.value & 0xff))
    .join('');

describe.each(tiers)('on $name', ({ create }) => {
  test('real mode to 64-bit ring 3 and back by every door', () => {
    const text = `${PROTECT}
  mov eax, 0x20
  mov cr4, eax
  mov eax, ${PML4}
  mov cr3, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x901
  wrmsr
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  db 0xea
  dd long
  dw ${SEL.code64}
bits 64
long:
  mov rsp, 0x7000
  mov ax, ${SEL.tss}
  ltr ax
  mov ecx, 0xc0000081
  xor eax, eax
  mov edx, ${((SEL.code64user - 16) << 16) | SEL.code64}
  wrmsr
  mov ecx, 0xc0000082
  mov eax, call_in
  xor edx, edx
  wrmsr
  mov ecx, 0xc0000084
  mov eax, 0x200
  wrmsr
  mov al, 76
  out 0xe9, al
  push ${SEL.data3}
  push 0x6800
  push 0x202
  push ${SEL.code64user}
  push user
  iretq
user:
  mov dil, 85
  syscall
  mov eax, [0x200010]
  int 0x80
  int3
  ud2
  call_gate: db 0xff, 0x1c, 0x25
  dd pointer
  hlt
pointer: dd 0
  dw ${SEL.gate}
call_in:
  mov eax, edi
  out 0xe9, al
  o64 sysret
on_page:
  mov al, 80
  out 0xe9, al
  mov qword [${PML4 + 0x2008}], 0x200087
  add rsp, 8
  iretq
on_int:
  mov al, 73
  out 0xe9, al
  iretq
on_break:
  mov al, 66
  out 0xe9, al
  iretq
on_undefined:
  mov al, 68
  out 0xe9, al
  add qword [rsp], 2
  iretq
on_gate:
  mov al, 67
  out 0xe9, al
  retfq
on_general:
  mov al, 71
  out 0xe9, al
  pop rbx
  hlt
idtr: dw 0xfff
  dd ${IDT}
`
      .replace('o64 sysret', 'db 0x48, 0x0f, 0x07')
      .replace('retfq', 'db 0x48, 0xcb');
    const { cpu, labels } = boot(
      create,
      text,
      {
        14: ['on_page', 0x8e],
        128: ['on_int', 0xee],
        3: ['on_break', 0xee],
        6: ['on_undefined', 0x8e],
        13: ['on_general', 0x8e],
      },
      true,
    );
    poke32(cpu, PML4, PML4 + 0x1000 + 7);
    poke32(cpu, PML4 + 0x1000, PML4 + 0x2000 + 7);
    poke32(cpu, PML4 + 0x2000, 0x87);
    poke32(cpu, TSS + 4, 0x6000);
    descriptor(cpu, SEL.tss + 8, [0, 0]);
    gate(cpu, GDT + SEL.gate, [SEL.code64, labels.get('on_gate') as bigint, 0xec]);
    poke32(cpu, GDT + SEL.gate + 8, 0);
    poke32(cpu, GDT + SEL.gate + 12, 0);
    const exit = cpu.run(1000);
    expect([written(cpu), exit.reason]).toEqual(['LUPIBDCG', 'halt']);
    const { s } = cpu;
    expect([s.cr2, s.gpr[3], s.cpl, s.gpr[4], s.ssSelector]).toEqual([0x200010n, 0n, 0, 0x6000n - 40n, 0]);
    expect(peek32(cpu, 0x6000 - 40)).toBe(Number(labels.get('pointer')) - 1);
  });

  test('tasks: CALL, IRET and a task gate', () => {
    const text = `${PROTECT}
  mov ax, ${SEL.tss}
  ltr ax
  mov ebx, 0x1234
  db 0x9a
  dd 0
  dw ${SEL.tss2}
  mov al, 65
  out 0xe9, al
  int 0x30
  mov al, 67
  out 0xe9, al
  hlt
task:
  mov al, 84
  out 0xe9, al
  iretd
  mov al, 66
  out 0xe9, al
  iretd
  jmp task
idtr: dw 0x7ff
  dd ${IDT}
`;
    const { cpu, labels } = boot(create, text, {}, false);
    poke32(cpu, IDT + 0x30 * 8, SEL.tss2 << 16);
    poke32(cpu, IDT + 0x30 * 8 + 4, 0xe500);
    poke32(cpu, TSS2 + 0x20, Number(labels.get('task')));
    poke32(cpu, TSS2 + 0x24, 2);
    poke32(cpu, TSS2 + 0x38, 0x6000);
    for (const [at, selector] of [
      [0x48, SEL.data],
      [0x4c, SEL.code],
      [0x50, SEL.data],
      [0x54, SEL.data],
    ] as const)
      poke32(cpu, TSS2 + at, selector);
    const exit = cpu.run(1000);
    expect([written(cpu), exit.reason, cpu.s.gpr[3]]).toEqual(['TABC', 'halt', 0x1234n]);
    expect([cpu.s.trSelector, readFlags(cpu.s) & 0x4000, peek32(cpu, GDT + SEL.tss2 + 4) & 0x200]).toEqual([SEL.tss, 0, 0]);
  });

  test('virtual-8086 mode: INT n through the monitor and through its own table', () => {
    const text = `${PROTECT}
  mov eax, 1
  mov cr4, eax
  mov ax, ${SEL.tss}
  ltr ax
  push 0
  push 0
  push 0
  push 0
  push 0
  push 0x6800
  push 0x20002
  push 0
  push virtual
  iretd
bits 16
virtual:
  mov al, 86
  int 0x20
  int 0x21
  cli
  hlt
own:
  mov al, 79
  iret
bits 32
monitor:
  push eax
  mov al, 77
  out 0xe9, al
  pop eax
  out 0xe9, al
  hlt
idtr: dw 0x7ff
  dd ${IDT}
`;
    const { cpu, labels } = boot(create, text, { 13: ['monitor', 0x8e] }, false);
    // vector 0x20 goes to the program's own table, 0x21 to the monitor; both without IOPL
    poke32(cpu, 0x20 * 4, Number(labels.get('own')));
    poke32(cpu, TSS + 4, 0x6000);
    poke32(cpu, TSS + 8, SEL.data);
    poke32(cpu, TSS + 100, 0x88 << 16);
    poke(cpu, TSS + 0x68 + 4, [0x02]);
    const exit = cpu.run(1000);
    expect([written(cpu), exit.reason, peek32(cpu, 0x6000 - 40)]).toEqual(['MO', 'halt', 0x21 * 8 + 2 - 0x21 * 8 - 2]);
    expect([peek32(cpu, 0x6000 - 28) & 0x20000, peek32(cpu, 0x6000 - 36)]).toEqual([0x20000, Number(labels.get('virtual')) + 4]);
  });

  test('debugging: single step, breakpoints, INT1, and the shadow of MOV SS', () => {
    const text = `${PROTECT}
  mov eax, 8
  mov cr4, eax
  mov eax, stop
  mov dr0, eax
  mov eax, 0x3000
  mov dr1, eax
  mov eax, 0x80
  mov dr2, eax
  mov eax, 0x02d0042a
  mov dr7, eax
stop:
  nop
  mov [0x3002], al
  mov al, [0x3002]
  out 0x80, al
  db 0xf1
  pushfd
  or dword [esp], 0x100
  popfd
  nop
  mov ax, ss
  mov ss, ax
  nop
  pushfd
  and dword [esp], 0xfffffeff
  popfd
  hlt
on_debug:
  push eax
  mov eax, [count]
  lea eax, [eax*8 + 0x3100]
  push ebx
  mov ebx, dr6
  mov [eax], ebx
  mov ebx, [esp + 8]
  mov [eax + 4], ebx
  mov ebx, 0xffff0ff0
  mov dr6, ebx
  inc dword [count]
  or dword [esp + 16], 0x10000
  pop ebx
  pop eax
  iretd
align 4
count: dd 0
idtr: dw 0x7ff
  dd ${IDT}
`;
    const { cpu, labels } = boot(create, text, { 1: ['on_debug', 0x8e] }, false);
    const exit = cpu.run(1000);
    const count = peek32(cpu, Number(labels.get('count')));
    const stop = Number(labels.get('stop'));
    const seen = Array.from({ length: count }, (_, i) => [
      (peek32(cpu, 0x3100 + 8 * i) & 0xf00f).toString(16),
      peek32(cpu, 0x3104 + 8 * i) - stop,
    ]);
    expect(exit.reason).toBe('halt');
    expect(seen).toEqual([
      ['1', 0], // instruction breakpoint: before the NOP
      ['2', 6], // data breakpoint: after the store
      ['4', 13], // I/O breakpoint: after OUT
      ['0', 14], // INT1
      ['4000', 24], // the instruction after POPF
      ['4000', 27], // MOV AX, SS
      ['4000', 30], // MOV SS holds the trap back until after the NOP
      ['4000', 31], // PUSHF
      ['4000', 38], // AND
      ['4000', 39], // POPF that clears TF
    ]);
  });
});

/** The oracle knows instructions, not requests. */
describe.each(tiers.filter((tier) => tier.name === 'interpreter'))('on $name', ({ create }) => {
  test('interrupts: STI holds them for one instruction, HLT wakes, NMI nests once', () => {
    const text = `${PROTECT}
  sti
  nop
  nop
  hlt
  mov al, 69
  out 0xe9, al
  hlt
on_interrupt:
  push eax
  mov al, 73
  out 0xe9, al
  pop eax
  iretd
on_nmi:
  push eax
  mov al, 78
  out 0xe9, al
  pop eax
  iretd
idtr: dw 0x7ff
  dd ${IDT}
`;
    const { cpu } = boot(create, text, { 48: ['on_interrupt', 0x8e], 2: ['on_nmi', 0x8e] }, false);
    cpu.host.interrupts.push(0x30);
    cpu.s.request = REQUEST.interrupt;
    expect(cpu.run(1000).reason).toBe('halt');
    expect([written(cpu), cpu.s.activity]).toEqual(['I', 1]);
    cpu.s.request |= REQUEST.nmi;
    expect(cpu.run(1000).reason).toBe('halt');
    expect([written(cpu), cpu.s.nmiBlocked]).toEqual(['INE', 0]);
    cpu.host.interrupts.push(0x30);
    cpu.s.request |= REQUEST.interrupt;
    expect(cpu.run(1).retired).toBe(1);
    expect([cpu.s.activity, cpu.s.gpr[4]]).toEqual([0, 0x7000n - 16n]);
  });
});
