import { describe, expect, it } from 'vitest';
import { assemble } from '../../isa/assemble.ts';
import { AT, everyTier, SEL, Stage } from '../testing/stage.ts';

const PRIVILEGED = [
  'hlt',
  'clts',
  'invd',
  'wbinvd',
  'rdmsr',
  'wrmsr',
  'lgdt [rbx]',
  'lidt [rbx]',
  'lldt ax',
  'ltr ax',
  'lmsw ax',
  'invlpg [rbx]',
  'mov rax, cr0',
  'mov cr3, rax',
  'mov rax, cr8',
  'mov rax, dr7',
  'mov dr0, rax',
  'swapgs',
  'in al, 0x60',
  'out dx, eax',
  'insb',
  'outsd',
  'cli',
  'sysretq',
  'sysexit',
  'xsetbv',
];

const asm32length = (text: string): number => assemble(text, { code: 32 }).bytes.length;

describe.each(everyTier)('privilege on the %s', (_name, tier) => {
  it('#GP(0) at CPL 3', () => {
    const stage = new Stage(tier, 'long', 3);
    stage.s.cr4 = 0x50620n;
    const faults = PRIVILEGED.map((text) => {
      const { fault, error, rip } = stage.run(text, { rbx: AT.data, rdx: 0x60, rdi: AT.data, rsi: AT.data });
      return `${text}: ${fault} ${error} ${rip - BigInt(AT.code)}`;
    });
    expect(faults).toEqual(PRIVILEGED.map((text) => `${text}: 13 0 0`));
  });

  it('monitor, mwait, clac and stac are #UD at CPL 3', () => {
    const stage = new Stage(tier, 'long', 3);
    for (const text of ['monitor', 'mwait', 'clac', 'stac'])
      expect(stage.run(text, { rax: AT.data }), text).toMatchObject({ fault: 6 });
  });

  it('ports obey IOPL', () => {
    const stage = new Stage(tier, 'long', 3);
    stage.cpu.host.answer = () => 0x1234567a;
    expect(stage.run('in al, 0x60', { rax: -1 }, { flags: 0x3000 })).toMatchObject({
      fault: undefined,
      rax: 0xffffffffffffff7an,
    });
    expect(stage.run('in eax, dx', { rax: -1, rdx: 0xf0 }, { flags: 0x3000 }).rax).toBe(0x1234567an);
    stage.run('out 0x80, al', { rax: 0x55 }, { flags: 0x3000 });
    expect(stage.cpu.host.accesses.at(-1)).toEqual({ kind: 'out', address: 0x80, size: 1, value: 0x55 });
  });
});

