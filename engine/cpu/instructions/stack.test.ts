import { describe, expect, it } from 'vitest';
import { AT, everyTier, Stage } from '../testing/stage.ts';

describe.each(everyTier)('stack instructions on the %s', (_name, tier) => {
  it('push and pop by operand and stack size', () => {
    const long = new Stage(tier, 'long');
    expect(long.run('push rsp')).toMatchObject({ rsp: BigInt(AT.stack - 8), fault: undefined });
    expect(long.read(AT.stack - 8, 64)).toBe(BigInt(AT.stack)); // the value before the push
    expect(long.run('push ax', { rax: 0x1234 }).rsp).toBe(BigInt(AT.stack - 2));
    expect(long.run('push -2').rsp).toBe(BigInt(AT.stack - 8));
    expect(long.read(AT.stack - 8, 64)).toBe(0xfffffffffffffffen);
    long.write(AT.stack - 8, 0x1122334455667788n);
    expect(long.run('pop rsp', { rsp: AT.stack - 8 }).rsp).toBe(0x1122334455667788n); // the popped value wins over the increment
    const real = new Stage(tier, 'real');
    expect(real.run('push ax', { rax: 0xbeef, rsp: 0xffff0000 })).toMatchObject({ rsp: 0xfffffffen }); // only SP moves
    expect(real.read(AT.stack - 0x8000 + 0xfffe, 16)).toBe(0xbeefn);
    expect(real.run('o32 push eax', { rax: 0x12345678 }).rsp).toBe(0x7ffcn);
  });

  it('pop to memory addresses with the stack pointer it leaves, and leaves it alone when the store faults', () => {
    const stage = new Stage(tier, 'long');
    stage.write(AT.stack - 16, 0x55n);
    expect(stage.run('pop qword [rsp+8]', { rsp: AT.stack - 16 }).rsp).toBe(BigInt(AT.stack - 8));
    expect(stage.read(AT.stack, 64)).toBe(0x55n);
    const faulted = stage.run('pop qword [rax]', { rax: 0x7fff_0000_0000n });
    expect(faulted).toMatchObject({ fault: 14, error: 2, rsp: BigInt(AT.stack), rip: BigInt(AT.code) });
    const outside = stage.run('pop qword [rax]', { rax: 0x8000_0000_0000_0000n });
    expect(outside).toMatchObject({ fault: 13, error: 0, rsp: BigInt(AT.stack) });
  });

  it('a non-canonical stack is #SS', () => {
    const stage = new Stage(tier, 'long', 3);
    expect(stage.run('push rax', { rsp: 0x8000_0000_0000n + 8n })).toMatchObject({ fault: 12, error: 0 });
    expect(stage.run('mov rax, [rbp]', { rbp: 0x8000_0000_0000n })).toMatchObject({ fault: 12, error: 0 });
    expect(stage.run('mov rax, [r13]', { r13: 0x8000_0000_0000n })).toMatchObject({ fault: 13, error: 0 });
    // Across the end of the lower half the whole access is refused, before its first page is looked at.
    const edge = 0x7fff_ffff_fffcn;
    expect(stage.run('pop rax', { rsp: edge })).toMatchObject({ fault: 12, error: 0 });
    for (const text of ['mov rax, [rbx]', 'mov [rbx], rax', 'lock add [rbx], rax', 'movups xmm0, [rbx]', 'movups [rbx], xmm0'])
      expect(stage.run(text, { rbx: edge }), text).toMatchObject({ fault: 13, error: 0 });
    expect(stage.run('mov eax, [rbx]', { rbx: edge })).toMatchObject({ fault: 14, error: 4 });
  });

  it('pusha and popa', () => {
    const stage = new Stage(tier, 'code32');
    const registers = { rax: 1, rcx: 2, rdx: 3, rbx: 4, rbp: 6, rsi: 7, rdi: 8 };
    expect(stage.run('pushad', registers).rsp).toBe(BigInt(AT.stack - 32));
    const words = [8, 7, 6, AT.stack, 4, 3, 2, 1].map(BigInt);
    expect(words.map((_, i) => stage.read(AT.stack - 32 + i * 4, 32))).toEqual(words);
    expect(stage.run('popad', { rsp: AT.stack - 32 })).toMatchObject({
      rax: 1n,
      rcx: 2n,
      rdx: 3n,
      rbx: 4n,
      rsp: BigInt(AT.stack),
      rbp: 6n,
      rsi: 7n,
      rdi: 8n,
    });
  });

  it('enter copies the enclosing frames, leave undoes it', () => {
    const stage = new Stage(tier, 'long');
    stage.write(AT.data - 16, 0xbbn, 0xaan);
    const entered = stage.run('enter 32, 3', { rbp: AT.data });
    expect(entered.rbp).toBe(BigInt(AT.stack - 8));
    expect(entered.rsp).toBe(BigInt(AT.stack - 8 * 4 - 32));
    expect([8, 16, 24, 32].map((down) => stage.read(AT.stack - down, 64))).toEqual([
      BigInt(AT.data),
      0xaan,
      0xbbn,
      BigInt(AT.stack - 8),
    ]);
    stage.write(AT.stack - 8, 0x77n);
    expect(stage.run('leave', { rbp: AT.stack - 8, rsp: 5 })).toMatchObject({ rbp: 0x77n, rsp: BigInt(AT.stack) });
    expect(stage.run('enter 8, 0', { rbp: 9 }).rsp).toBe(BigInt(AT.stack - 16));
  });

  it('segment registers', () => {
    const stage = new Stage(tier, 'code32');
    stage.write(AT.stack - 8, 0xffffffffffffffffn);
    expect(stage.run('push ds').rsp).toBe(BigInt(AT.stack - 4));
    expect(stage.read(AT.stack - 4, 32)).toBe(0xffff0010n); // 16 bits are written, 4 bytes reserved
    stage.write(AT.stack, 0x9990008n);
    expect(stage.run('pop ds')).toMatchObject({ rsp: BigInt(AT.stack + 4), fault: undefined });
    stage.write(AT.stack, 0x5550n);
    expect(stage.run('pop es')).toMatchObject({ fault: 13, error: 0x5550, rsp: BigInt(AT.stack) });
  });
});

