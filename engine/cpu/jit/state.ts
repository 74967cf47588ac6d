/** What is known of the slots at one place of a region while it is being built. */
import type { FlagJoin, Node, Spill, VarCell } from '../ir/node.ts';
import { FLAG_AUX, SLOTS } from './slots.ts';

/**
 * Slots that a path may have changed since the region was entered. At the head of a loop the paths that come back are known last, so a
 * set is complete only when the region has been built.
 */
export class Dirty {
  readonly #from: { readonly set: Dirty; readonly own: SlotSet }[] = [];
  readonly #own = new SlotSet();
  #visiting = false;
  /** The lazy flag word here; of the entry, whatever memory held. */
  readonly flags: FlagJoin;

  constructor(flags: FlagJoin = flagJoin()) {
    this.flags = flags;
  }

  /** Paths that were dirty as `set` says and changed `own` come here. */
  join(set: Dirty, own: SlotSet): void {
    if (set !== this) this.#from.push({ set, own: own.copy() });
    else this.#own.addAll(own);
  }

  slots(): SlotSet {
    const all = this.#own.copy();
    if (this.#visiting) return all;
    this.#visiting = true;
    for (const { set, own } of this.#from) {
      all.addAll(own);
      all.addAll(set.slots());
    }
    this.#visiting = false;
    return all;
  }
}

export const flagJoin = (): FlagJoin => ({
  paths: [],
  reads: [],
  cell: { type: 'i64', local: -1 },
  number: { type: 'i32', local: -1 },
  isRead: false,
  isNeeded: false,
});

/** A set of slots by index, below 64. */
export class SlotSet {
  #low = 0;
  #high = 0;

  add(slot: number): void {
    if (slot < 32) this.#low |= 1 << slot;
    else this.#high |= 1 << (slot - 32);
  }

  addAll(other: SlotSet): void {
    this.#low |= other.#low;
    this.#high |= other.#high;
  }

  has(slot: number): boolean {
    return slot < 32 ? (this.#low & (1 << slot)) !== 0 : (this.#high & (1 << (slot - 32))) !== 0;
  }

  copy(): SlotSet {
    const set = new SlotSet();
    set.#low = this.#low;
    set.#high = this.#high;
    return set;
  }
}

/** Slots with their present values; a slot without one still has what its cell holds. */
export class SlotState {
  readonly values: (Node | undefined)[];
  /** Slots whose value differs from the cell's. */
  readonly changed: SlotSet;
  /** Instructions retired since the budget was brought up to date. */
  retired: number;
  readonly base: Dirty;

  constructor(base: Dirty, from?: SlotState) {
    this.values = from ? from.values.slice() : new Array<Node | undefined>(SLOTS.length).fill(undefined);
    this.changed = from ? from.changed.copy() : new SlotSet();
    this.retired = from ? from.retired : 0;
    this.base = base;
  }

  copy(): SlotState {
    return new SlotState(this.base, this);
  }

  set(slot: number, value: Node): void {
    this.values[slot] = value;
    this.changed.add(slot);
  }

  hasChanged(slot: number): boolean {
    return this.changed.has(slot);
  }

  /** What has to be stored when the region is left in this state. */
  spills(cellOf: (slot: number) => VarCell): Spill[] {
    const dirty = this.base.slots();
    const spills: Spill[] = [];
    for (const { index, offset, type } of SLOTS) {
      if (this.changed.has(index)) spills.push({ offset, type, value: this.values[index] as Node });
      else if (dirty.has(index)) spills.push({ offset, type, value: index === FLAG_AUX ? this.base.flags : cellOf(index) });
    }
    return spills;
  }
}