describe.each(everyTier)('segments and tables on the %s', (_name, tier) => {
  it('mov to and from segment registers', () => {
    const stage = new Stage(tier, 'long');
    expect(stage.run('mov rax, ss', { rax: -1 }).rax).toBe(BigInt(SEL.data0));
    expect(stage.run('mov ax, ss', { rax: -1 }).rax).toBe(0xffffffffffff0000n | BigInt(SEL.data0));
    stage.write(AT.data, -1n);
    stage.run('mov [rbx], cs', { rbx: AT.data });
    expect(stage.read(AT.data, 64)).toBe(0xffffffffffff0000n | BigInt(SEL.code0)); // memory is 16 bits whatever the size
    expect(stage.run('mov ds, ax', { rax: 0x1230 })).toMatchObject({ fault: 13, error: 0x1230 });
    expect(stage.run('mov fs, ax', { rax: 0 })).toMatchObject({ fault: undefined });
  });

  it('mov ss and pop ss hold interrupts back for one instruction, mov ds and lss do not', () => {
    const stage = new Stage(tier, 'code32');
    const interruptedAt = (text: string) => {
      stage.cpu.host.interrupts.push(0x40);
      stage.s.request = 1;
      stage.write(AT.data, BigInt(AT.stack - 64) | (BigInt(SEL.data0) << 32n));
      stage.write(AT.stack - 56, BigInt(SEL.data0));
      const after = stage.run(`sti\n${text}\nnop\nnop`, { rax: SEL.data0, rbx: AT.data, rsp: AT.stack - 56 }, { steps: 4 });
      expect(after.fault).toBe(0x40);
      return Number(after.rip) - AT.code;
    };
    for (const text of ['mov ss, ax', 'pop ss']) expect(interruptedAt(text), text).toBe(1 + asm32length(text) + 1);
    for (const text of ['mov ds, ax', 'lss esp, [ebx]']) expect(interruptedAt(text), text).toBe(1 + asm32length(text));
  });

  it('far pointers load selector and offset, or nothing', () => {
    const stage = new Stage(tier, 'code32');
    stage.write(AT.data, (BigInt(SEL.data0) << 32n) | 0x12345678n);
    expect(stage.run('les ecx, [ebx]', { rbx: AT.data }).rcx).toBe(0x12345678n);
    expect(stage.s.esSelector).toBe(SEL.data0);
    stage.write(AT.data, (0x4440n << 32n) | 1n);
    expect(stage.run('lfs ecx, [ebx]', { rbx: AT.data, rcx: 7 })).toMatchObject({ fault: 13, error: 0x4440, rcx: 7n });
    expect(new Stage(tier, 'real').run('lds dx, [0]', {}).fault).toBeUndefined();
  });

  it('fs and gs bases', () => {
    const stage = new Stage(tier, 'long', 3);
    expect(stage.run('wrfsbase rax', { rax: 0x7fff12345678n }).fault).toBeUndefined();
    expect(stage.run('rdfsbase rax').rax).toBe(0x7fff12345678n);
    expect(stage.run('rdfsbase eax', { rax: -1 }).rax).toBe(0x12345678n);
    expect(stage.run('wrgsbase rax', { rax: 0x8000_0000_0000n })).toMatchObject({ fault: 13, error: 0 });
    expect(stage.run('mov rax, [fs:rbx+8]', { rbx: BigInt(AT.data) - 0x7fff12345678n }).fault).toBeUndefined();
    stage.s.cr4 &= ~0x10000n;
    expect(stage.run('rdfsbase rax')).toMatchObject({ fault: 6 });
    const kernel = new Stage(tier, 'long');
    kernel.s.gsBase = 0x1000n;
    kernel.s.kernelGsBase = 0xffff888000000000n;
    expect(kernel.run('swapgs').fault).toBeUndefined();
    expect([kernel.s.gsBase, kernel.s.kernelGsBase]).toEqual([0xffff888000000000n, 0x1000n]);
  });

  it('what follows swapgs has the other base', () => {
    const stage = new Stage(tier, 'long');
    stage.s.gsBase = BigInt(AT.data);
    stage.s.kernelGsBase = BigInt(AT.data + 8);
    stage.write(AT.data, 1n, 2n);
    const text = 'mov rax, [gs:0]\nswapgs\nmov rbx, [gs:0]\nswapgs\nadd rax, [gs:0]';
    expect(stage.run(text, {}, { steps: 5, together: true })).toMatchObject({ fault: undefined, rax: 2n, rbx: 2n });
    // In a loop, whose region must not take the base to stay.
    const turns = 'l: mov rcx, [gs:0]\nadd rax, rcx\nxchg rbx, rdx\nwrgsbase rbx\nmov rsi, [gs:0]\nsub rax, rsi\ndec ebp\njnz l';
    const bases = { rax: 0, rbx: AT.data, rdx: AT.data + 8, rbp: 7 };
    expect(stage.run(turns, bases, { steps: 56, together: true })).toMatchObject({
      fault: undefined,
      rax: BigInt.asUintN(64, -1n),
    });
    const program = new Stage(tier, 'long', 3);
    expect(program.run('mov rax, [gs:rbx]\nswapgs', { rbx: AT.data }, { steps: 2, together: true })).toMatchObject({
      fault: 13,
      error: 0,
    });
  });

  it('sgdt stores ten bytes or six, lgdt takes 24 bits of base with 16-bit operands', () => {
    const long = new Stage(tier, 'long');
    long.write(AT.data, -1n, -1n);
    long.run('sgdt [rbx]', { rbx: AT.data });
    expect([long.read(AT.data, 64), long.read(AT.data + 8, 64)]).toEqual([0x00000000600000ffn, 0xffffffffffff0000n]);
    const stage = new Stage(tier, 'code32');
    stage.write(AT.data, -1n);
    stage.run('sgdt [ebx]', { rbx: AT.data });
    expect(stage.read(AT.data, 64)).toBe(0xffff0000600000ffn);
    stage.write(AT.data, 0xaa0060000077n);
    stage.run('lidt [ebx]', { rbx: AT.data });
    expect([stage.s.idtrBase, stage.s.idtrLimit]).toEqual([0xaa006000n, 0x77]);
    stage.run('o16 lidt [ebx]', { rbx: AT.data });
    expect(stage.s.idtrBase).toBe(0x006000n);
  });

  it('lar, lsl, verr and verw say whether through Z', () => {
    const stage = new Stage(tier, 'code32', 3);
    const Z = 0x40;
    const ok = stage.run('lar eax, cx', { rcx: SEL.data3, rax: 5 });
    expect([ok.rax, ok.flags & Z]).toEqual([0xcff300n, Z]);
    const no = stage.run('lar eax, cx', { rcx: SEL.data0, rax: 5 }, { flags: Z });
    expect([no.rax, no.flags & Z]).toEqual([5n, 0]);
    expect(stage.run('lsl eax, cx', { rcx: SEL.data3 }).rax).toBe(0xffffffffn);
    expect(stage.run('verw cx', { rcx: SEL.data3 }).flags & Z).toBe(Z);
    expect(stage.run('verw cx', { rcx: SEL.code3_32 }, { flags: Z }).flags & Z).toBe(0);
    for (const mode of ['real', 'vm86'] as const) expect(new Stage(tier, mode).run('verr cx')).toMatchObject({ fault: 6 });
  });

  it('arpl raises the privilege of a selector', () => {
    const stage = new Stage(tier, 'code32', 3);
    expect(stage.run('arpl ax, bx', { rax: 0x1230, rbx: 3 })).toMatchObject({ rax: 0x1233n, flags: 0x42 });
    expect(stage.run('arpl ax, bx', { rax: 0x1233, rbx: 1 })).toMatchObject({ rax: 0x1233n, flags: 2 });
  });

  it('smsw and lmsw', () => {
    const stage = new Stage(tier, 'long');
    expect(stage.run('smsw rax', { rax: -1 }).rax).toBe(0x80050033n);
    expect(stage.run('smsw ax', { rax: -1 }).rax).toBe(0xffffffffffff0033n);
    expect(stage.run('lmsw ax', { rax: 0x3a }).fault).toBeUndefined();
    expect(stage.s.cr0).toBe(0x8005003bn); // PE cannot be cleared
  });

  it('bound', () => {
    const stage = new Stage(tier, 'code32', 3);
    stage.write(AT.data, 0x5fffffffen); // -2 to 5
    for (const [index, fault] of [
      [-3, 5],
      [-2, undefined],
      [0, undefined],
      [5, undefined],
      [6, 5],
    ] as const)
      expect(stage.run('bound eax, [ebx]', { rax: index, rbx: AT.data }).fault, String(index)).toBe(fault);
  });
});

