/**
 * Shifts and rotations (SDM vol. 2). Counts are taken modulo 32 (64 for 64-bit operands); a count of 0 changes no flag, but a 32-bit
 * destination is still zero-extended.
 *
 * Flags the manual leaves undefined are what Intel processors give: A is cleared by shifts, O is for every count what it would be for a
 * count of 1, and C of 8- and 16-bit shifts by more than the width is 0.
 */
import { type Definition, defineInstruction } from '../define.ts';
import type { Bool, Emitter, Facts, Int, Width } from '../emitter.ts';

/** Each part is emitted only where it is asked for. */
interface ShiftResult {
  value(): Int;
  /** Last bit shifted out. Not asked for when the count is 0. */
  carry(): Bool;
  overflow(): Bool;
}

interface Shift {
  readonly name: string;
  readonly digits: readonly number[];
  /** S, Z and P follow the result, A is cleared. */
  readonly arithmetic: boolean;
  readonly usesCarry: boolean;
  run(e: Emitter, width: Width, values: Operands & { carry: Int }): ShiftResult;
}

interface Operands {
  readonly a: Int;
  readonly count: Int;
}

const top = (e: Emitter, width: Width, a: Int): Bool => e.bit(a, width - 1);
const topTwoDiffer = (e: Emitter, width: Width, a: Int): Bool => e.xorB(e.bit(a, width - 1), e.bit(a, width - 2));
/** `count` - 1 and `bits` - `count`. */
const before = (e: Emitter, count: Int): Int => e.sub(64, count, e.const(1));
const rest = (e: Emitter, bits: number, count: Int): Int => e.sub(64, e.const(bits), count);

const shiftLeft = (e: Emitter, width: Width, { a, count }: Operands): ShiftResult => ({
  value: () => e.shl(width, a, count),
  carry: () => (width === 64 ? e.bit(e.shr(64, a, rest(e, 64, count)), 0) : e.bit(e.shl(64, a, count), width)),
  overflow: () => topTwoDiffer(e, width, a),
});

const shiftRight = (e: Emitter, width: Width, { a, count }: Operands): ShiftResult => ({
  value: () => e.shr(64, a, count),
  carry: () => e.bit(e.shr(64, a, before(e, count)), 0),
  overflow: () => top(e, width, a),
});

const shiftArithmetic = (e: Emitter, width: Width, { a, count }: Operands): ShiftResult => ({
  value: () => e.trunc(width, e.sar(64, e.sext(width, a), count)),
  carry: () => e.bit(e.sar(64, e.sext(width, a), before(e, count)), 0),
  overflow: () => e.false(),
});

const rotateLeft = (e: Emitter, width: Width, { a, count }: Operands): ShiftResult => ({
  value: () => e.rotl(width, a, count),
  carry: () => e.bit(e.rotl(width, a, count), 0),
  overflow: () => topTwoDiffer(e, width, a),
});

const rotateRight = (e: Emitter, width: Width, { a, count }: Operands): ShiftResult => ({
  value: () => e.rotr(width, a, count),
  carry: () => top(e, width, e.rotr(width, a, count)),
  overflow: () => e.xorB(e.bit(a, 0), top(e, width, a)),
});

/** Rotation of width + 1 bits with C on top; up to 33 bits fit a lane, 64 takes the parts one by one. `count` is 1 to width here. */
function rotateCarryLeft(e: Emitter, width: Width, { a, count, carry }: Operands & { carry: Int }): ShiftResult {
  const overflow = (): Bool => topTwoDiffer(e, width, a);
  if (width === 64) {
    const parts = (): Int => e.or(e.shl(64, carry, before(e, count)), e.shr(64, e.shr(64, a, e.const(1)), rest(e, 64, count)));
    return { value: () => e.or(e.shl(64, a, count), parts()), carry: () => e.bit(e.shr(64, a, rest(e, 64, count)), 0), overflow };
  }
  const whole = e.or(a, e.shl(64, carry, e.const(width)));
  const turned = (): Int => e.or(e.shl(64, whole, count), e.shr(64, whole, rest(e, width + 1, count)));
  return { value: () => e.trunc(width, turned()), carry: () => e.bit(turned(), width), overflow };
}

function rotateCarryRight(e: Emitter, width: Width, { a, count, carry }: Operands & { carry: Int }): ShiftResult {
  const overflow = (): Bool => e.xorB(e.bit(carry, 0), top(e, width, a));
  if (width === 64) {
    const back = rest(e, 64, count);
    const parts = (): Int => e.or(e.shl(64, carry, back), e.shl(64, e.shl(64, a, e.const(1)), back));
    return { value: () => e.or(e.shr(64, a, count), parts()), carry: () => e.bit(e.shr(64, a, before(e, count)), 0), overflow };
  }
  const whole = e.or(a, e.shl(64, carry, e.const(width)));
  const turned = (): Int => e.or(e.shr(64, whole, count), e.shl(64, whole, rest(e, width + 1, count)));
  return { value: () => e.trunc(width, turned()), carry: () => e.bit(turned(), width), overflow };
}

function setFlags(
  e: Emitter,
  change: { width: Width; result: Int; arithmetic: boolean },
  { carry, overflow }: ShiftResult,
): void {
  const { width, result, arithmetic } = change;
  if (arithmetic) e.flags({ width, result, C: carry(), O: overflow(), A: e.false() });
  else e.flags({ C: carry(), O: overflow() });
}

/** Count of the instruction as rotations through carry use it: modulo width + 1. */
function effectiveCount(e: Emitter, f: Facts, shift: Shift): Int {
  const count = e.and(e.read(f.src), e.const(f.width === 64 ? 63 : 31));
  return shift.usesCarry && f.width < 32 ? e.remU(count, e.const(f.width + 1)) : count;
}

