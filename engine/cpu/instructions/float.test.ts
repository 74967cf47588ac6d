import { describe, expect, it } from 'vitest';
import { AT, everyTier, Stage } from '../testing/stage.ts';

const [EM, TS, MP] = [4n, 8n, 2n];
const OSXMMEXCPT = 0x400n;
const OSFXSR = 0x200n;
const [UD, NM, GP, MF, XM] = [6, 7, 13, 16, 19];

describe.each(everyTier)('availability of the floating-point units on the %s', (_name, tier) => {
  const fault = (text: string, controls: { cr0?: bigint; cr4?: bigint }): number | undefined => {
    const stage = new Stage(tier, 'long');
    stage.s.cr0 = (stage.s.cr0 & ~(EM | TS | MP)) | (controls.cr0 ?? 0n);
    if (controls.cr4 !== undefined) stage.s.cr4 = controls.cr4;
    return stage.run(text, { rbx: AT.data, rdi: AT.data, rax: 3 }).fault;
  };

  it.each([
    // instruction, fault with CR0.EM, with TS, with MP and TS
    ['fld1', NM, NM, NM],
    ['fnstsw ax', NM, NM, NM],
    ['fwait', undefined, undefined, NM],
    ['paddb mm0, mm1', UD, NM, NM],
    ['emms', UD, NM, NM],
    ['paddb xmm0, xmm1', UD, NM, NM],
    ['addsd xmm0, xmm1', UD, NM, NM],
    ['ldmxcsr dword [rbx]', UD, NM, NM],
    ['fxsave [rbx]', NM, NM, NM],
    ['movnti [rbx], eax', undefined, undefined, undefined],
    ['mfence', undefined, undefined, undefined],
  ] as const)('%s', (text, em, ts, both) => {
    const faults = [EM, TS, MP | TS].map((cr0) => fault(text, { cr0 }));
    expect(faults).toEqual([em, ts, both]);
    expect(fault(text, {})).toBeUndefined();
  });

  it('SSE needs CR4.OSFXSR, MMX and x87 do not', () => {
    const cr4 = 0x10620n & ~OSFXSR;
    expect(['addps xmm0, xmm1', 'pxor xmm0, xmm0', 'pxor mm0, mm0', 'fldz'].map((text) => fault(text, { cr4 }))).toEqual([
      UD,
      UD,
      undefined,
      undefined,
    ]);
  });

  it('XSAVE needs CR4.OSXSAVE', () => {
    expect(fault('xsave [rbx]', { cr4: 0x10620n })).toBe(UD);
    expect(fault('xsave [rbx]', { cr4: 0x50620n })).toBeUndefined();
  });
});

describe.each(everyTier)('pending x87 exceptions on the %s', (_name, tier) => {
  /** Zero divide left behind: FLDZ, FLD1, FDIV with ZE unmasked. */
  const divided = (): Stage => {
    const stage = new Stage(tier, 'long');
    stage.s.fcw = 0x37b;
    stage.s.ftag = 0;
    const result = stage.run('fldz\nfld1\nfdiv st0, st1', {}, { steps: 3 });
    expect(result.fault).toBeUndefined();
    return stage;
  };

  it('wait for the next waiting instruction', () => {
    for (const text of ['fwait', 'fld1', 'fldcw word [rbx]', 'paddb mm0, mm1']) {
      expect(divided().run(text, { rbx: AT.data }).fault, text).toBe(MF);
    }
    for (const text of ['fnstsw ax', 'fnclex', 'fninit', 'fnstcw word [rbx]', 'paddb xmm0, xmm1']) {
      expect(divided().run(text, { rbx: AT.data }).fault, text).toBeUndefined();
    }
  });

  it('come before the fault of a memory operand', () => {
    expect(divided().run('fld qword [rbx]', { rbx: 0x7000_0000_0000 }).fault).toBe(MF);
  });

  it('without CR0.NE they are a signal of the processor', () => {
    const stage = divided();
    stage.s.cr0 &= ~0x20n;
    const signals: string[] = [];
    Object.assign(stage.cpu.host, { signal: (_vcpu: number, event: string) => signals.push(event) });
    expect(stage.run('fwait').fault).toBeUndefined();
    expect(signals).toEqual(['ferr']);
    expect(stage.run('fwait').fault).toBeUndefined();
    expect(signals).toEqual(['ferr']);
  });

  it('are taken back by FNCLEX and made by FLDCW', () => {
    const stage = divided();
    stage.run('fnclex');
    expect(stage.run('fwait').fault).toBeUndefined();
    const masked = new Stage(tier, 'long');
    Object.assign(masked.s, { fcw: 0x37f, fsw: 4 });
    masked.write(AT.data, 0x37bn);
    expect(masked.run('fldcw word [rbx]', { rbx: AT.data }).fault).toBeUndefined();
    expect(masked.s.fsw).toBe(0x8084);
    expect(masked.run('fwait').fault).toBe(MF);
  });
});

