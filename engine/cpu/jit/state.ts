/** What is known of the slots at one place of a region while it is being built. */
import type { FlagJoin, FlagWord, Node, Spill, VarCell } from '../ir/node.ts';
import { flagWordOf, SLOTS, type Slot } from './slots.ts';

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
    let isMore = false;
    for (const { set, own, stored } of this.#from) {
      isMore = this.slots.addAll(own) || isMore;
      isMore = this.slots.addAll(set.slots, stored) || isMore;
    }
    return isMore;
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

  /** Those of the other set that are not in `without`: are there any that were not here? */
  addAll(other: SlotSet, without = NO_SLOTS): boolean {
    const low = other.#low & ~(this.#low | without.#low);
    const high = other.#high & ~(this.#high | without.#high);
    this.#low |= low;
    this.#high |= high;
    return (low | high) !== 0;
  }

  remove(slot: number): void {
    if (slot < 32) this.#low &= ~(1 << slot);
    else this.#high &= ~(1 << (slot - 32));
  }

  removeAll(other: SlotSet): void {
    this.#low &= ~other.#low;
    this.#high &= ~other.#high;
  }

  /** Those that are in the other set as well stay. */
  keepAll(other: SlotSet): void {
    this.#low &= other.#low;
    this.#high &= other.#high;
  }

  /** Its slots in order. */
  list(): number[] {
    const slots: number[] = [];
    for (let rest = this.#low; rest !== 0; rest &= rest - 1) slots.push(31 - Math.clz32(rest & -rest));
    for (let rest = this.#high; rest !== 0; rest &= rest - 1) slots.push(63 - Math.clz32(rest & -rest));
    return slots;
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

const NO_SLOTS = new SlotSet();

/** Slots with their present values; a slot without one still has what its cell holds. */
export class SlotState {
  #values: (Node | undefined)[];
  /** A copy has the same values until one of both changes them. */
  #isShared = false;
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
    this.#values = from ? from.#values : new Array<Node | undefined>(SLOTS.length).fill(undefined);
    if (from) {
      from.#isShared = true;
      this.#isShared = true;
    }
    this.changed = from ? from.changed.copy() : new SlotSet();
    this.stored = from ? from.stored.copy() : new SlotSet();
    this.retired = from ? from.retired : 0;
    this.top = from ? from.top : (base.top ?? 0);
    this.base = base;
  }

  copy(): SlotState {
    return new SlotState(this.base, this);
  }

  get values(): readonly (Node | undefined)[] {
    return this.#values;
  }

  /** The value is what the slot has already. */
  note(slot: number, value: Node): void {
    if (this.#isShared) {
      this.#values = this.#values.slice();
      this.#isShared = false;
    }
    this.#values[slot] = value;
  }

  set(slot: number, value: Node): void {
    this.note(slot, value);
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
    const unsaved = this.base.slots.copy();
    unsaved.addAll(this.changed);
    unsaved.removeAll(this.stored);
    return unsaved.list().map((index) => {
      const { offset, type, bits, turned } = SLOTS[index] as Slot;
      const value = this.changed.has(index)
        ? (this.#values[index] as Node)
        : (this.base.flags.words[flagWordOf(index)] ?? cellOf(index));
      return { offset, type, bits, turned, value };
    });
  }
}
