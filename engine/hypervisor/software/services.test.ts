/** What a hypervisor does for its guests beyond a processor, each caused by a guest: paravirtual services, odd instructions, counters. */
import { describe, expect, test } from 'vitest';
import { FIELD, PROC2, VMCS } from '../../cpu/index.ts';
import { interpreterImage } from '../bare/testing/interpreter.ts';
import { bench, finish } from '../conformance/bench.ts';
import { COUNTER, type CounterName, PROBE } from '../index.ts';
import { createObservation } from '../observe/index.ts';
import { createSoftwareMachine, softwareCapabilities } from './index.ts';
import type { SoftwareVcpu } from './vcpu.ts';

const interpreter = interpreterImage();
const MSR = { clock: 0x4b56_4d01, steal: 0x4b56_4d03, eoi: 0x4b56_4d04 } as const;
const START_MICROSECONDS = 1_000_000_123_456;

function stage() {
  let observation!: ReturnType<typeof createObservation>;
  const b = bench({
    capabilities: softwareCapabilities,
    create: (memory) => {
      observation = createObservation(memory);
      const calendar = { microseconds: () => START_MICROSECONDS };
      return createSoftwareMachine({ memory, model: 'x86-64-v2', interpreter, observation, calendar });
    },
  });
  const { dma } = b.machine.memory;
  return {
    ...b,
    dma,
    observation,
    count: (name: CounterName, vcpu = 0) => observation.counters.of(vcpu, COUNTER[name]),
    u64: (at: number) => BigInt(dma.read32(at)) | (BigInt(dma.read32(at + 4)) << 32n),
  };
}

const wrmsr = (index: number, value: number) => `mov ecx, ${index}\n mov eax, ${value}\n xor edx, edx\n wrmsr\n`;

describe('PV clock', () => {
  test('computes machine time from the counter, without an exit, also after the counter was moved', () => {
    const { flat, vcpu, regs, u64, dma, advance, count } = stage();
    const read = () => {
      const [offset, multiplier, shift] = [u64(0x9008), u64(0x9018) & 0xffffffffn, (dma.read32(0x901c) << 24) >> 24];
      const ticks = (regs().rax & 0xffffffffn) | ((regs().rdx & 0xffffffffn) << 32n);
      const delta = BigInt.asUintN(64, ticks - offset);
      return (
        (shift < 0 ? ((delta >> BigInt(-shift)) * multiplier) >> 32n : ((delta << BigInt(shift)) * multiplier) >> 32n) +
        u64(0x9010)
      );
    };
    flat(`${wrmsr(MSR.clock, 0x9001)} hlt\n top:\n rdtsc\n mov ecx, [0x9000]\n dec ebx\n jnz top\n hlt`);
    vcpu.set('regs', { ...regs(), rbx: 1000n });
    expect(vcpu.run(100).reason).toBe('halt');
    expect(dma.read32(0x9000) % 2).toBe(0);
    advance(5_000_000);
    const before = count('exits');
    vcpu.set('mp_state', { mp_state: 0 });
    expect(vcpu.run(10_000).reason).toBe('halt');
    expect(count('exits') - before).toBe(1); // HLT
    expect(Math.abs(Number(read()) - 5_000_000)).toBeLessThan(3);
    flat(`${wrmsr(0x10, 77)} rdtsc\n hlt`);
    advance(1_000_000);
    expect(vcpu.run(100).reason).toBe('halt');
    expect(Math.abs(Number(read()) - 6_000_000)).toBeLessThan(3);
  });

  test('tells when the machine was started', () => {
    const { flat, vcpu, dma } = stage();
    flat(`${wrmsr(0x4b56_4d00, 0x9100)} hlt`);
    expect(vcpu.run(100).reason).toBe('halt');
    expect([dma.read32(0x9104), dma.read32(0x9108)]).toEqual([1_000_000, 123_456_000]);
  });
});

