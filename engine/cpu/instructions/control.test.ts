import { describe, expect, it } from 'vitest';
import { AT, everyTier, SEL, Stage } from '../testing/stage.ts';

describe.each(everyTier)('near transfers on the %s', (_name, tier) => {
  const code = BigInt(AT.code);

  it('jumps outside the segment or the canonical range fault at the jump', () => {
    const stage = new Stage(tier, 'code16');
    expect(stage.run('jmp ax', { rax: 0x1234 })).toMatchObject({ rip: 0x1234n, fault: undefined });
    expect(stage.run('o32 jmp eax', { rax: 0x12345 })).toMatchObject({ fault: 13, error: 0, rip: 0n });
    expect(stage.run('o32 call eax', { rax: 0x12345 })).toMatchObject({ fault: 13, error: 0, rip: 0n });
    const long = new Stage(tier, 'long', 3);
    expect(long.run('jmp rax', { rax: 0x8000_0000_0000n })).toMatchObject({ fault: 13, error: 0, rip: code });
    long.write(AT.stack, 0x8000_0000_0000n);
    expect(long.run('ret')).toMatchObject({ fault: 13, error: 0, rip: code, rsp: BigInt(AT.stack) });
  });

  it('16-bit jumps truncate the target', () => {
    const stage = new Stage(tier, 'code32');
    expect(stage.run('db 0x66, 0xeb, 0x10').rip).toBe(0x13n);
    expect(stage.run('db 0x66, 0x74, 0x10').rip).toBe(code + 3n); // not taken: nothing is truncated
    expect(stage.run('db 0x66, 0x74, 0x10', {}, { flags: 0x40 }).rip).toBe(0x13n);
  });

  it('calls push what returns pop', () => {
    const stage = new Stage(tier, 'long');
    const called = stage.run('call l\nnop\nl: ret 16', {}, { steps: 1 });
    expect([called.rip, called.rsp, stage.read(AT.stack - 8, 64)]).toEqual([code + 6n, BigInt(AT.stack - 8), code + 5n]);
    expect(stage.run('call l\nnop\nl: ret 16', {}, { steps: 2 })).toMatchObject({ rip: code + 5n, rsp: BigInt(AT.stack + 16) });
    stage.write(AT.data, code + 0x40n);
    expect(stage.run('call qword [rbx]', { rbx: AT.data }).rip).toBe(code + 0x40n);
    expect(new Stage(tier, 'real').run('call l\nnop\nl: ret', {}, { steps: 2 })).toMatchObject({ rip: 3n, rsp: 0x8000n });
  });

  it.each([
    ['loop', 2, 0, 1, true],
    ['loop', 1, 0, 0, false],
    ['loop', 0, 0, 0xffff_ffff_ffff_ffffn, true],
    ['loope', 2, 0x40, 1, true],
    ['loope', 2, 0, 1, false],
    ['loopne', 2, 0x40, 1, false],
    ['loopne', 2, 0, 1, true],
    ['jrcxz', 0, 0, 0, true],
    ['jrcxz', 0x1_0000_0000n, 0, 0x1_0000_0000n, false],
    ['jecxz', 0x1_0000_0000n, 0, 0x1_0000_0000n, true],
    ['a32 loop', 0x1_0000_0001n, 0, 0, false],
  ] as const)('%s with count %s and flags %s', (text, count, flags, left, taken) => {
    const after = new Stage(tier, 'long').run(`${text} l\nnop\nnop\nl: nop`, { rcx: count }, { flags });
    expect(after.rcx).toBe(BigInt(left));
    expect(after.rip - code).toBe(BigInt((text.includes(' ') || text === 'jecxz' ? 3 : 2) + (taken ? 2 : 0)));
  });
});

describe.each(everyTier)('far transfers and interrupts on the %s', (_name, tier) => {
  it('jmp far, call far and retf in protected and real mode', () => {
    const stage = new Stage(tier, 'code32');
    expect(stage.run(`jmp ${SEL.code0_32}:0x12000`)).toMatchObject({ rip: 0x12000n, fault: undefined });
    const called = stage.run(`call ${SEL.code0_32}:0x12000`);
    expect([called.rip, called.rsp]).toEqual([0x12000n, BigInt(AT.stack - 8)]);
    expect([stage.read(AT.stack - 8, 32), stage.read(AT.stack - 4, 16)]).toEqual([BigInt(AT.code + 7), BigInt(SEL.code0_32)]);
    stage.write(AT.stack, (BigInt(SEL.code0_32) << 32n) | 0x11000n);
    expect(stage.run('retf 4')).toMatchObject({ rip: 0x11000n, rsp: BigInt(AT.stack + 12) });
    stage.write(AT.data, (0x7770n << 32n) | 1n);
    expect(stage.run('jmp far [ebx]', { rbx: AT.data })).toMatchObject({ fault: 13, error: 0x7770 });
    const real = new Stage(tier, 'real');
    expect(real.run('jmp 0x1100:0x20').rip).toBe(0x20n);
    expect(real.s.csBase).toBe(0x11000n);
  });

  it('int n, int3, into and their return addresses', () => {
    const stage = new Stage(tier, 'code32');
    expect(stage.run('int 0x80')).toMatchObject({ fault: 0x80, rip: BigInt(AT.code + 2) });
    expect(stage.run('int3')).toMatchObject({ fault: 3, rip: BigInt(AT.code + 1) });
    expect(stage.run('into')).toMatchObject({ fault: undefined });
    expect(stage.run('into', {}, { flags: 0x800 })).toMatchObject({ fault: 4, rip: BigInt(AT.code + 1) });
    expect(new Stage(tier, 'real').run('int 0x10')).toMatchObject({ fault: 0x10, rip: 2n });
  });

  it('iretq goes back where it came from', () => {
    const stage = new Stage(tier, 'long');
    const frame = AT.stack - 40;
    stage.write(frame, 0x12345n, BigInt(SEL.code3), 0x202n, 0x2aaa0n, BigInt(SEL.data3));
    const after = stage.run('iretq', { rsp: frame });
    expect([after.rip, after.rsp, stage.s.cpl]).toEqual([0x12345n, 0x2aaa0n, 3]);
  });

  it('syscall and sysret', () => {
    const stage = new Stage(tier, 'long', 3);
    stage.s.star = (0x13n << 48n) | (8n << 32n);
    stage.s.lstar = 0x13000n;
    stage.s.sfmask = 0x200n;
    const entered = stage.run('syscall', {}, { flags: 0x246 });
    expect([entered.rip, entered.rcx, entered.r11, stage.s.cpl, stage.s.csSelector, stage.s.ssSelector]).toEqual([
      0x13000n,
      BigInt(AT.code + 2),
      0x246n,
      0,
      8,
      16,
    ]);
    expect(entered.flags).toBe(0x46);
    stage.s.efer &= ~1n;
    expect(stage.run('syscall')).toMatchObject({ fault: 6 });
  });
});
