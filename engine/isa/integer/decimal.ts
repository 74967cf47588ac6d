/**
 * DAA, DAS, AAA, AAS, AAM, AAD (SDM vol. 2). Flags the manual leaves undefined: DAA and DAS clear O; AAA and AAS set S, Z and P from AL
 * and clear O; AAM clears O, A and C; AAD shows those of its addition.
 */
import { type Definition, defineInstruction } from '../define.ts';

const ascii = (name: 'aaa' | 'aas', opcode: string): Definition =>
  defineInstruction({
    name,
    flags: { reads: 'A', writes: 'OSZAPC' },
    forms: [`${opcode} legacy`],
    run(e) {
      const ax = e.reg(16, 0);
      const adjust = e.orB(e.ltU(e.const(9), e.and(ax, e.const(15))), e.flag('A'));
      const change = e.select(adjust, e.const(0x106), e.const(0));
      const result = e.and(name === 'aaa' ? e.add(16, ax, change) : e.sub(16, ax, change), e.const(0xff0f));
      e.setReg(16, 0, result);
      e.flags({ width: 8, result: e.and(result, e.const(0xff)), C: adjust, A: adjust, O: e.false() });
    },
  });

const packed = (name: 'daa' | 'das', opcode: string): Definition =>
  defineInstruction({
    name,
    flags: { reads: 'AC', writes: 'OSZAPC' },
    forms: [`${opcode} legacy`],
    run(e) {
      const al = e.reg(8, 0);
      const low = e.orB(e.ltU(e.const(9), e.and(al, e.const(15))), e.flag('A'));
      const high = e.orB(e.ltU(e.const(0x99), al), e.flag('C'));
      const change = e.add(8, e.select(low, e.const(6), e.const(0)), e.select(high, e.const(0x60), e.const(0)));
      const result = name === 'daa' ? e.add(8, al, change) : e.sub(8, al, change);
      // DAS also keeps the borrow of its first step: AL below 6 with the low digit to be adjusted.
      const carry = name === 'das' ? e.orB(high, e.andB(low, e.ltU(al, e.const(6)))) : high;
      e.setReg(8, 0, result);
      e.flags({ width: 8, result, C: carry, A: low, O: e.false() });
    },
  });

const aam = defineInstruction({
  name: 'aam',
  flags: { writes: 'OSZAPC' },
  forms: ['D4 Ib legacy'],
  run(e, f) {
    const base = e.read(f.dst);
    e.raiseIf(e.eq(base, e.const(0)), 0);
    const al = e.reg(8, 0);
    const quotient = e.divU(al, base);
    const remainder = e.sub(8, al, e.mul(64, quotient, base));
    e.setReg(16, 0, e.or(remainder, e.shl(16, quotient, e.const(8))));
    e.flagsLogic(8, remainder);
  },
});

const aad = defineInstruction({
  name: 'aad',
  flags: { writes: 'OSZAPC' },
  forms: ['D5 Ib legacy'],
  run(e, f) {
    const al = e.reg(8, 0);
    const tens = e.mul(8, e.shr(16, e.reg(16, 0), e.const(8)), e.read(f.dst));
    const sum = e.add(8, al, tens);
    e.setReg(16, 0, sum);
    e.flagsAdd(8, al, tens, sum);
  },
});

export const definitions: readonly Definition[] = [
  ascii('aaa', '37'),
  ascii('aas', '3F'),
  packed('daa', '27'),
  packed('das', '2F'),
  aam,
  aad,
];