test('PV EOI: an interrupt ended in memory costs no exit and makes way for the next', () => {
  const { real, vcpu, isr, apicOn, machine, count, dma } = stage();
  apicOn(0);
  isr(0x41, 'inc byte [0x700]\n btr word [0x9200], 0\n iret');
  isr(0x42, 'inc byte [0x701]\n btr word [0x9200], 0\n iret');
  real(`${wrmsr(MSR.eoi, 0x9201)} sti\n top:\n inc ebx\n jmp top`);
  vcpu.run(20);
  const { lapics } = machine.irqchip;
  const before = count('mmio-exits');
  for (const vector of [0x42, 0x41, 0x42]) {
    lapics.mmioWrite(0, 0xfee0_0310, 4, 0);
    lapics.mmioWrite(0, 0xfee0_0300, 4, 0x4000 + vector);
    vcpu.run(50);
  }
  expect([dma.read(0x700, 2)[0], dma.read(0x700, 2)[1]]).toEqual([1, 2]);
  expect(count('mmio-exits')).toBe(before);
  expect(lapics.of(0).inService).toBe(0x42); // until the next exit looks
  real('cpuid\n hlt');
  vcpu.run(10);
  expect(lapics.of(0).inService).toBe(-1);
});

test('PV unhalt: a kick ends the HLT of another vCPU that has its interrupts off', () => {
  const { real, flat, vcpu, vcpuAt, count } = stage();
  real('cli\n hlt\n mov ebx, 7\n hlt', 1);
  const other = vcpuAt(1);
  finish(other);
  expect(other.wait(0)).toBe(false);
  flat('mov eax, 5\n mov ecx, 1\n vmcall\n hlt');
  finish(vcpu);
  expect(other.wait(0)).toBe(true);
  finish(other);
  expect(other.get('regs').rbx).toBe(7n);
  expect([count('hypercalls'), count('halt-exits', 1), count('halt-wakeup', 1)]).toEqual([1, 2, 1]);
});

test('steal time: what passes while the vCPU could run is the guest’s to see, a wait in HLT is not', () => {
  const { flat, vcpu, u64, dma, advance } = stage();
  flat(`${wrmsr(MSR.steal, 0x9301)} mov ecx, 300\n top:\n dec ecx\n jnz top\n hlt`);
  expect(vcpu.run(100).reason).toBe('limit');
  expect(dma.read(0x9310, 1)[0]).toBe(1); // preempted: others need not wait for it
  advance(700_000);
  expect(vcpu.run(1000).reason).toBe('halt');
  expect([u64(0x9300), dma.read(0x9310, 1)[0], dma.read32(0x9308) % 2]).toEqual([700_000n, 0, 0]);
  advance(900_000);
  flat('hlt');
  vcpu.run(10);
  expect(u64(0x9300)).toBe(700_000n);
});

test('a long PAUSE loop of the kernel gives the thread away, a short one does not', () => {
  const { flat, vcpu, time, machine } = stage();
  const write = () => {
    time.ns += 5000;
  };
  machine.memory.bus.addPorts({ port: 0x300, count: 1, read: () => 0, write });
  const loop = (turns: number) => `mov edx, 0x300\n mov ecx, ${turns}\n top:\n pause\n out dx, al\n dec ecx\n jnz top\n hlt`;
  flat(loop(10));
  expect(vcpu.run(1000).reason).toBe('halt');
  time.ns += 1_000_000;
  flat(loop(100));
  expect(vcpu.run(1000).reason).toBe('pause');
});

test('VMMCALL is served as VMCALL; another undefined opcode is the guest’s', () => {
  const { flat, vcpu, regs, count } = stage();
  flat('mov eax, 1\n db 0x0f, 0x01, 0xd9\n mov ebx, eax\n mov eax, 4711\n db 0x0f, 0x01, 0xd9\n hlt');
  expect(vcpu.run(100).reason).toBe('halt');
  expect([regs().rbx, BigInt.asIntN(32, regs().rax)]).toEqual([0n, -1000n]);
  expect([count('hypercalls'), count('unknown-hypercalls')]).toEqual([2, 1]);
  const other = stage();
  other.isr(6, 'inc byte [0x700]\n hlt');
  other.real('ud2');
  expect(other.vcpu.run(100).reason).toBe('halt');
  expect(other.dma.read(0x700, 1)[0]).toBe(1);
});

