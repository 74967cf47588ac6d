/** What is known of the slots at one place of a region while it is being built. */
import type { Node, Spill, VarCell } from '../ir/node.ts';
import { SLOTS } from './slots.ts';

/**
 * Slots that a path may have changed since the region was entered. At the head of a loop the paths that come back are known last, so a
 * set is complete only when the region has been built.
 */
export class Dirty {
  readonly #from: { readonly set: Dirty; readonly own: bigint }[] = [];
  #own = 0n;
  #visiting = false;

  /** Paths that were dirty as `set` says and changed `own` come here. */
  join(set: Dirty, own: bigint): void {
    if (set !== this) this.#from.push({ set, own });
    else this.#own |= own;
  }

  mask(): bigint {
    if (this.#visiting) return 0n;
    this.#visiting = true;
    let all = this.#own;
    for (const { set, own } of this.#from) all |= own | set.mask();
    this.#visiting = false;
    return all;
  }
}

/** Slots with their present values; a slot without one still has what its cell holds. */
export class SlotState {
  readonly values: (Node | undefined)[];
  /** Slots whose value differs from the cell's, one bit each. */
  changed: bigint;
  /** Instructions retired since the budget was brought up to date. */
  retired: number;
  base: Dirty;

  constructor(base: Dirty, from?: SlotState) {
    this.values = from ? from.values.slice() : new Array<Node | undefined>(SLOTS.length).fill(undefined);
    this.changed = from ? from.changed : 0n;
    this.retired = from ? from.retired : 0;
    this.base = base;
  }

  copy(): SlotState {
    return new SlotState(this.base, this);
  }

  set(slot: number, value: Node): void {
    this.values[slot] = value;
    this.changed |= 1n << BigInt(slot);
  }

  hasChanged(slot: number): boolean {
    return (this.changed & (1n << BigInt(slot))) !== 0n;
  }

  /** What has to be stored when the region is left in this state. */
  spills(cellOf: (slot: number) => VarCell): Spill[] {
    const mask = this.base.mask();
    const spills: Spill[] = [];
    for (const { index, offset, type } of SLOTS) {
      if (this.hasChanged(index)) spills.push({ offset, type, value: this.values[index] as Node });
      else if ((mask & (1n << BigInt(index))) !== 0n) spills.push({ offset, type, value: cellOf(index) });
    }
    return spills;
  }
}
