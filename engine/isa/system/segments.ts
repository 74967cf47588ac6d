/** Segment registers: MOV, PUSH, POP, LDS and its kin, FS and GS bases, SWAPGS (SDM vol. 2). */
import { type Definition, defineInstruction } from '../define.ts';
import type { Emitter, Int } from '../emitter.ts';
import type { Field } from '../fields.ts';
import { requireCr4, requireSupervisor } from './privilege.ts';

const SS = 2;
const NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
const selectorField = (number: number): Field => `${NAMES[number]!}Selector`;

/** The selector of a segment register whose number is known late. */
function selectorOf(e: Emitter, number: Int): Int {
  let value = e.field('gsSelector');
  for (const n of [4, 3, 2, 1, 0]) value = e.select(e.eq(number, e.const(n)), e.field(selectorField(n)), value);
  return value;
}

/** A register destination is zero-extended from 16 bits; memory is always 16 bits. */
const movFrom = defineInstruction({
  name: 'mov',
  flags: {},
  forms: ['8C Rv/Mw,Sw'],
  run(e, f) {
    e.write(f.dst, selectorOf(e, e.registerNumber(f.src)));
  },
});

const movTo = defineInstruction({
  name: 'mov',
  flags: {},
  forms: ['8E Sw,Ew'],
  run(e, f) {
    const number = e.registerNumber(f.dst);
    e.slow('loadSegment', number, e.read(f.src));
    e.if(e.eq(number, e.const(SS)), () => {
      e.interruptShadow('movss');
      e.finish();
    });
    e.endBlock();
  },
});

/** With 32-bit operand size only 16 bits are written and 4 bytes reserved; with 64 the selector is zero-extended. */
const push = (number: number, form: string): Definition =>
  defineInstruction({
    name: 'push',
    flags: {},
    forms: [form],
    run(e, f) {
      const selector = e.field(selectorField(number));
      if (f.width !== 32) {
        e.push(f.width, selector);
        return;
      }
      e.store(16, 'ss', e.sub(f.stackWidth, e.reg(f.stackWidth, 4), e.const(4)), selector);
      e.adjustSp(-4);
    },
  });

const pop = (number: number, form: string): Definition =>
  defineInstruction({
    name: 'pop',
    flags: {},
    forms: [form],
    run(e, f) {
      const selector = e.peek(16, 0);
      e.slow('loadSegment', e.const(number), selector);
      e.adjustSp(f.width / 8);
      if (number === SS) e.interruptShadow('movss');
      else e.endBlock();
    },
  });

const loadPointer = (number: number, form: string): Definition =>
  defineInstruction({
    name: `l${NAMES[number]!}`,
    flags: {},
    forms: [form],
    run(e, f) {
      const offset = e.loadAt(f.src, 0, f.width);
      const selector = e.loadAt(f.src, f.width / 8, 16);
      e.slow('loadSegment', e.const(number), selector);
      e.write(f.dst, offset);
      e.endBlock();
    },
  });

const readBase = (name: string, digit: number, field: Field): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [`F3 0F AE/${digit} Ry long feature:fsgsbase`],
    run(e, f) {
      requireCr4(e, 16);
      e.write(f.dst, e.trunc(f.width === 64 ? 64 : 32, e.field(field)));
    },
  });

const writeBase = (name: string, digit: number, field: Field): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [`F3 0F AE/${digit} Ry long feature:fsgsbase`],
    run(e, f) {
      requireCr4(e, 16);
      const base = e.read(f.dst);
      if (f.width === 64) e.raiseIf(e.ne(e.sar(64, e.shl(64, base, e.const(16)), e.const(16)), base), 13, e.const(0));
      e.setField(field, base);
    },
  });

const swapgs = defineInstruction({
  name: 'swapgs',
  flags: {},
  forms: ['0F 01 F8 long'],
  run(e) {
    requireSupervisor(e);
    const current = e.field('gsBase');
    e.setField('gsBase', e.field('kernelGsBase'));
    e.setField('kernelGsBase', current);
  },
});

export const definitions: readonly Definition[] = [
  movFrom,
  movTo,
  push(0, '06 ES legacy'),
  push(1, '0E CS legacy'),
  push(2, '16 SS legacy'),
  push(3, '1E DS legacy'),
  push(4, '0F A0 FS d64'),
  push(5, '0F A8 GS d64'),
  pop(0, '07 ES legacy'),
  pop(2, '17 SS legacy'),
  pop(3, '1F DS legacy'),
  pop(4, '0F A1 FS d64'),
  pop(5, '0F A9 GS d64'),
  loadPointer(0, 'C4 Gv,Mp legacy'),
  loadPointer(3, 'C5 Gv,Mp legacy'),
  loadPointer(2, '0F B2 Gv,Mp'),
  loadPointer(4, '0F B4 Gv,Mp'),
  loadPointer(5, '0F B5 Gv,Mp'),
  readBase('rdfsbase', 0, 'fsBase'),
  readBase('rdgsbase', 1, 'gsBase'),
  writeBase('wrfsbase', 2, 'fsBase'),
  writeBase('wrgsbase', 3, 'gsBase'),
  swapgs,
];