test('an x87 error reaches FERR# where CR0.NE is clear, although VMX operation keeps it set', () => {
  for (const [ne, errors, faults] of [
    [0n, 1, 0],
    [0x20n, 0, 1],
  ] as const) {
    const { real, vcpu, machine, isr, dma } = stage();
    let ferr = 0;
    machine.irqchip.ferr = () => {
      ferr++;
    };
    isr(16, 'inc byte [0x700]\n fnclex\n iret');
    real('fninit\n mov word [0x500], 0x37b\n fldcw word [0x500]\n fldz\n fld1\n fdiv st0, st1\n fwait\n hlt');
    vcpu.set('sregs', { ...vcpu.get('sregs'), cr0: 0x10n | ne });
    expect(vcpu.run(1000).reason).toBe('halt');
    expect([ferr, dma.read(0x700, 1)[0]]).toEqual([errors, faults]);
  }
});

test('MWAIT waits for a store to its line', () => {
  const { flat, vcpu, regs, dma } = stage();
  flat('mov eax, 0x9400\n xor ecx, ecx\n xor edx, edx\n monitor\n xor eax, eax\n mwait\n mov ebx, 5\n hlt');
  expect(vcpu.run(100).reason).toBe('mwait');
  expect(vcpu.run(100)).toEqual({ reason: 'mwait', retired: 0 });
  dma.write32(0x9404, 1);
  expect(vcpu.run(100).reason).toBe('halt');
  expect(regs().rbx).toBe(5n);
});

test('a task switch exits and is emulated', () => {
  const { flat, vcpu, regs, dma, count } = stage();
  const descriptor = (at: number, base: number, limit: number, type: number, flags = 0) => {
    dma.write32(at, (limit & 0xffff) | ((base & 0xffff) << 16));
    dma.write32(at + 4, ((base >>> 16) & 0xff) | (type << 8) | (flags << 20) | (limit & 0xf0000) | (base & 0xff000000));
  };
  const [gdt, from, to] = [0xa000, 0xb000, 0xb100];
  descriptor(gdt + 8, 0, 0xfffff, 0x9b, 0xc);
  descriptor(gdt + 16, 0, 0xfffff, 0x93, 0xc);
  descriptor(gdt + 24, from, 0x67, 0x8b);
  descriptor(gdt + 32, to, 0x67, 0x89);
  flat('mov eax, 1\n jmp 0x20:0\n');
  const at = { eip: 32, flags: 36, ebx: 52, esp: 56, es: 72 };
  dma.write32(to + at.eip, 0xc000);
  dma.write32(to + at.flags, 2);
  dma.write32(to + at.ebx, 0x1234);
  dma.write32(to + at.esp, 0x7000);
  for (const [i, selector] of [16, 8, 16, 16, 16, 16].entries()) dma.write32(to + at.es + 4 * i, selector);
  dma.write(0xc000, Uint8Array.of(0xf4));
  const sregs = vcpu.get('sregs');
  const tr = { ...sregs.tr, base: BigInt(from), limit: 0x67, selector: 24, type: 11, present: 1, unusable: 0 };
  vcpu.set('sregs', { ...sregs, gdt: { base: BigInt(gdt), limit: 47 }, tr });
  expect(vcpu.run(100).reason).toBe('halt');
  expect([regs().rbx, regs().rsp, regs().rip, vcpu.get('sregs').tr.selector]).toEqual([0x1234n, 0x7000n, 0xc001n, 32]);
  expect(dma.read32(from + 32)).toBe(Number(0x1000 + 5 + 7)); // EIP of the old task, after the jump
  expect(count('insn-emulation')).toBe(1);
});

test('counters tell what happened, and nothing else', () => {
  const { flat, vcpu, count, machine } = stage();
  machine.memory.bus.addMmio({ gpa: 0xd000_0000, size: 4096, read: () => 0, write: () => undefined });
  flat('cpuid\n in al, 0x80\n mov eax, [0xd0000000]\n mov eax, [0xd0000004]\n mov ecx, 0x12345\n hlt');
  expect(vcpu.run(100).reason).toBe('halt');
  const names = [
    'exits',
    'io-exits',
    'mmio-exits',
    'insn-emulation',
    'insn-emulation-fail',
    'pf-guest',
    'halt-exits',
    'hypercalls',
    'unknown-ports',
  ] as const;
  const seen = Object.fromEntries(names.map((name) => [name, count(name)]));
  // The program's page, the first access to the device, and the second.
  expect(seen).toEqual({
    exits: 3 + 1 + 2,
    'io-exits': 1,
    'mmio-exits': 2,
    'insn-emulation': 2,
    'insn-emulation-fail': 0,
    'pf-guest': 0,
    'halt-exits': 1,
    hypercalls: 0,
    'unknown-ports': 1,
  });
  machine.memory.bus.addMmio({ gpa: 0xd010_0000, size: 4096, read: () => 0x0b0f0b0f, write: () => undefined });
  vcpu.set('regs', { ...vcpu.get('regs'), rip: 0xd010_0000n });
  vcpu.set('mp_state', { mp_state: 0 });
  vcpu.run(1);
  expect(count('insn-emulation-fail')).toBe(1);
});

