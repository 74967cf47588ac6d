/**
 * MUL, IMUL, DIV, IDIV (SDM vol. 2). Where the manual leaves flags undefined: after a multiplication S and P follow the low half of the
 * product, Z and A are cleared; a division changes no flag. That is what Intel processors do.
 */
import { type Definition, defineInstruction } from '../define.ts';
import type { Bool, Emitter, Int, Width } from '../emitter.ts';

const setProductFlags = (e: Emitter, width: Width, low: Int, lost: Bool): void =>
  e.flags({ width, result: low, C: lost, O: lost, Z: e.false(), A: e.false() });

interface Product {
  readonly low: Int;
  readonly high: Int;
  /** The high half says something the low half does not. */
  readonly lost: Bool;
}

function unsignedProduct(e: Emitter, width: Width, a: Int, b: Int): Product {
  const full = e.mul(64, a, b);
  const low = width === 64 ? full : e.trunc(width, full);
  const high = width === 64 ? e.mulHighU(a, b) : e.shr(64, full, e.const(width));
  return { low, high, lost: e.ne(high, e.const(0)) };
}

function signedProduct(e: Emitter, width: Width, a: Int, b: Int): Product {
  if (width === 64) {
    const low = e.mul(64, a, b);
    const high = e.mulHighS(a, b);
    return { low, high, lost: e.ne(high, e.sar(64, low, e.const(63))) };
  }
  const full = e.mul(64, e.sext(width, a), e.sext(width, b));
  const low = e.trunc(width, full);
  return { low, high: e.trunc(width, e.shr(64, full, e.const(width))), lost: e.ne(full, e.sext(width, low)) };
}

const wideMultiply = (name: 'mul' | 'imul', digit: number): Definition =>
  defineInstruction({
    name,
    flags: { writes: 'OSZAPC' },
    forms: [`F6/${digit} Eb`, `F7/${digit} Ev`],
    run(e, f) {
      const { width } = f;
      const { low, high, lost } = (name === 'mul' ? unsignedProduct : signedProduct)(e, width, e.reg(width, 0), e.read(f.dst));
      if (width === 8) e.setReg(16, 0, e.or(low, e.shl(64, high, e.const(8))));
      else {
        e.setReg(width, 0, low);
        e.setReg(width, 2, high);
      }
      setProductFlags(e, width, low, lost);
    },
  });

const imul = defineInstruction({
  name: 'imul',
  flags: { writes: 'OSZAPC' },
  forms: ['0F AF Gv,Ev', '69 Gv,Ev,Iz', '6B Gv,Ev,Ibs'],
  run(e, f) {
    const { width } = f;
    const three = f.operands.length === 3;
    const a = e.read(three ? f.operands[1]! : f.dst);
    const b = e.read(three ? f.operands[2]! : f.src);
    const { low, lost } = signedProduct(e, width, a, b);
    e.write(f.dst, low);
    setProductFlags(e, width, low, lost);
  },
});

/** Dividend of `width` below 64: the pair rDX:rAX, or AX, in one lane. */
const dividend = (e: Emitter, width: 8 | 16 | 32): Int =>
  width === 8 ? e.reg(16, 0) : e.or(e.reg(width, 0), e.shl(64, e.reg(width, 2), e.const(width)));

function setQuotient(e: Emitter, width: Width, quotient: Int, remainder: Int): void {
  if (width === 8) {
    e.setReg(16, 0, e.or(e.and(quotient, e.const(0xff)), e.shl(16, remainder, e.const(8))));
    return;
  }
  e.setReg(width, 0, e.trunc(width, quotient));
  e.setReg(width, 2, e.trunc(width, remainder));
}

const div = defineInstruction({
  name: 'div',
  flags: {},
  forms: ['F6/6 Eb', 'F7/6 Ev'],
  run(e, f) {
    const { width } = f;
    const divisor = e.read(f.dst);
    if (width === 64) {
      const high = e.reg(64, 2);
      e.raiseIf(e.leU(divisor, high), 0); // covers a divisor of 0
      const [quotient, remainder] = e.divU128(high, e.reg(64, 0), divisor);
      setQuotient(e, 64, quotient, remainder);
      return;
    }
    e.raiseIf(e.eq(divisor, e.const(0)), 0);
    const value = dividend(e, width);
    const quotient = e.divU(value, divisor);
    e.raiseIf(e.ne(e.shr(64, quotient, e.const(width)), e.const(0)), 0);
    setQuotient(e, width, quotient, e.sub(64, value, e.mul(64, quotient, divisor)));
  },
});

/** Magnitudes are divided, then signs put back; the quotient must fit, so |high| has to be below |divisor|. */
function divideSigned128(e: Emitter, divisor: Int): void {
  const low = e.reg(64, 0);
  const high = e.reg(64, 2);
  const zero = e.const(0);
  const negative = e.bit(high, 63);
  const divisorNegative = e.bit(divisor, 63);
  const borrow = e.int(e.ne(low, zero));
  const absLow = e.select(negative, e.neg(64, low), low);
  const absHigh = e.select(negative, e.sub(64, e.neg(64, high), borrow), high);
  const absDivisor = e.select(divisorNegative, e.neg(64, divisor), divisor);
  e.raiseIf(e.leU(absDivisor, absHigh), 0);
  const [quotient, remainder] = e.divU128(absHigh, absLow, absDivisor);
  const opposite = e.xorB(negative, divisorNegative);
  const limit = e.add(64, e.const(0x7fffffffffffffffn), e.int(opposite));
  e.raiseIf(e.ltU(limit, quotient), 0);
  setQuotient(e, 64, e.select(opposite, e.neg(64, quotient), quotient), e.select(negative, e.neg(64, remainder), remainder));
}

const idiv = defineInstruction({
  name: 'idiv',
  flags: {},
  forms: ['F6/7 Eb', 'F7/7 Ev'],
  run(e, f) {
    const { width } = f;
    const divisor = e.read(f.dst);
    if (width === 64) {
      divideSigned128(e, divisor);
      return;
    }
    const d = e.sext(width, divisor);
    const value = dividend(e, width);
    const n = width === 32 ? value : e.sext(width === 8 ? 16 : 32, value);
    e.raiseIf(e.eq(d, e.const(0)), 0);
    if (width === 32) e.raiseIf(e.andB(e.eq(d, e.const(-1)), e.eq(n, e.const(1n << 63n))), 0); // the only quotient a lane cannot hold
    const quotient = e.divS(n, d);
    e.raiseIf(e.ne(quotient, e.sext(width, quotient)), 0);
    setQuotient(e, width, quotient, e.sub(64, n, e.mul(64, quotient, d)));
  },
});

export const definitions: readonly Definition[] = [wideMultiply('mul', 4), wideMultiply('imul', 5), imul, div, idiv];
