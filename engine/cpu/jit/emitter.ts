/** The emitter of regions: what leaves the region does so without effects, what is known of targets is not checked again. */
import type { Decoded } from '../../isa/decoded.ts';
import type { Int, Operand } from '../../isa/emitter.ts';
import type { SlowName } from '../../isa/fields.ts';
import { IrEmitter } from '../ir/emitter.ts';
import type { RegionBuilder } from './builder.ts';
import { earlyBinding, type Place } from './early-binding.ts';

export class RegionEmitter extends IrEmitter {
  readonly #long: boolean;
  readonly #relative = new Set<Int>();

  constructor(builder: RegionBuilder, decoded: Decoded, place: Place) {
    super(decoded.facts, earlyBinding(decoded, place), builder);
    this.#long = place.long;
  }

  override slow(_name: SlowName, ..._args: Int[]): [Int, Int] {
    this.ir.call('slow', 'i32', [], true); // refused: the interpreter does it
    return [this.const(0), this.const(0)];
  }

  override raise(_vector: number, _errorCode?: Int): void {
    this.ir.exit({ exit: 'fault' });
  }

  /** Whoever takes a direct branch checks where it leaves the page. */
  override relTarget(op: Operand): Int {
    const target = super.relTarget(op);
    this.#relative.add(target);
    return target;
  }

  override checkTarget(target: Int): void {
    // CALL asks before it pushes: outside 64-bit code the limit is near enough to matter.
    if (this.#long && this.#relative.has(target)) return;
    this.checkAnyTarget(target);
  }

  /** The interpreter raises the fault of a target that is not canonical or outside the code segment. */
  checkAnyTarget(target: Int): void {
    if (!this.#long) return super.checkTarget(target);
    const canonical = this.sar(64, this.shl(64, target, this.const(16)), this.const(16));
    this.raiseIf(this.ne(canonical, target), 13, this.const(0));
  }
}
