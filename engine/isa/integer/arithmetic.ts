/** Two-operand arithmetic and logic, INC, DEC, NEG, NOT, TEST (SDM vol. 2). */
import { type Definition, defineInstruction } from '../define.ts';
import type { Emitter, Int, Width } from '../emitter.ts';

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');

/** The encodings the eight ALU operations share, `digit` being their number. */
const aluForms = (digit: number, lock: string): string[] => [
  `${hex(digit * 8)} Eb,Gb${lock}`,
  `${hex(digit * 8 + 1)} Ev,Gv${lock}`,
  `${hex(digit * 8 + 2)} Gb,Eb`,
  `${hex(digit * 8 + 3)} Gv,Ev`,
  `${hex(digit * 8 + 4)} AL,Ib`,
  `${hex(digit * 8 + 5)} rAX,Iz`,
  `80/${digit} Eb,Ib${lock}`,
  `81/${digit} Ev,Iz${lock}`,
  `83/${digit} Ev,Ibs${lock}`,
  `82/${digit} Eb,Ib legacy${lock}`,
];

interface AluOperation {
  readonly name: string;
  readonly digit: number;
  readonly carry: boolean;
  result(e: Emitter, width: Width, values: { a: Int; b: Int; carry: Int | undefined }): Int;
  flags(e: Emitter, width: Width, values: { a: Int; b: Int; result: Int }): void;
}

/** Destination is written before flags, so that a fault leaves no trace. */
const alu = (operation: AluOperation): Definition =>
  defineInstruction({
    name: operation.name,
    flags: { reads: operation.carry ? 'C' : '', writes: 'OSZAPC' },
    forms: aluForms(operation.digit, ' lock'),
    run(e, f) {
      const { width } = f;
      const b = e.read(f.src);
      const carry = operation.carry ? e.int(e.flag('C')) : undefined;
      const [a, result] = e.update(f.dst, (old) => operation.result(e, width, { a: old, b, carry }), f.lock);
      operation.flags(e, width, { a, b, result });
    },
  });

const sum: AluOperation['flags'] = (e, width, { a, b, result }) => e.flagsAdd(width, a, b, result);
const difference: AluOperation['flags'] = (e, width, { a, b, result }) => e.flagsSub(width, a, b, result);
const logic: AluOperation['flags'] = (e, width, { result }) => e.flagsLogic(width, result);

const cmp = defineInstruction({
  name: 'cmp',
  flags: { writes: 'OSZAPC' },
  forms: aluForms(7, ''),
  run(e, f) {
    const a = e.read(f.dst);
    const b = e.read(f.src);
    e.flagsSub(f.width, a, b, e.sub(f.width, a, b));
  },
});

const test = defineInstruction({
  name: 'test',
  flags: { writes: 'OSZAPC' },
  forms: ['84 Eb,Gb', '85 Ev,Gv', 'A8 AL,Ib', 'A9 rAX,Iz', 'F6/0 Eb,Ib', 'F7/0 Ev,Iz', 'F6/1 Eb,Ib', 'F7/1 Ev,Iz'],
  run(e, f) {
    const a = e.read(f.dst);
    e.flagsLogic(f.width, e.and(a, e.read(f.src)));
  },
});

/** INC and DEC keep C. Overflow and carry out of bit 3 are visible in the result alone. */
const step = (name: 'inc' | 'dec', forms: readonly string[]): Definition =>
  defineInstruction({
    name,
    flags: { writes: 'OSZAP' },
    forms,
    run(e, f) {
      const { width } = f;
      const one = e.const(1);
      const up = name === 'inc';
      const [, result] = e.update(f.dst, (old) => (up ? e.add(width, old, one) : e.sub(width, old, one)), f.lock);
      const top = 1n << BigInt(width - 1);
      const O = e.eq(result, e.const(up ? top : top - 1n));
      const A = e.eq(e.and(result, e.const(15)), e.const(up ? 0 : 15));
      e.flags({ width, result, O, A });
    },
  });

const neg = defineInstruction({
  name: 'neg',
  flags: { writes: 'OSZAPC' },
  forms: ['F6/3 Eb lock', 'F7/3 Ev lock'],
  run(e, f) {
    const [a, result] = e.update(f.dst, (old) => e.neg(f.width, old), f.lock);
    e.flagsSub(f.width, e.const(0), a, result);
  },
});

const not = defineInstruction({
  name: 'not',
  flags: {},
  forms: ['F6/2 Eb lock', 'F7/2 Ev lock'],
  run(e, f) {
    e.update(f.dst, (old) => e.not(f.width, old), f.lock);
  },
});

export const definitions: readonly Definition[] = [
  alu({ name: 'add', digit: 0, carry: false, result: (e, w, { a, b }) => e.add(w, a, b), flags: sum }),
  alu({ name: 'or', digit: 1, carry: false, result: (e, _w, { a, b }) => e.or(a, b), flags: logic }),
  alu({ name: 'adc', digit: 2, carry: true, result: (e, w, { a, b, carry }) => e.add(w, e.add(w, a, b), carry!), flags: sum }),
  alu({
    name: 'sbb',
    digit: 3,
    carry: true,
    result: (e, w, { a, b, carry }) => e.sub(w, e.sub(w, a, b), carry!),
    flags: difference,
  }),
  alu({ name: 'and', digit: 4, carry: false, result: (e, _w, { a, b }) => e.and(a, b), flags: logic }),
  alu({ name: 'sub', digit: 5, carry: false, result: (e, w, { a, b }) => e.sub(w, a, b), flags: difference }),
  alu({ name: 'xor', digit: 6, carry: false, result: (e, _w, { a, b }) => e.xor(a, b), flags: logic }),
  cmp,
  test,
  step('inc', ['FE/0 Eb lock', 'FF/0 Ev lock', '40+r Zv legacy']),
  step('dec', ['FE/1 Eb lock', 'FF/1 Ev lock', '48+r Zv legacy']),
  neg,
  not,
];
