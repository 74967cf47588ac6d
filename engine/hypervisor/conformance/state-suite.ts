/** What every back end must do with the state of a machine: register groups, save and restore, saved state from outside. */
import { describe, expect, test } from 'vitest';
import { EngineError } from '../../base/index.ts';
import { GROUP_ORDER, type RegisterGroup, type RegisterGroups } from '../index.ts';
import { type Backend, bench } from './bench.ts';

export function stateConformance(backend: Backend): void {
  const capabilities = backend.capabilities();
  const { groups } = capabilities;
  const whereXsave = groups.includes('xsave') && groups.includes('fpu') ? test : test.skip;

  describe(`${capabilities.backend}: state`, () => {
    const interesting: { readonly [G in RegisterGroup]?: (now: RegisterGroups[G]) => RegisterGroups[G] } = {
      regs: (now) => ({ ...now, rax: 0x1122_3344_5566_7788n, r15: 0xffff_ffff_ffff_ffffn, rip: 0x1234n, rflags: 0x0cd7n }),
      sregs: (now) => ({
        ...now,
        cr2: 0xdead_beefn,
        gdt: { base: 0x5000n, limit: 0x77 },
        fs: { ...now.fs, base: 0x1_0000_0000n },
      }),
      fpu: (now) => ({
        ...now,
        fcw: 0x27f,
        fsw: 0x3800,
        ftwx: 0x81,
        mxcsr: 0x1fa0,
        fpr: now.fpr.map((_, i) => Uint8Array.from({ length: 16 }, (_v, byte) => (byte < 10 ? i * 16 + byte : 0))),
        xmm: now.xmm.map((_, i) => new Uint8Array(16).fill(i + 1)),
      }),
      xsave: (now) => ({ region: now.region.map((byte, at) => (at >= 32 && at < 416 && at % 16 < 10 ? at & 0xff : byte)) }),
      xcrs: () => ({ xcr0: 3n }),
      debugregs: (now) => ({ ...now, db: [1n, 2n, 3n, 0xffff_8000_0000_0000n] }),
      vcpu_events: (now) => ({ ...now, nmi: { pending: 2, masked: 1 }, sipi_vector: 0x9a }),
      mp_state: () => ({ mp_state: 3 }),
      msrs: (now) => now.map(([index, value]) => [index, index === 0xc0000082 ? 0x7fff_0000n : index === 0x3b ? 5n : value]),
    };

    test.each(GROUP_ORDER.filter((group) => groups.includes(group)))(
      '%s is read back as set, and moves to another machine',
      (group) => {
        const [one, two] = [bench(backend), bench(backend)];
        const change = interesting[group] as ((now: unknown) => RegisterGroups[typeof group]) | undefined;
        const value = change ? change(one.vcpu.get(group)) : one.vcpu.get(group);
        one.vcpu.set(group, value);
        expect(one.vcpu.get(group)).toEqual(value);
        two.vcpu.set(group, one.vcpu.get(group));
        expect(two.vcpu.get(group)).toEqual(value);
      },
    );

    test.each<[string, RegisterGroup, (now: never) => unknown]>([
      ['paging without protection', 'sregs', (now: RegisterGroups['sregs']) => ({ ...now, cr0: 0x8000_0010n })],
      ['a bit CR4 does not have', 'sregs', (now: RegisterGroups['sregs']) => ({ ...now, cr4: 1n << 40n })],
      ['long mode that is not', 'sregs', (now: RegisterGroups['sregs']) => ({ ...now, efer: 0x400n })],
      ['an impossible APIC base', 'sregs', (now: RegisterGroups['sregs']) => ({ ...now, apic_base: 0x400n })],
      ['reserved MXCSR bits', 'fpu', (now: RegisterGroups['fpu']) => ({ ...now, mxcsr: 0x1_0000 })],
      ['XCR0 without x87', 'xcrs', () => ({ xcr0: 2n })],
      [
        'a vector that is no exception',
        'vcpu_events',
        (now: RegisterGroups['vcpu_events']) => ({ ...now, exception: { ...now.exception, injected: 1, nr: 64 } }),
      ],
      [
        'an XSAVE area with AVX in it',
        'xsave',
        (now: RegisterGroups['xsave']) => ({ region: now.region.map((byte, at) => (at === 512 ? 7 : byte)) }),
      ],
      ['a short XSAVE area', 'xsave', () => ({ region: new Uint8Array(512) })],
      ['a short register page', 'lapic', () => ({ regs: new Uint8Array(100) })],
      ['a non-canonical LSTAR', 'msrs', () => [[0xc0000082, 1n << 60n]]],
      ['an MSR that is not there', 'msrs', () => [[0x12345678, 1n]]],
    ])('%s is refused and changes nothing', (_name, group, wrong) => {
      const { vcpu } = bench(backend);
      const before = vcpu.get(group);
      expect(() => vcpu.set(group, wrong(before as never) as never)).toThrow(expect.objectContaining({ code: 'register-value' }));
      expect(vcpu.get(group)).toEqual(before);
    });

    whereXsave('an XSAVE area without a component resets it, and agrees with the group fpu', () => {
      const { vcpu } = bench(backend);
      const fpu = {
        ...vcpu.get('fpu'),
        fcw: 0x27f,
        mxcsr: 0x1fa0,
        xmm: vcpu.get('fpu').xmm.map(() => new Uint8Array(16).fill(9)),
      };
      vcpu.set('fpu', fpu);
      const { region } = vcpu.get('xsave');
      region[512] = 1; // x87 alone
      vcpu.set('xsave', { region });
      expect(vcpu.get('fpu')).toEqual({ ...fpu, xmm: fpu.xmm.map(() => new Uint8Array(16)) });
    });

    test('a machine saved between two instructions goes on as if nothing had happened', () => {
      const program = 'mov cx, 500\n top: add ax, cx\n rol ax, 3\n xor bx, ax\n mov [0x600], bx\n loop top\n hlt';
      const [whole, first, second] = [bench(backend), bench(backend), bench(backend)];
      for (const b of [whole, first, second]) b.real(program);
      whole.vcpu.run(100_000);
      first.vcpu.run(777);
      second.machine.restore(first.machine.save());
      second.machine.memory.dma.write(0, first.machine.memory.dma.read(0, 0x1_0000));
      expect(second.machine.save()).toEqual(first.machine.save());
      second.vcpu.run(100_000);
      expect(second.regs()).toEqual(whole.regs());
      expect(second.vcpu.retired).toBe(whole.vcpu.retired);
    });

    test('a damaged save is refused and changes nothing', () => {
      const { machine, real, vcpu } = bench(backend);
      real('top: inc ax\n jmp top');
      vcpu.run(10);
      const saved = machine.save();
      const [one, two] = saved.vcpus;
      const wrong: unknown[] = [
        { ...saved, vcpus: [one] },
        { ...saved, vcpus: undefined },
        { vcpus: saved.vcpus },
        { ...saved, vcpus: [[...(one ?? []), [9999, 1]], two] },
        { ...saved, vcpus: [one, [[1, 'x']]] },
        { ...saved, vcpus: [[...(one ?? []).filter(([id]) => id !== 50), [50, 0x8000_0010n]], two] },
        { ...saved, irqchip: { ...saved.irqchip, pic: [[1, 5]] } },
        undefined,
      ];
      for (const state of wrong) {
        expect(() => machine.restore(state as never)).toThrow(EngineError);
        expect(machine.save()).toEqual(saved);
      }
      expect(vcpu.run(10).retired).toBe(10);
    });
  });

  describe(`${capabilities.backend}: saved state from outside`, () => {
    test('with random damage is refused and changes nothing, or is taken and can run', () => {
      const { machine, real, vcpu } = bench(backend);
      real('top: inc ax\n mov [0x600], ax\n jmp top');
      vcpu.run(10);
      const good = machine.save();
      // A linear congruential sequence with a kept seed: the same damage in every run.
      let seed = 0x1d872b41;
      const next = (below: number): number => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return Math.floor((seed / 2 ** 32) * below);
      };
      const anyValue = (): unknown =>
        [
          BigInt(next(2 ** 32)) << BigInt(next(33)),
          next(2 ** 16),
          -1n,
          2n ** 64n,
          Number.NaN,
          'x',
          null,
          undefined,
          [],
          {},
          new Uint8Array(next(40)),
        ][next(11)];
      const seen = { refused: 0, taken: 0 };
      for (let round = 0; round < 400; round++) {
        const pairs: [number, unknown][] = (good.vcpus[0] ?? []).map(([id, value]) => [id, value]);
        const at = next(pairs.length);
        const [id, value] = pairs[at] ?? [0, 0n];
        const damaged = next(3) === 0 || typeof value !== 'bigint' ? anyValue() : value ^ (1n << BigInt(next(64)));
        pairs[at] = [next(10) === 0 ? next(200) : id, damaged];
        if (next(10) === 0) pairs.splice(next(pairs.length), 1);
        const before = machine.save();
        try {
          machine.restore({ ...good, vcpus: [pairs, ...good.vcpus.slice(1)] } as never);
        } catch (failure) {
          expect(failure).toBeInstanceOf(EngineError);
          expect(machine.save()).toEqual(before);
          seen.refused++;
          continue;
        }
        seen.taken++;
        vcpu.run(50);
        machine.restore(good);
        expect(machine.save()).toEqual(good);
      }
      expect(seen.refused).toBeGreaterThan(50);
      expect(seen.taken).toBeGreaterThan(50);
    });
  });
}
