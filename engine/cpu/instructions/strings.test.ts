import { describe, expect, it } from 'vitest';
import { AT, everyTier, Stage } from '../testing/stage.ts';

const bytes = (text: string) => Uint8Array.from(Buffer.from(text));

describe.each(everyTier)('string instructions on the %s', (_name, tier) => {
  const finish = { steps: 40 };
  const stageWith = (text: string) => {
    const stage = new Stage(tier, 'long');
    stage.cpu.machine.dma.write(AT.data, bytes(text));
    return stage;
  };
  const textAt = (stage: Stage, at: number, length: number) => Buffer.from(stage.cpu.machine.dma.read(at, length)).toString();

  it('rep movsb forwards, backwards and overlapping', () => {
    const stage = stageWith('abcdefgh........');
    const after = stage.run('rep movsb\nhlt', { rsi: AT.data, rdi: AT.data + 8, rcx: 8 }, finish);
    expect([textAt(stage, AT.data, 16), after.rsi, after.rdi, after.rcx]).toEqual([
      'abcdefghabcdefgh',
      BigInt(AT.data + 8),
      BigInt(AT.data + 16),
      0n,
    ]);
    const over = stageWith('abcdefgh........');
    over.run('rep movsb\nhlt', { rsi: AT.data, rdi: AT.data + 1, rcx: 8 }, finish);
    expect(textAt(over, AT.data, 10)).toBe('aaaaaaaaa.'); // byte by byte, not as a block
    const back = stageWith('abcdefgh........');
    const down = back.run('rep movsb\nhlt', { rsi: AT.data + 7, rdi: AT.data + 8, rcx: 8 }, { ...finish, flags: 0x400 });
    expect([textAt(back, AT.data, 10), down.rsi]).toEqual(['aabcdefgh.', BigInt(AT.data - 1)]);
  });

  it.each([
    ['movsb', 1, 3000, 0x1000],
    ['movsw', 2, 1500, 0x0ffe],
    ['movsd', 4, 900, 0x0ffd], // elements across the end of a page
    ['movsq', 8, 600, 0x0ff8],
    ['movsq', 8, 600, 8], // what is read was not written before
    ['movsq', 8, 600, 3],
    ['movsq', 8, 600, -8], // what is written is read again
    ['movsq', 8, 600, -4],
    ['movsq', 8, 600, -4800],
  ])('rep %s backwards over pages (%i bytes, %i times, %i bytes away)', (name, size, count, distance) => {
    const from = 0x305000;
    const text = Uint8Array.from({ length: 0x5000 }, (_, i) => (i * 31 + (i >>> 8)) & 0xff);
    const expected = Uint8Array.from(text);
    for (let i = 0; i < count; i++) {
      const at = from - 0x302000 - i * size;
      expected.set(expected.slice(at, at + size), at + distance);
    }
    const stage = new Stage(tier, 'long');
    stage.cpu.machine.dma.write(0x302000, text);
    const registers = { rsi: from, rdi: from + distance, rcx: count };
    const after = stage.run(`rep ${name}\nhlt`, registers, { ...finish, steps: 2 * count, flags: 0x400 });
    expect(after).toMatchObject({ fault: undefined, rsi: BigInt(from - count * size), rcx: 0n });
    expect(after.rdi).toBe(BigInt(from + distance - count * size));
    expect(Buffer.from(stage.cpu.machine.dma.read(0x302000, text.length)).equals(Buffer.from(expected))).toBe(true);
  });

  it('a fault inside leaves the registers at the element that failed', () => {
    const stage = stageWith('');
    const edge = 0x400000 - 16; // the last page that is mapped
    const after = stage.run('rep stosq\nhlt', { rdi: edge, rcx: 5, rax: 7 }, finish);
    expect(after).toMatchObject({ fault: 14, error: 2, rcx: 3n, rdi: 0x400000n, rip: BigInt(AT.code) });
    expect([stage.s.cr2, stage.read(edge, 64)]).toEqual([0x400000n, 7n]);
  });

  it('repe and repne end on Z, and a count of 0 does nothing', () => {
    const stage = stageWith('aaaaXaaaYbbb');
    const scan = stage.run('repe scasb\nhlt', { rdi: AT.data, rcx: 12, rax: 0x61 }, finish);
    expect([scan.rcx, scan.rdi, scan.flags & 0x40]).toEqual([7n, BigInt(AT.data + 5), 0]);
    const find = stage.run('repne scasb\nhlt', { rdi: AT.data, rcx: 12, rax: 0x59 }, finish);
    expect([find.rcx, find.flags & 0x40]).toEqual([3n, 0x40]);
    const compare = stage.run('repe cmpsb\nhlt', { rsi: AT.data, rdi: AT.data + 5, rcx: 9 }, finish);
    expect([compare.rcx, compare.rsi]).toEqual([5n, BigInt(AT.data + 4)]);
    const none = stage.run('repe cmpsb\nhlt', { rsi: 0x7fff_0000_0000n, rcx: 0 }, { ...finish, flags: 0x8d5 });
    expect([none.fault, none.flags & 0x8d5]).toEqual([undefined, 0x8d5]);
  });

  it('address size and segments', () => {
    const stage = stageWith('');
    const a32 = stage.run(
      'rep a32 stosb\nhlt',
      { rdi: 0xff_0000_0000n + BigInt(AT.data), rcx: 0xff_0000_0002n, rax: 0x5a },
      finish,
    );
    expect([a32.rdi, a32.rcx, stage.read(AT.data, 16)]).toEqual([BigInt(AT.data + 2), 0n, 0x5a5an]);
    const real = new Stage(tier, 'real');
    real.write(AT.stack - 0x8000 + 0x10, 0x42n);
    expect(real.run('ss lodsb', { rsi: 0x10 })).toMatchObject({ rax: 0x42n, rsi: 0x11n });
    expect(real.run('rep movsb\nhlt', { rsi: 0xffff, rdi: 0x100, rcx: 2 }, { steps: 8 }).rsi).toBe(1n); // SI wraps at 64 KiB
  });

  it('ins and outs move port data, ins only when the destination can take it', () => {
    const stage = stageWith('');
    stage.cpu.host.answer = () => 0xa5;
    const read = stage.run('rep insb\nhlt', { rdx: 0x1f0, rdi: AT.data, rcx: 3 }, finish);
    expect([read.rcx, stage.read(AT.data, 32)]).toEqual([0n, 0xa5a5a5n]);
    stage.cpu.host.accesses.length = 0;
    expect(stage.run('insb', { rdx: 0x1f0, rdi: 0x400000 })).toMatchObject({ fault: 14, error: 2, rdi: 0x400000n });
    expect(stage.cpu.host.accesses).toEqual([]);
    stage.run('outsw', { rdx: 0x1f0, rsi: AT.data });
    expect(stage.cpu.host.accesses).toEqual([{ kind: 'out', address: 0x1f0, size: 2, value: 0xa5a5 }]);
  });

  it('xlat adds AL without sign and wraps with the address size', () => {
    const stage = new Stage(tier, 'real');
    stage.write(AT.data + 0x10, 0x77n);
    expect(stage.run('xlatb', { rbx: 0xff20, rax: 0xf0 }).rax).toBe(0x77n);
  });
});

