/** Data movement without arithmetic (SDM vol. 2: MOV, MOVZX, MOVSX, LEA, CMOVcc, SETcc, CBW, CWD, XLAT, BSWAP, LAHF, SAHF). */
import { type Definition, defineInstruction } from '../define.ts';
import type { Emitter, Int, Width } from '../emitter.ts';

const mov = defineInstruction({
  name: 'mov',
  flags: {},
  forms: [
    '88 Eb,Gb',
    '89 Ev,Gv',
    '8A Gb,Eb',
    '8B Gv,Ev',
    'A0 AL,Ob',
    'A1 rAX,Ov',
    'A2 Ob,AL',
    'A3 Ov,rAX',
    'B0+r Zb,Ib',
    'B8+r Zv,Iv',
    'C6/0 Eb,Ib',
    'C7/0 Ev,Iz',
  ],
  run(e, f) {
    e.write(f.dst, e.read(f.src));
  },
});

const movzx = defineInstruction({
  name: 'movzx',
  flags: {},
  forms: ['0F B6 Gv,Eb', '0F B7 Gv,Ew'],
  run(e, f) {
    e.write(f.dst, e.read(f.src));
  },
});

const signExtend = (name: string, forms: readonly string[]): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms,
    run(e, f) {
      e.write(f.dst, e.trunc(f.width, e.sext(f.src.width as Width, e.read(f.src))));
    },
  });

const lea = defineInstruction({
  name: 'lea',
  flags: {},
  forms: ['8D Gv,M'],
  run(e, f) {
    e.write(f.dst, e.trunc(f.width, e.address(f.src)));
  },
});

/** The source is read whether or not the condition holds, and a 32-bit destination is zero-extended in any case. */
const cmov = defineInstruction({
  name: 'cmov{cc}',
  flags: { reads: 'OSZPC' },
  forms: ['0F 40+cc Gv,Ev feature:cmov'],
  run(e, f) {
    const value = e.read(f.src);
    e.write(f.dst, e.select(e.cond(f.cc), value, e.read(f.dst)));
  },
});

const setcc = defineInstruction({
  name: 'set{cc}',
  flags: { reads: 'OSZPC' },
  forms: ['0F 90+cc Eb'],
  run(e, f) {
    e.write(f.dst, e.int(e.cond(f.cc)));
  },
});

const cbw = defineInstruction({
  name: '{cbw,cwde,cdqe}',
  flags: {},
  forms: ['98'],
  run(e, f) {
    const half = (f.width / 2) as Width;
    e.setReg(f.width, 0, e.trunc(f.width, e.sext(half, e.reg(half, 0))));
  },
});

const cwd = defineInstruction({
  name: '{cwd,cdq,cqo}',
  flags: {},
  forms: ['99'],
  run(e, f) {
    e.setReg(f.width, 2, e.sar(f.width, e.reg(f.width, 0), e.const(f.width - 1)));
  },
});

const xlat = defineInstruction({
  name: 'xlatb',
  flags: {},
  forms: ['D7'],
  run(e, f) {
    const { addressWidth } = f;
    const offset = e.trunc(addressWidth, e.add(64, e.reg(addressWidth, 3), e.reg(8, 0)));
    e.setReg(8, 0, e.load(8, 'source', offset));
  },
});

/** Undocumented by Intel until lately: AL becomes FF or 00 by C. */
const salc = defineInstruction({
  name: 'salc',
  flags: { reads: 'C' },
  forms: ['D6 legacy'],
  run(e) {
    e.setReg(8, 0, e.select(e.flag('C'), e.const(0xff), e.const(0)));
  },
});

/** Swap the bytes of a 32- or 64-bit value held in a 64-bit lane. */
function swapBytes(e: Emitter, width: 32 | 64, value: Int): Int {
  const swap = (v: Int, bits: number, mask: bigint): Int =>
    e.or(e.and(e.shr(64, v, e.const(bits)), e.const(mask)), e.shl(64, e.and(v, e.const(mask)), e.const(bits)));
  const words = swap(swap(value, 8, 0x00ff00ff00ff00ffn), 16, 0x0000ffff0000ffffn);
  return width === 64 ? e.rotl(64, words, e.const(32)) : words;
}

/** With operand size 16 the manual leaves the result undefined; processors clear the word. */
const bswap = defineInstruction({
  name: 'bswap',
  flags: {},
  forms: ['0F C8+r Zv'],
  run(e, f) {
    e.write(f.dst, f.width === 16 ? e.const(0) : swapBytes(e, f.width as 32 | 64, e.read(f.dst)));
  },
});

/** AH is bits 15:8 of rAX; it is combined by hand because it is not an operand. */
const lahf = defineInstruction({
  name: 'lahf',
  flags: { reads: 'SZAPC' },
  forms: ['9F legacy', '9F long feature:lahf'],
  run(e) {
    const low = e.or(e.and(e.status(), e.const(0xd5)), e.const(2));
    e.setReg(16, 0, e.or(e.reg(8, 0), e.shl(16, low, e.const(8))));
  },
});

const sahf = defineInstruction({
  name: 'sahf',
  flags: { writes: 'SZAPC' },
  forms: ['9E legacy', '9E long feature:lahf'],
  run(e) {
    const ah = e.shr(16, e.reg(16, 0), e.const(8));
    e.flags({ C: e.bit(ah, 0), P: e.bit(ah, 2), A: e.bit(ah, 4), Z: e.bit(ah, 6), S: e.bit(ah, 7) });
  },
});

export const definitions: readonly Definition[] = [
  mov,
  movzx,
  signExtend('movsx', ['0F BE Gv,Eb', '0F BF Gv,Ew']),
  signExtend('movsxd', ['63 Gv,Ez long']),
  lea,
  cmov,
  setcc,
  cbw,
  cwd,
  xlat,
  salc,
  bswap,
  lahf,
  sahf,
];