test('VMREAD and VMWRITE are probes that carry the field’s encoding, and cost the guest nothing else', () => {
  const { real, vcpu, observation, isr, apicOn, machine } = stage();
  const { probes, listeners } = observation;
  listeners.set(0, { mask: -1, times: false });
  probes.enable(0, PROBE.vmread.bit | PROBE.vmwrite.bit);
  const reader = probes.reader(0);
  apicOn(0);
  isr(0x41, 'hlt');
  machine.irqchip.lapics.mmioWrite(0, 0xfee0_0310, 4, 0);
  machine.irqchip.lapics.mmioWrite(0, 0xfee0_0300, 4, 0x4041);
  real('xor eax, eax\n cpuid\n sti\n nop\n hlt');
  expect(vcpu.run(100).reason).toBe('halt');
  const { events } = reader.read(10_000);
  const seen = events.map(({ probe, args }) => [probe.name, args[0], args[1]]);
  expect(seen).toContainEqual(['vmread', BigInt(VMCS.exitReason.encoding), 10n]);
  expect(seen).toContainEqual(['vmread', BigInt(VMCS.exitInstructionLength.encoding), 2n]);
  expect(seen).toContainEqual(['vmwrite', BigInt(VMCS.entryInterruptionInfo.encoding), 0x8000_0041n]);
  expect(events.every(({ probe }) => probe.name === 'vmread' || probe.name === 'vmwrite')).toBe(true);
});

/** Times the guest was entered from now on. */
function countedRuns({ core }: SoftwareVcpu): () => number {
  let runs = 0;
  const run = core.run.bind(core);
  core.run = (limit) => {
    runs++;
    return run(limit);
  };
  return () => runs;
}

test('CPUID is answered inside the guest while nobody looks on, and its exit is recorded and counted all the same', () => {
  const { flat, vcpu, regs, count, observation } = stage();
  const { monitor } = vcpu as SoftwareVcpu;
  const runs = countedRuns(vcpu as SoftwareVcpu);
  const round = () => {
    const before = [count('exits'), runs()] as const;
    vcpu.set('mp_state', { mp_state: 0 });
    flat('mov eax, 1\n cpuid\n mov esi, ecx\n mov eax, 0x40000000\n cpuid\n mov edi, ebx\n in al, 0x80\n hlt');
    finish(vcpu);
    const { rsi, rdi, rip } = regs();
    return { answer: [rsi, rdi, rip], exits: count('exits') - before[0], runs: runs() - before[1] };
  };
  round();
  const quick = round();
  expect(quick.answer[0]).toBe((quick.answer[0] as bigint) | 0x8000_0000n);
  expect(quick.answer[1]).toBe(0x4b4d564bn);
  flat('mov eax, 0\n cpuid\n jmp $');
  vcpu.run(20);
  expect([monitor.get32(FIELD.exitReason), monitor.get32(FIELD.exitInstructionLength)]).toEqual([10, 2]);
  observation.probes.enable(0, PROBE.exit.bit);
  const seen = round();
  expect({ ...seen, runs: 0 }).toEqual({ ...quick, runs: 0 });
  expect(seen.runs).toBeGreaterThanOrEqual(quick.runs + 2);
});