describe.each(everyTier)('flags on the stack, %s', (_name, tier) => {
  const IF = 0x200;
  const IOPL = 0x3000;

  it('popf changes what the privilege allows', () => {
    const kernel = new Stage(tier, 'long', 0);
    kernel.write(AT.stack, 0x3f7ed7n); // all but TF
    expect(kernel.run('popfq').flags).toBe(0x247ed7); // VM, RF, VIF and VIP do not change
    kernel.write(AT.stack, 0xffff7ed7n);
    expect(kernel.run('popf').flags).toBe(0x7ed7); // 16 bits
  });

  it('popf at CPL 3 keeps IF and IOPL, pushf shows everything but RF and VM', () => {
    const user = new Stage(tier, 'long', 3);
    user.write(AT.stack, BigInt(IF | IOPL | 0xcd5 | 2));
    expect(user.run('popfq').flags & (IF | IOPL | 0xcd5)).toBe(0xcd5);
    user.write(AT.stack, 0n);
    expect(user.run('popfq', {}, { flags: IF | 0x1000 }).flags & (IF | IOPL)).toBe(IF | 0x1000);
    expect(user.run('popfq', {}, { flags: IF | IOPL }).flags & (IF | IOPL)).toBe(IOPL); // CPL <= IOPL: IF may change, IOPL not
    user.run('pushfq', {}, { flags: 0x214cd5 });
    expect(user.read(AT.stack - 8, 64)).toBe(0x204cd7n);
  });

  it('cli and sti obey IOPL', () => {
    const user = new Stage(tier, 'long', 3);
    expect(user.run('cli', {}, { flags: IF })).toMatchObject({ fault: 13, error: 0 });
    expect(user.run('sti')).toMatchObject({ fault: 13, error: 0 });
    expect(user.run('cli', {}, { flags: IF | IOPL }).flags & IF).toBe(0);
    expect(user.run('sti', {}, { flags: IOPL }).flags & IF).toBe(IF);
  });

  it('vm86: IOPL below 3 traps pushf, popf, cli and int; with VME the 16-bit forms use VIF', () => {
    const stage = new Stage(tier, 'vm86');
    for (const text of ['pushf', 'popf', 'cli', 'sti', 'pushfd', 'int 0x20'])
      expect(stage.run(text)).toMatchObject({ fault: 13, error: 0 });
    for (const text of ['pushf', 'popf', 'cli', 'sti', 'pushfd'])
      expect(stage.run(text, {}, { flags: IOPL }).fault).toBeUndefined();
    stage.s.cr4 = 1n;
    stage.run('pushf', {}, { flags: 0x80000 });
    expect(stage.read(AT.stack - 2, 16) & 0x3200n).toBe(0x3200n);
    expect(stage.run('pushfd')).toMatchObject({ fault: 13 });
    stage.write(AT.stack, BigInt(IF));
    expect(stage.run('popf').flags & 0x83200).toBe(0x80000);
    expect(stage.run('popf', {}, { flags: 0x100000 })).toMatchObject({ fault: 13, rsp: 0x8000n }); // VIP is pending
    expect(stage.run('sti').flags & 0x80200).toBe(0x80000);
  });

  it('sti holds interrupts back for one instruction', () => {
    const stage = new Stage(tier, 'long');
    stage.cpu.host.interrupts.push(0x40);
    stage.s.request = 1;
    const after = stage.run('sti\nnop\nnop\nnop', {}, { steps: 4 });
    expect(after).toMatchObject({ fault: 0x40, rip: BigInt(AT.code + 2) });
  });
});