describe.each(everyTier)('SSE exceptions on the %s', (_name, tier) => {
  const ONE = 0x3ff0000000000000n;
  const divide = (text: string, cr4: bigint) => {
    const stage = new Stage(tier, 'long');
    stage.s.cr4 = cr4;
    stage.s.mxcsr = 0x1f80 & ~0x200; // ZE unmasked
    const words = new BigUint64Array(4);
    words.set([ONE, ONE, 0n, 0x4000000000000000n]);
    stage.s.xmm.set(new Uint8Array(words.buffer));
    const { fault } = stage.run(text);
    const after = new BigUint64Array(stage.s.xmm.slice(0, 16).buffer);
    return { fault, mxcsr: stage.s.mxcsr & 0x3f, low: after[0], high: after[1] };
  };

  it('#XM, or #UD when the system does not expect it; the destination stays', () => {
    const kept = { mxcsr: 4, low: ONE, high: ONE };
    expect(divide('divsd xmm0, xmm1', 0x10620n)).toEqual({ fault: XM, ...kept });
    expect(divide('divsd xmm0, xmm1', 0x10620n & ~OSXMMEXCPT)).toEqual({ fault: UD, ...kept });
    expect(divide('divpd xmm0, xmm1', 0x10620n)).toEqual({ fault: XM, ...kept });
  });

  it('LDMXCSR refuses bits it has not', () => {
    const stage = new Stage(tier, 'long');
    stage.write(AT.data, 0x10000n);
    expect(stage.run('ldmxcsr dword [rbx]', { rbx: AT.data })).toMatchObject({ fault: GP, error: 0 });
    stage.write(AT.data, 0xffffn);
    expect(stage.run('ldmxcsr dword [rbx]', { rbx: AT.data }).fault).toBeUndefined();
    expect(stage.s.mxcsr).toBe(0xffff);
  });

  it('operands of 16 bytes are aligned, but for MOVUPS, LDDQU and string comparison', () => {
    const at = (text: string) => new Stage(tier, 'long').run(text, { rbx: AT.data + 8 }).fault;
    for (const text of [
      'movaps xmm0, [rbx]',
      'movdqa [rbx], xmm0',
      'addps xmm0, [rbx]',
      'pxor xmm0, [rbx]',
      'movntdq [rbx], xmm0',
    ]) {
      expect(at(text), text).toBe(GP);
    }
    for (const text of [
      'movups xmm0, [rbx]',
      'movdqu [rbx], xmm0',
      'lddqu xmm0, [rbx]',
      'pcmpistri xmm0, [rbx], 0',
      'addsd xmm0, [rbx]',
    ]) {
      expect(at(text), text).toBeUndefined();
    }
    expect(at('fxsave [rbx]')).toBe(GP);
  });
});

describe.each(everyTier)('environment in real mode on the %s', (_name, tier) => {
  it('FNSTENV stores 14 bytes, FNSTENV with an operand-size prefix 28', () => {
    const stage = new Stage(tier, 'real');
    stage.s.ftag = 0;
    stage.s.fcw = 0x37f;
    stage.write(AT.data, -1n, -1n, -1n, -1n);
    expect(stage.run('fnstenv [bx]', { rbx: stage.dataOffset }).fault).toBeUndefined();
    expect([stage.read(AT.data, 16), stage.read(AT.data + 4, 16), stage.read(AT.data + 14, 16)]).toEqual([
      0x37fn,
      0xffffn,
      0xffffn,
    ]);
  });
});