describe.each(everyTier)('other system instructions on the %s', (_name, tier) => {
  it('rdtsc, rdtscp, cpuid and rdmsr clear the upper halves', () => {
    const stage = new Stage(tier, 'long');
    stage.s.tscAux = 0x1234n;
    for (const text of ['rdtsc', 'rdtscp', 'cpuid', 'rdmsr']) {
      const after = stage.run(text, { rax: -1n << 32n, rcx: text === 'rdmsr' ? 0xc0000103 : 0, rdx: -1 });
      expect([after.fault, after.rax >> 32n, after.rdx >> 32n], text).toEqual([undefined, 0n, 0n]);
      if (text === 'rdtscp') expect(after.rcx).toBe(0x1234n);
      if (text === 'rdmsr') expect(after.rax).toBe(0x1234n);
    }
  });

  it('stac and clac set AC at CPL 0', () => {
    const stage = new Stage(tier, 'long');
    expect(stage.run('stac').flags & 0x40000).toBe(0x40000);
    expect(stage.run('clac', {}, { flags: 0x40000 }).flags & 0x40000).toBe(0);
  });

  it('invpcid and monitor check their operands', () => {
    const stage = new Stage(tier, 'long');
    expect(stage.run('monitor', { rax: AT.data, rcx: 1 })).toMatchObject({ fault: 13 });
    expect(stage.run('monitor', { rax: AT.data }).fault).toBeUndefined();
    expect(stage.run('monitor', { rax: 0x40000000 })).toMatchObject({ fault: 14 });
  });

  it('hints touch nothing', () => {
    const stage = new Stage(tier, 'long', 3);
    for (const text of ['prefetcht0 byte [rax]', 'nop dword [rax]', 'prefetchw byte [rax]', 'endbr64', 'pause'])
      expect(stage.run(text, { rax: 0x8000_0000_0000n }).fault, text).toBeUndefined();
    expect(stage.run('clflush byte [rax]', { rax: 0x4000_0000 })).toMatchObject({ fault: 14, error: 4 });
  });

  it('undefined opcodes are #UD, long ones #GP', () => {
    const stage = new Stage(tier, 'long', 3);
    for (const text of ['ud2', 'ud1 eax, eax', 'db 0x0f, 0x04', 'db 0x06', 'db 0xf0, 0x90', 'db 0x0f, 0x01, 0xc1'])
      expect(stage.run(text), text).toMatchObject({ fault: 6, rip: BigInt(AT.code) });
    expect(stage.run(`db ${Array(15).fill('0x66').join()}, 0x90`)).toMatchObject({ fault: 13, error: 0 });
  });
});