test('a port is served without leaving the guest while nobody looks on, and its exit is recorded and counted all the same', () => {
  const { flat, vcpu, regs, machine, count, observation } = stage();
  const { monitor } = vcpu as SoftwareVcpu;
  const seen: number[] = [];
  const info = () =>
    [FIELD.exitReason, FIELD.exitQualification, FIELD.exitInstructionLength].map((field) => monitor.get32(field));
  let during: number[] = [];
  machine.memory.bus.addPorts({
    port: 0x300,
    count: 4,
    read: () => 0x1234,
    write: (_at, _size, value) => {
      during = info();
      seen.push(value);
    },
  });
  const program = 'mov dx, 0x300\n mov al, 7\n out dx, al\n in ax, dx\n mov dx, 0x302\n out dx, ax\n hlt';
  const runs = countedRuns(vcpu as SoftwareVcpu);
  const round = () => {
    seen.length = 0;
    const before = [count('io-exits'), count('exits'), runs()];
    vcpu.set('mp_state', { mp_state: 0 });
    flat(program);
    finish(vcpu);
    expect([seen, regs().rax & 0xffffn]).toEqual([[7, 0x1234], 0x1234n]);
    const [ports = 0, exits = 0, ran = 0] = before;
    return [count('io-exits') - ports, count('exits') - exits, runs() - ran];
  };
  round();
  const [ports, exits, quick] = round();
  expect([ports, exits, during]).toEqual([3, 4, [30, 0x302_0001, 2]]);
  observation.probes.enable(0, PROBE.exit.bit);
  expect(round()).toEqual([3, 4, (quick as number) + 3]);
});

test('a rate of the counter and a page-modification log written at an exit act from the next entry on', () => {
  const { flat, vcpu, regs, machine, dma, time, observation } = stage();
  const { memory } = machine;
  const { monitor, core } = vcpu as SoftwareVcpu;
  const first = memory.arena.take('logs', 8192, 4096);
  const second = first + 4096;
  machine.setSlot({ slot: 0, gpa: 0, size: 4 * 2 ** 20, hva: memory.map.ramBase, log: true });
  const steps = [
    () => {
      monitor.set32(FIELD.proc2Controls, monitor.get32(FIELD.proc2Controls) | PROC2.tscScaling | PROC2.pml);
      monitor.set64(FIELD.tscMultiplier, 2n << 48n);
      monitor.set32(FIELD.pmlAddress, first);
      core.s.pmlIndex = 511;
    },
    () => {
      monitor.set64(FIELD.tscMultiplier, 3n << 48n);
      monitor.set32(FIELD.pmlAddress, second);
    },
  ];
  memory.bus.addPorts({ port: 0x300, count: 1, read: () => 0, write: () => steps.shift()?.() });
  // Unless somebody looks on, the guest is not left for a port.
  observation.probes.enable(0, PROBE.exit.bit);
  const step = 'mov dx, 0x300\n out dx, al\n rdtsc\n';
  flat(`rdtsc\n mov ebx, eax\n ${step} mov esi, eax\n inc byte [0x100000]\n ${step} mov edi, eax\n inc byte [0x200000]\n hlt`);
  time.ns = 10_000_000;
  finish(vcpu);
  expect([regs().rsi, regs().rdi]).toEqual([regs().rbx * 2n, regs().rbx * 3n]);
  const logged = (page: number) => Array.from({ length: 512 }, (_, i) => memory.u32[(page >>> 2) + 2 * i]).filter(Boolean);
  expect([logged(first), logged(second)]).toEqual([[0x100000], [0x200000]]);
  expect(dma.read(0x200000, 1)[0]).toBe(1);
});

test('tables that run out are taken back and made again', () => {
  const { flat, vcpu, machine, count, observation, regs } = stage();
  const { bus } = machine.memory;
  bus.addMmio({ gpa: 0x1_0000_0000 - 0x4000_0000, size: 0x3000_0000, read: () => 1, write: () => undefined });
  // A table per 2 MiB of device space: more than the pool of this machine holds.
  flat('mov ebx, 0xc0000000\n xor edx, edx\n top:\n add edx, [ebx]\n add ebx, 0x200000\n cmp ebx, 0xf0000000\n jb top\n hlt');
  finish(vcpu, 100_000);
  expect(regs().rdx).toBe(384n);
  expect(observation.counters.total(COUNTER['mmu-recycled'])).toBeGreaterThan(60);
  expect(count('mmio-exits')).toBe(384);
});
