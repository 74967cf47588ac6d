/**
 * String instructions (SDM vol. 2: MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS, REP). Under REP one execution does one element (or many by
 * `bulk`) and repeats itself, so that interrupts, faults and traps fall between elements with the registers saying how far it got.
 */
import { type Definition, defineInstruction } from '../define.ts';
import type { Emitter, Facts, Int } from '../emitter.ts';

const SI = 6;
const DI = 7;
const CX = 1;

/** Advance rSI or rDI by one element in the direction of DF. */
function advance(e: Emitter, f: Facts, ...registers: number[]): void {
  const size = f.width / 8;
  const step = e.select(e.bit(e.systemFlags(), 10), e.const(-size), e.const(size));
  for (const number of registers) e.setReg(f.addressWidth, number, e.add(f.addressWidth, e.reg(f.addressWidth, number), step));
}

/** Count down rCX; returns the new count. */
function countDown(e: Emitter, f: Facts): Int {
  const count = e.sub(f.addressWidth, e.reg(f.addressWidth, CX), e.const(1));
  e.setReg(f.addressWidth, CX, count);
  return count;
}

const nothingToDo = (e: Emitter, f: Facts): void =>
  e.if(e.eq(e.reg(f.addressWidth, CX), e.const(0)), () => {
    e.finish();
  });

/** A string instruction whose only condition is the count. */
function repeated(e: Emitter, f: Facts, element: () => void): void {
  if (f.rep === 'none') {
    element();
    return;
  }
  nothingToDo(e, f);
  element();
  e.repeat(e.ne(countDown(e, f), e.const(0)));
}

/** As `repeated`, many elements at once where the binding can. */
function repeatedInBulk(e: Emitter, f: Facts, kind: 'movs' | 'stos', element: () => void): void {
  if (f.rep === 'none') {
    element();
    return;
  }
  // In the order that names the handler.
  const { addressWidth, width } = f;
  if (e.bulkAll(kind, width, addressWidth)) return;
  nothingToDo(e, f);
  const done = e.bulk(kind, width, addressWidth);
  e.if(e.eq(done, e.const(0)), () => {
    element();
    countDown(e, f);
  });
  e.repeat(e.ne(e.reg(f.addressWidth, CX), e.const(0)));
}

/** REPE and REPNE also end on Z. */
function compared(e: Emitter, f: Facts, element: () => void): void {
  if (f.rep === 'none') {
    element();
    return;
  }
  nothingToDo(e, f);
  element();
  const more = e.ne(countDown(e, f), e.const(0));
  const zero = e.flag('Z');
  e.repeat(e.andB(more, f.rep === 'rep' ? zero : e.notB(zero)));
}

const offset = (e: Emitter, f: Facts, number: number): Int => e.reg(f.addressWidth, number);

const movs = defineInstruction({
  name: 'movs{w}',
  flags: { reads: 'D' },
  forms: ['A4 Yb,Xb rep', 'A5 Yv,Xv rep'],
  run(e, f) {
    repeatedInBulk(e, f, 'movs', () => {
      const value = e.load(f.width, 'source', offset(e, f, SI));
      e.store(f.width, 'es', offset(e, f, DI), value);
      advance(e, f, SI, DI);
    });
  },
});

const stos = defineInstruction({
  name: 'stos{w}',
  flags: { reads: 'D' },
  forms: ['AA Yb,AL rep', 'AB Yv,rAX rep'],
  run(e, f) {
    repeatedInBulk(e, f, 'stos', () => {
      e.store(f.width, 'es', offset(e, f, DI), e.reg(f.width, 0));
      advance(e, f, DI);
    });
  },
});

const lods = defineInstruction({
  name: 'lods{w}',
  flags: { reads: 'D' },
  forms: ['AC AL,Xb rep', 'AD rAX,Xv rep'],
  run(e, f) {
    repeated(e, f, () => {
      e.setReg(f.width, 0, e.load(f.width, 'source', offset(e, f, SI)));
      advance(e, f, SI);
    });
  },
});

const cmps = defineInstruction({
  name: 'cmps{w}',
  forms: ['A6 Xb,Yb rep', 'A7 Xv,Yv rep'],
  run(e, f) {
    compared(e, f, () => {
      const a = e.load(f.width, 'source', offset(e, f, SI));
      const b = e.load(f.width, 'es', offset(e, f, DI));
      advance(e, f, SI, DI);
      e.flagsSub(f.width, a, b, e.sub(f.width, a, b));
    });
  },
});

const scas = defineInstruction({
  name: 'scas{w}',
  forms: ['AE AL,Yb rep', 'AF rAX,Yv rep'],
  run(e, f) {
    compared(e, f, () => {
      const a = e.reg(f.width, 0);
      const b = e.load(f.width, 'es', offset(e, f, DI));
      advance(e, f, DI);
      e.flagsSub(f.width, a, b, e.sub(f.width, a, b));
    });
  },
});

/**
 * Permission and the destination are checked before the port is read: a device must not lose a byte to a page fault. Intel processors
 * check the permission even when rCX is 0.
 */
const ins = defineInstruction({
  name: 'ins{w}',
  flags: { reads: 'D' },
  forms: ['6C Yb,DX rep', '6D Yz,DX rep'],
  run(e, f) {
    const size = e.const(f.width);
    const port = e.reg(16, 2);
    e.slow('checkPort', port, size);
    repeated(e, f, () => {
      e.probeWrite(f.dst, f.width / 8);
      const [value] = e.slow('portIn', port, size);
      e.write(f.dst, value);
      advance(e, f, DI);
    });
    if (f.rep === 'none') e.endBlock();
  },
});

const outs = defineInstruction({
  name: 'outs{w}',
  flags: { reads: 'D' },
  forms: ['6E DX,Xb rep', '6F DX,Xz rep'],
  run(e, f) {
    const size = e.const(f.width);
    const port = e.reg(16, 2);
    e.slow('checkPort', port, size);
    repeated(e, f, () => {
      const value = e.load(f.width, 'source', offset(e, f, SI));
      e.slow('portOut', port, size, value);
      advance(e, f, SI);
    });
    if (f.rep === 'none') e.endBlock();
  },
});

export const definitions: readonly Definition[] = [movs, stos, lods, cmps, scas, ins, outs];
