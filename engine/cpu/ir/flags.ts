/** Lazy status flags over the IR: how `flagResult` and `flagAux` (engine/cpu/state.ts) are made and read. */
import type { Bool, ConditionCode, Int, StatusFlag, Width } from '../../isa/emitter.ts';
import { bool, IrArithmetic, int, node } from './arithmetic.ts';

/** Bits of `flagAux` that a sum or difference sets. */
export const CARRY_OVERFLOW_ADJUST = 0xc000000000000008n;

export abstract class IrFlags extends IrArithmetic {
  protected abstract readFlagResult(): Int;
  protected abstract readFlagAux(): Int;
  protected abstract writeFlagResult(value: Int): void;
  protected abstract writeFlagAux(value: Int): void;

  flag(name: StatusFlag): Bool {
    switch (name) {
      case 'C':
        return this.#negative(this.readFlagAux());
      case 'O': {
        const aux = this.readFlagAux();
        return this.#negative(this.xor(aux, this.shl(64, aux, this.const(1))));
      }
      case 'Z':
        return this.eq(this.readFlagResult(), this.const(0));
      case 'S':
        return this.#negative(this.xor(this.readFlagResult(), this.shl(64, this.readFlagAux(), this.const(63))));
      case 'P': {
        const byte = this.trunc(8, this.xor(this.readFlagResult(), this.shr(64, this.readFlagAux(), this.const(8))));
        return this.notB(this.bit(this.popcnt(byte), 0));
      }
      case 'A':
        return this.bit(this.readFlagAux(), 3);
    }
  }

  cond(cc: ConditionCode): Bool {
    const positive = this.#condition(cc >> 1);
    return (cc & 1) === 0 ? positive : this.notB(positive);
  }

  #condition(kind: number): Bool {
    switch (kind) {
      case 0:
        return this.flag('O');
      case 1:
        return this.flag('C');
      case 2:
        return this.flag('Z');
      case 3:
        return this.orB(this.flag('C'), this.flag('Z'));
      case 4:
        return this.flag('S');
      case 5:
        return this.flag('P');
      case 6:
        return this.xorB(this.flag('S'), this.flag('O'));
      default:
        return this.orB(this.flag('Z'), this.xorB(this.flag('S'), this.flag('O')));
    }
  }

  flagsAdd(width: Width, a: Int, b: Int, result: Int): void {
    this.writeFlagResult(this.sext(width, result));
    this.writeFlagAux(this.carriesOf('sum', width, [a, b, result]));
  }

  flagsSub(width: Width, a: Int, b: Int, result: Int): void {
    this.writeFlagResult(this.sext(width, result));
    this.writeFlagAux(this.carriesOf('difference', width, [a, b, result]));
  }

  /** `flagAux` after a sum or difference. */
  carriesOf(of: 'sum' | 'difference', width: Width, [a, b, result]: readonly [Int, Int, Int]): Int {
    const x = of === 'sum' ? a : this.not(64, a);
    const y = of === 'sum' ? this.not(64, result) : result;
    const carries = this.or(this.and(x, b), this.and(this.or(x, b), y));
    if (width === 64) return this.and(carries, this.const(CARRY_OVERFLOW_ADJUST));
    return this.or(this.shl(64, carries, this.const(64 - width)), this.and(carries, this.const(8)));
  }

  flagsLogic(width: Width, result: Int): void {
    this.writeFlagResult(this.sext(width, result));
    this.writeFlagAux(this.const(0));
  }

  flags(change: { width?: Width; result?: Int; C?: Bool; O?: Bool; A?: Bool; Z?: Bool; S?: Bool; P?: Bool }): void {
    if (change.Z || change.S || change.P) {
      const result = change.result;
      const [Z, S, P] = [
        change.Z ?? (result ? this.eq(result, this.const(0)) : this.flag('Z')),
        change.S ?? (result ? this.#negative(this.sext(change.width ?? 64, result)) : this.flag('S')),
        change.P ?? (result ? this.notB(this.bit(this.popcnt(this.trunc(8, result)), 0)) : this.flag('P')),
      ];
      this.#setAll(change.C ?? this.flag('C'), change.O ?? this.flag('O'), change.A ?? this.flag('A'), Z, S, P);
      return;
    }
    const carry = change.C ?? this.flag('C');
    const overflow = change.O ?? this.flag('O');
    const adjust = change.A ? this.shl(64, this.int(change.A), this.const(3)) : this.and(this.readFlagAux(), this.const(8));
    const kept = change.result ? this.const(0) : this.and(this.readFlagAux(), this.const(0xff01));
    const aux = this.or(this.or(this.#carryBits(carry, overflow), adjust), kept);
    const result = change.result ? this.sext(change.width ?? 64, change.result) : undefined;
    this.writeFlagAux(aux);
    if (result) this.writeFlagResult(result);
  }

  status(): Int {
    const at = (flag: StatusFlag, position: number): Int => this.shl(64, this.int(this.flag(flag)), this.const(position));
    const low = this.or(this.or(at('C', 0), at('P', 2)), at('A', 4));
    return this.or(low, this.or(this.or(at('Z', 6), at('S', 7)), at('O', 11)));
  }

  setStatus(bits: Int): void {
    this.#setAll(
      this.bit(bits, 0),
      this.bit(bits, 11),
      this.bit(bits, 4),
      this.bit(bits, 6),
      this.bit(bits, 7),
      this.bit(bits, 2),
    );
  }

  #setAll(C: Bool, O: Bool, A: Bool, Z: Bool, S: Bool, P: Bool): void {
    const low = this.or(
      this.shl(64, this.int(A), this.const(3)),
      this.or(this.int(S), this.shl(64, this.int(this.notB(P)), this.const(8))),
    );
    const aux = this.or(this.#carryBits(C, O), low);
    const result = this.select(Z, this.const(0), this.const(0x100));
    this.writeFlagAux(aux);
    this.writeFlagResult(result);
  }

  #carryBits(carry: Bool, overflow: Bool): Int {
    return this.or(
      this.shl(64, this.int(carry), this.const(63)),
      this.shl(64, this.int(this.xorB(carry, overflow)), this.const(62)),
    );
  }

  #negative(a: Int): Bool {
    return bool(this.ir.numeric('i64.lt_s', node(a), node(int(this.ir.const64(0n)))));
  }
}
