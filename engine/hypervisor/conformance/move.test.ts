/** A machine saved on one back end goes on on the other: every pair, both ways, between any two instructions. */
import { describe, expect, test } from 'vitest';
import { bareCapabilities, createBareMachine } from '../bare/index.ts';
import { interpreterImage } from '../bare/testing/interpreter.ts';
import { createSoftwareMachine, softwareCapabilities } from '../software/index.ts';
import { type Backend, bench } from './bench.ts';

const interpreter = interpreterImage();
const bare: Backend = {
  capabilities: bareCapabilities,
  create: (memory) => createBareMachine({ memory, model: 'x86-64-v2', interpreter }),
};
const software: Backend = {
  capabilities: softwareCapabilities,
  create: (memory) => createSoftwareMachine({ memory, model: 'x86-64-v2', interpreter }),
};

type Bench = ReturnType<typeof bench>;
const MEMORY = 0x2_0000;

/** Work on registers, memory, ports, control registers, MSRs and flags, in the modes a boot goes through. */
const PROGRAM = `
    mov esp, 0x8000
    mov ebp, 40
  top:
    mov eax, cr0
    xor eax, 0x10008
    mov cr0, eax
    mov eax, cr4
    xor eax, 0x200
    mov cr4, eax
    mov ecx, 0x3b
    mov eax, ebp
    xor edx, edx
    wrmsr
    rdmsr
    add ebx, eax
    mov ecx, 0xc0000082
    mov eax, ebx
    xor edx, edx
    wrmsr
    mov dx, 0x300
    mov eax, ebp
    out dx, eax
    in eax, dx
    mov [0x600 + ebp * 4], eax
    mov [0xe0000010], eax
    add ebx, [0xe0000020]
    xor eax, eax
    cpuid
    add esi, eax
    pushfd
    popfd
    dec ebp
    jnz top
    hlt`;

/** A bench with a device whose reads depend on what was written, and the program loaded. */
function loaded(backend: Backend): Bench {
  const b = bench(backend);
  let last = 0;
  const device = {
    read: () => (last * 7 + 3) >>> 0,
    write: (_at: number, _size: number, value: number) => {
      last = value;
    },
  };
  b.machine.memory.bus.addPorts({ port: 0x300, count: 4, ...device });
  b.machine.memory.bus.addMmio({ gpa: 0xe000_0000, size: 4096, ...device });
  b.flat(PROGRAM);
  return b;
}

/** Everything a guest could see, but time. */
const seen = (b: Bench) => ({
  regs: b.regs(),
  sregs: b.vcpu.get('sregs'),
  events: b.vcpu.get('vcpu_events'),
  debug: b.vcpu.get('debugregs'),
  msrs: b.vcpu.get('msrs').filter(([index]) => index !== 0x10),
  written: b.machine.memory.dma.read(0x600, 0x100).join(),
  stack: b.machine.memory.dma.read(0x7ff0, 16).join(),
  retired: b.vcpu.retired,
});

function runTo(b: Bench, position: number): void {
  while (b.vcpu.retired < BigInt(position)) {
    const { reason } = b.vcpu.run(position - Number(b.vcpu.retired));
    if (reason === 'halt' || reason === 'shutdown' || reason === 'entry-failed') return;
  }
}

function move(from: Bench, to: Bench): void {
  to.machine.restore(from.machine.save());
  to.machine.memory.dma.write(0, from.machine.memory.dma.read(0, MEMORY));
  to.machine.memory.bus.portWrite(0, 0x300, 4, 0);
}

describe.each([
  ['bare', 'software', bare, software],
  ['software', 'bare', software, bare],
  ['software', 'software', software, software],
])('from %s to %s', (_one, _other, one, other) => {
  test('a saved machine is the same machine, and goes on as it would have', () => {
    const whole = loaded(bare);
    runTo(whole, 100_000);
    const end = seen(whole);
    expect(end.regs.rbp).toBe(0n);
    // The device's own state does not move: stop only where its next access is a write.
    for (const position of [1, 7, 15, 46, 444]) {
      const [first, second] = [loaded(one), loaded(other)];
      runTo(first, position);
      move(first, second);
      expect(seen(second)).toEqual(seen(first));
      runTo(second, 100_000);
      expect(seen(second)).toEqual(end);
    }
  });

  test('at the same position both are in the same state', () => {
    const [first, second] = [loaded(one), loaded(other)];
    for (let position = 1; position < 60; position++) {
      runTo(first, position);
      runTo(second, position);
      expect(seen(second)).toEqual(seen(first));
    }
  });

  test('the time-stamp counter goes on where it was', () => {
    const [first, second] = [bench(one), bench(other)];
    const write = 'mov ecx, 0x10\n mov eax, 0x12345678\n mov edx, 0x9abc\n wrmsr\n hlt';
    first.flat(write);
    first.vcpu.run(100);
    first.advance(1000);
    second.advance(1000);
    second.machine.restore(first.machine.save());
    second.flat('rdtsc\n hlt');
    second.vcpu.run(100);
    expect((second.regs().rdx << 32n) | second.regs().rax).toBe(0x9abc_1234_5678n + 1000n);
  });

  test('an interrupt that waits is taken, and one in service is ended', () => {
    const [first, second] = [bench(one), bench(other)];
    const handler = 'inc bx\n push eax\n mov eax, 0xb0\n mov dword [eax + 0xfee00000], 0\n pop eax\n iret';
    for (const b of [first, second]) {
      b.isr(0x40, handler);
      b.isr(0x51, handler);
    }
    first.apicOn(0);
    first.real('cli\n inc cx\n sti\n top: hlt\n jmp top');
    first.vcpu.run(2);
    first.machine.irqchip.sendMsi(0xfee0_0000n, 0x40);
    second.machine.restore(first.machine.save());
    second.machine.memory.dma.write(0, first.machine.memory.dma.read(0, MEMORY));
    expect(second.vcpu.run(2000).reason).toBe('halt');
    second.machine.irqchip.sendMsi(0xfee0_0000n, 0x51);
    expect(second.vcpu.wait(0)).toBe(true);
    second.vcpu.run(2000);
    expect([second.regs().rbx, second.regs().rcx]).toEqual([2n, 1n]);
  });
});
