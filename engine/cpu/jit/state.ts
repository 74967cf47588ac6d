/** What is known of the slots at one place of a region while it is being built. */
import type { FlagJoin, FlagWord, Node, Spill, VarCell } from '../ir/node.ts';
import { flagWordOf, SLOTS } from './slots.ts';

/**
 * Slots whose present value memory may not have, where paths join. At the head of a loop the paths that come back are known last, so a set is
 * complete only when the region has been built and `completeAll` has run.
 */
export class Dirty {
  readonly #from: { readonly set: Dirty; readonly own: SlotSet; readonly stored: SlotSet }[] = [];
  /** What is known so far. */
  readonly slots = new SlotSet();
  /** The flags here; of the entry, whatever memory held. */
  readonly flags: FlagJoin;
  /** TOP of the x87 stack of the paths that come here, counted from that at the entry; undefined while none has come. */
  top: number | undefined;

  constructor(flags: FlagJoin = flagJoin()) {
    this.flags = flags;
  }

  /** Paths from where it was dirty as `set` says come here in this state. */
  join(set: Dirty, { changed, stored }: { readonly changed: SlotSet; readonly stored: SlotSet }): void {
    const own = changed.copy();
    own.removeAll(stored);
    this.#from.push({ set, own, stored: stored.copy() });
    this.#complete();
  }

  #complete(): boolean {
    const before = this.slots.copy();
    for (const { set, own, stored } of this.#from) {
      const rest = set.slots.copy();
      rest.removeAll(stored);
      this.slots.addAll(own);
      this.slots.addAll(rest);
    }
    return !this.slots.equals(before);
  }

  static completeAll(all: Iterable<Dirty>): void {
    for (let more = true; more; ) {
      more = false;
      for (const dirty of all) more = dirty.#complete() || more;
    }
  }
}

/** `isRead`: the words are in their cells. */
export function flagJoin(isRead = false): FlagJoin {
  const words: FlagWord[] = [];
  const join: FlagJoin = { words, number: { type: 'i32', local: -1 }, slots: [], through: [] };
  for (let i = 0; i < 2; i++) {
    const cell: VarCell = { type: 'i64', local: -1, isMemory: isRead };
    words.push({ join, paths: [], reads: [], cell, isRead, isNeeded: false });
  }
  return join;
}

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

  remove(slot: number): void {
    if (slot < 32) this.#low &= ~(1 << slot);
    else this.#high &= ~(1 << (slot - 32));
  }

  removeAll(other: SlotSet): void {
    this.#low &= ~other.#low;
    this.#high &= ~other.#high;
  }

  equals(other: SlotSet): boolean {
    return this.#low === other.#low && this.#high === other.#high;
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
  /** Slots whose value memory has as well. */
  readonly stored: SlotSet;
  /** Instructions retired since the budget was brought up to date. */
  retired: number;
  /** TOP of the x87 stack, counted from that at the entry of the region. */
  top: number;
  readonly base: Dirty;

  constructor(base: Dirty, from?: SlotState) {
    this.values = from ? from.values.slice() : new Array<Node | undefined>(SLOTS.length).fill(undefined);
    this.changed = from ? from.changed.copy() : new SlotSet();
    this.stored = from ? from.stored.copy() : new SlotSet();
    this.retired = from ? from.retired : 0;
    this.top = from ? from.top : (base.top ?? 0);
    this.base = base;
  }

  copy(): SlotState {
    return new SlotState(this.base, this);
  }

  set(slot: number, value: Node): void {
    this.values[slot] = value;
    this.changed.add(slot);
    this.stored.remove(slot);
  }

  hasChanged(slot: number): boolean {
    return this.changed.has(slot);
  }

  /** Memory may have another value of this slot. */
  isUnsaved(slot: number): boolean {
    return !this.stored.has(slot) && (this.changed.has(slot) || this.base.slots.has(slot));
  }

  /** What has to be stored when the region is left in this state. */
  spills(cellOf: (slot: number) => VarCell): Spill[] {
    const dirty = this.base.slots;
    const spills: Spill[] = [];
    for (const { index, offset, type, bits, turned } of SLOTS) {
      if (this.stored.has(index)) continue;
      const where = { offset, type, bits, turned };
      if (this.changed.has(index)) spills.push({ ...where, value: this.values[index] as Node });
      else if (dirty.has(index)) spills.push({ ...where, value: this.base.flags.words[flagWordOf(index)] ?? cellOf(index) });
    }
    return spills;
  }
}