/** One operation gives two definitions: by a constant 1, where no count is tested, and by CL or an immediate. */
function shift(operation: Shift): Definition[] {
  const forms = (byte: string, word: string, count: string): string[] =>
    operation.digits.flatMap((digit) => [`${byte}/${digit} Eb,${count}`, `${word}/${digit} Ev,${count}`]);
  const flags = { reads: operation.usesCarry ? 'C' : '', writes: operation.arithmetic ? 'OSZAPC' : 'OC' };
  const carryOf = (e: Emitter): Int => (operation.usesCarry ? e.int(e.flag('C')) : e.const(0));
  return [
    defineInstruction({
      name: operation.name,
      flags,
      forms: forms('D0', 'D1', '1'),
      run(e, f) {
        const carry = carryOf(e);
        const count = e.const(1);
        const [a, result] = e.update(f.dst, (old) => operation.run(e, f.width, { a: old, count, carry }).value());
        setFlags(e, { width: f.width, result, arithmetic: operation.arithmetic }, operation.run(e, f.width, { a, count, carry }));
      },
    }),
    defineInstruction({
      name: operation.name,
      forms: [...forms('C0', 'C1', 'Ib'), ...forms('D2', 'D3', 'CL')],
      run(e, f) {
        const carry = carryOf(e);
        const count = effectiveCount(e, f, operation);
        const zero = e.eq(count, e.const(0));
        const [a, result] = e.update(f.dst, (old) => {
          const value = operation.run(e, f.width, { a: old, count, carry }).value();
          // By 0 only rotations through carry, whose bits come from both sides, give something else.
          return operation.usesCarry ? e.select(zero, old, value) : value;
        });
        const change = { width: f.width, result, arithmetic: operation.arithmetic };
        e.if(e.notB(zero), () => setFlags(e, change, operation.run(e, f.width, { a, count, carry })));
      },
    }),
  ];
}

/**
 * SHLD and SHRD: the destination, then the source, then the destination again, shifted as one; so 16-bit operands with counts above 16
 * (undefined in the manual) give what processors give.
 */
const shiftDouble = (name: 'shld' | 'shrd', opcode: number): Definition =>
  defineInstruction({
    name,
    forms: [`0F ${opcode.toString(16).toUpperCase()} Ev,Gv,Ib`, `0F ${(opcode + 1).toString(16).toUpperCase()} Ev,Gv,CL`],
    run(e, f) {
      const { width } = f;
      const b = e.read(f.src);
      const count = e.and(e.read(f.operands[2]!), e.const(width === 64 ? 63 : 31));
      const zero = e.eq(count, e.const(0));
      const run = name === 'shld' ? doubleLeft : doubleRight;
      const [a, result] = e.update(f.dst, (old) => e.select(zero, old, run(e, width, { a: old, b, count }).value()));
      e.if(e.notB(zero), () => setFlags(e, { width, result, arithmetic: true }, run(e, width, { a, b, count })));
    },
  });

function doubleLeft(e: Emitter, width: Width, { a, b, count }: Operands & { b: Int }): ShiftResult {
  const overflow = (): Bool => topTwoDiffer(e, width, a);
  if (width === 16) {
    const triple = e.or(e.or(e.shl(64, a, e.const(32)), e.shl(64, b, e.const(16))), a);
    return {
      value: () => e.trunc(16, e.shr(64, triple, rest(e, 32, count))),
      carry: () => e.bit(e.shr(64, triple, rest(e, 48, count)), 0),
      overflow,
    };
  }
  return {
    value: () => e.or(e.shl(width, a, count), e.shr(64, b, rest(e, width, count))),
    carry: () => e.bit(e.shr(64, a, rest(e, width, count)), 0),
    overflow,
  };
}

function doubleRight(e: Emitter, width: Width, { a, b, count }: Operands & { b: Int }): ShiftResult {
  const overflow = (): Bool => e.xorB(top(e, width, a), e.bit(b, 0));
  if (width === 16) {
    const triple = e.or(e.or(e.shl(64, a, e.const(32)), e.shl(64, b, e.const(16))), a);
    return {
      value: () => e.trunc(16, e.shr(64, triple, count)),
      carry: () => e.bit(e.shr(64, triple, before(e, count)), 0),
      overflow,
    };
  }
  return {
    value: () => e.or(e.shr(64, a, count), e.shl(width, b, rest(e, width, count))),
    carry: () => e.bit(e.shr(64, a, before(e, count)), 0),
    overflow,
  };
}

export const definitions: readonly Definition[] = [
  ...shift({ name: 'rol', digits: [0], arithmetic: false, usesCarry: false, run: rotateLeft }),
  ...shift({ name: 'ror', digits: [1], arithmetic: false, usesCarry: false, run: rotateRight }),
  ...shift({ name: 'rcl', digits: [2], arithmetic: false, usesCarry: true, run: rotateCarryLeft }),
  ...shift({ name: 'rcr', digits: [3], arithmetic: false, usesCarry: true, run: rotateCarryRight }),
  ...shift({ name: 'shl', digits: [4, 6], arithmetic: true, usesCarry: false, run: shiftLeft }),
  ...shift({ name: 'shr', digits: [5], arithmetic: true, usesCarry: false, run: shiftRight }),
  ...shift({ name: 'sar', digits: [7], arithmetic: true, usesCarry: false, run: shiftArithmetic }),
  shiftDouble('shld', 0xa4),
  shiftDouble('shrd', 0xac),
];