describe.each(everyTier)('locked and wide exchanges on the %s', (_name, tier) => {
  it('cmpxchg16b compares, stores and demands alignment', () => {
    const stage = new Stage(tier, 'long', 3);
    stage.write(AT.data, 1n, 2n);
    const registers = { rax: 1, rdx: 2, rbx: 3, rcx: 4, rsi: AT.data };
    expect(stage.run('lock cmpxchg16b [rsi]', registers).flags & 0x40).toBe(0x40);
    expect([stage.read(AT.data, 64), stage.read(AT.data + 8, 64)]).toEqual([3n, 4n]);
    const failed = stage.run('cmpxchg16b [rsi]', registers);
    expect([failed.rax, failed.rdx, failed.flags & 0x40]).toEqual([3n, 4n, 0]);
    expect(stage.run('cmpxchg16b [rsi]', { rsi: AT.data + 8 })).toMatchObject({ fault: 13, error: 0 });
    expect(stage.run('cmpxchg8b [rsi]', { rax: 3, rdx: 0, rbx: 9, rcx: 8, rsi: AT.data }).flags & 0x40).toBe(0x40);
    expect(stage.read(AT.data, 64)).toBe(0x800000009n);
  });

  it('cmpxchg writes even when it fails, so a read-only page faults', () => {
    const stage = new Stage(tier, 'long', 3);
    stage.write(AT.tables + 0x2000 + 8, 0x200085n);
    stage.cpu.changed();
    expect(stage.run('cmpxchg [rsi], ecx', { rax: 5, rsi: 0x200000 })).toMatchObject({ fault: 14, error: 7, rax: 5n });
  });

  it('bit strings reach below and above their operand', () => {
    const stage = new Stage(tier, 'long');
    stage.write(AT.data - 8, 0n, 0n, 0n);
    stage.run('lock bts [rbx], rcx', { rbx: AT.data, rcx: -1 });
    stage.run('bts dword [rbx], ecx', { rbx: AT.data, rcx: 65 });
    stage.run('btc word [rbx], cx', { rbx: AT.data, rcx: 0x000f });
    expect([-8, 0, 8].map((at) => stage.read(AT.data + at, 64))).toEqual([1n << 63n, 0x8000n, 2n]);
    expect(stage.run('bt [rbx], rcx', { rbx: AT.data, rcx: -1 }).flags & 1).toBe(1);
    expect(stage.run('bts dword [rbx], 33', { rbx: AT.data }).flags & 1).toBe(0); // an immediate index stays inside
    expect(stage.read(AT.data, 64)).toBe(0x8002n);
  });
});
