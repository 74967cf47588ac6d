/** Code that was run before is run again in a segment that ends elsewhere. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../isa/assemble.ts';
import { AT, everyTier, Stage } from './testing/stage.ts';

/** The last instruction before the end of a page, and one on the next. */
const EDGE = AT.code + 0x1000 - 6;
const PLACES = { 'in a page': AT.code + 0x40, 'at the end of a page': EDGE };
/** EAX counts passes; five bytes, then one, then five of which the last four are its operand. */
const TEXT = 'add eax, 1\nnop\nnop\nnop\nmov ebx, 0x1234\nhlt';
const LENGTH = 12;

describe.each(everyTier)('on the %s', (_, tier) => {
  it.each(Object.entries(PLACES))('code ends where its segment ends now, %s', (_where, at) => {
    const stage = new Stage(tier, 'code32');
    const { cpu, s } = stage;
    stage.run('nop');
    cpu.machine.dma.write(at, assemble(TEXT, { code: 32, origin: BigInt(at) }).bytes);
    /** Where the fault was, or -1; with the passes of the first instruction and what the last has made. */
    const pass = (limit: number) => {
      s.gpr.set([0n, 0n, 0n, 0n, BigInt(AT.stack)]);
      s.rip = BigInt(at);
      s.activity = 0;
      s.csLimit = limit;
      s.csBase = 0n;
      cpu.modeChanged();
      for (let i = 0; i < 10 && s.activity === 0; i++) cpu.run(10);
      const isFault = Number(s.rip) >= AT.handlers && Number(s.rip) < AT.handlers + 0x1000;
      const fault = isFault ? Number(stage.read(Number(s.gpr[4]) + 4, 32)) - at : -1;
      return [fault, Number(s.gpr[0]), Number(s.gpr[3])];
    };
    const whole = [-1, 1, 0x1234];
    const cut = (bytes: number) => [bytes < 6 ? bytes : 6, 1, 0];
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 3; i++) expect(pass(0xffffffff)).toEqual(whole);
      for (const bytes of [3, 4, 5, 6, 7, 10]) {
        expect([bytes, pass(at + bytes - 1)]).toEqual([bytes, cut(bytes)]);
        expect([bytes, pass(at + bytes - 1)]).toEqual([bytes, cut(bytes)]);
      }
      expect(pass(at + LENGTH - 1)).toEqual(whole);
      expect(pass(at + LENGTH - 2)).toEqual([LENGTH - 1, 1, 0x1234]);
    }
  });

  it('targets are outside of the segment there is now, and nothing is pushed', () => {
    const stage = new Stage(tier, 'code32');
    const { cpu, s } = stage;
    stage.run('nop');
    const far = AT.code + 0x200;
    const text = [
      't: add eax, 1\ncall f\nadd eax, 1\njmp g', // at 0, 3, 8 and 11
      ...['nop\n'.repeat(0x200 - 16), 'f: add ebx, 1\nret', 'g: sub ecx, 1\njnz t\nhlt'],
    ].join('\n');
    cpu.machine.dma.write(AT.code, assemble(text, { code: 32, origin: BigInt(AT.code) }).bytes);
    const at = (symbol: 'f' | 'g'): number => far + (symbol === 'f' ? 0 : 4);
    /** From a place on: where the fault was, or -1; EAX, EBX, ECX and ESP. */
    const pass = (from: number, limit: number, base = 0) => {
      s.gpr.set([0n, 3n, 0n, 0n, BigInt(AT.stack)]);
      stage.write(AT.stack, BigInt(far));
      s.rip = BigInt((from - base) >>> 0);
      s.activity = 0;
      s.csLimit = limit;
      s.csBase = BigInt(base);
      cpu.modeChanged();
      for (let i = 0; i < 10 && s.activity === 0; i++) cpu.run(10);
      const isFault = Number(s.rip) >= AT.handlers && Number(s.rip) < AT.handlers + 0x1000;
      const fault = isFault ? Number(stage.read(Number(s.gpr[4]) + 4, 32)) - AT.code : -1;
      return [fault, Number(s.gpr[0]), Number(s.gpr[3]), Number(s.gpr[1]), Number(s.gpr[4]) + (isFault ? 16 : 0) - AT.stack];
    };
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 4; i++) expect(pass(AT.code, 0xffffffff)).toEqual([-1, 6, 3, 0, 0]);
      expect(pass(AT.code, at('f') - 1)).toEqual([3, 1, 0, 3, 0]);
      expect(pass(AT.code, at('g') - 1)).toEqual([11, 2, 1, 3, 0]);
      // The return address on the stack is that of `f`, where the segment has ended before.
      expect(pass(AT.code + 0x203, far - 1)).toEqual([0x203, 0, 0, 3, 0]);
    }
    // All 4 GiB, but not from 0: addresses of code wrap.
    for (let i = 0; i < 4; i++) expect(pass(AT.code, 0xffffffff, AT.code + 0x1000)).toEqual([-1, 6, 3, 0, 0]);
  });

  it('a segment may end in more places than are told apart', () => {
    const stage = new Stage(tier, 'code32');
    const { cpu, s } = stage;
    for (let i = 0; i < 600; i++) {
      stage.run('nop');
      s.gpr.set([0n]);
      s.rip = BigInt(AT.code);
      s.csLimit = AT.code + 0x2000 + i;
      cpu.modeChanged();
      cpu.run(1);
      expect(Number(s.rip)).toBe(AT.code + 1);
    }
  });
});
