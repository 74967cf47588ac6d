/** Slots of a region while it is built: what they hold where the builder is, and the x87 stack, which moves among its slots. */
import type { MemoryOp } from '../../wasm/opcodes.ts';
import type { IrBuilder } from '../ir/builder.ts';
import type { FlagJoin, Node, VarCell } from '../ir/node.ts';
import { offsetOf } from '../state.ts';
import { EXPONENTS, flagWordOf, SIGNIFICANDS, SLOTS, STATUS_WORD, TAGS, XMM_FROM } from './slots.ts';
import { turnedTags } from './stack-slots.ts';
import { Dirty, flagJoin, SlotState } from './state.ts';
import { ValueBuilder } from './values.ts';

const [FPR, FTOP, FTAG, FSW] = [offsetOf('fpr'), offsetOf('ftop'), offsetOf('ftag'), offsetOf('fsw')];
/** What nobody reads or writes in memory where the region keeps the stack. */
const STACK = [FTAG, ...Array.from({ length: 128 }, (_, i) => FPR + i)];

/** An instruction that a region cannot hold: it ends before it. */
export class Refused extends Error {}

export class SlotBuilder extends ValueBuilder {
  readonly cpu: Node;
  slots: SlotState;
  protected readonly cells: (VarCell | undefined)[] = [];
  /** The flags as the region is entered. */
  protected readonly entry: FlagJoin;
  /** The x87 stack is kept in locals. */
  readonly keepsStack: boolean;
  /** i32: TOP at the entry of the region, and where the registers counted from there lie, less the offset of register 0. */
  readonly top: VarCell = { type: 'i32', local: -1 };
  readonly stackPlaces: readonly VarCell[];
  readonly #topValue: Node;
  readonly #summaries = new Map<Node, Node>();

  constructor(keepsStack: boolean) {
    super();
    this.cpu = this.param(0, 'i32');
    this.entry = flagJoin(true);
    this.slots = new SlotState(new Dirty(this.entry));
    this.keepsStack = keepsStack;
    this.stackPlaces = keepsStack ? Array.from({ length: 8 }, () => ({ type: 'i32', local: -1 })) : [];
    this.#topValue = this.first(this.top);
  }

  /** The value of a cell that only the prologue assigns, for all of the region. */
  protected first(cell: VarCell): Node {
    return this.node({ op: 'variable', variable: cell }, cell.type, [], 'pure');
  }

  cell(slot: number): VarCell {
    let cell = this.cells[slot];
    if (cell === undefined) {
      cell = { type: (SLOTS[slot] as (typeof SLOTS)[number]).type, local: -1 };
      this.cells[slot] = cell;
    }
    return cell;
  }

  protected slotValue(slot: number): Node {
    let value = this.slots.values[slot];
    if (value === undefined) {
      value = this.readCell(slot);
      this.slots.note(slot, value);
    }
    return value;
  }

  protected readCell(slot: number): Node {
    const word = this.slots.base.flags.words[flagWordOf(slot)];
    if (word === undefined) return this.valueOf(this.cell(slot));
    const value = this.valueOf(word.cell);
    word.reads.push(value);
    return value;
  }

  /** The lowest scalar of an XMM register, as a float. */
  scalar(register: number, bits: 32 | 64): Node {
    return this.lane(
      bits === 64 ? 'f64x2.extract_lane' : 'f32x4.extract_lane',
      0,
      `f${bits}`,
      this.slotValue(XMM_FROM + register),
    );
  }

  /** Has the region come to know this XMM register where it is? */
  holdsFloats(register: number): boolean {
    return this.slots.values[XMM_FROM + register] !== undefined;
  }

  /** What memory holds of a slot. */
  protected loaded(
    { ir, load }: { ir: IrBuilder; load: (name: MemoryOp, at: Node, offset: number) => Node },
    slot: number,
    top: Node,
  ): Node {
    const { offset, type, bits, turned } = SLOTS[slot] as (typeof SLOTS)[number];
    if (type === 'v128') return ir.loadV(this.cpu, offset);
    if (turned === 'tags') return turnedTags(ir, load('i64.load8_u', this.cpu, offset), top);
    const at = turned === undefined ? this.cpu : ir.valueOf(this.stackPlaces[turned] as VarCell);
    return load(bits === 16 ? 'i64.load16_u' : 'i64.load', at, offset);
  }

  // ---- the x87 stack ----

  /** ST(i): significand, sign with exponent. */
  stackRegister(i: number): { significand: Node; signExponent: Node } {
    const at = (this.slots.top + i) & 7;
    return { significand: this.slotValue(SIGNIFICANDS + at), signExponent: this.slotValue(EXPONENTS + at) };
  }

  setStackRegister(i: number, { significand, signExponent }: { significand: Node; signExponent: Node }): void {
    const at = (this.slots.top + i) & 7;
    this.slots.set(SIGNIFICANDS + at, significand);
    this.slots.set(EXPONENTS + at, signExponent);
  }

  /** Bit i: register i is full, counted from TOP at the entry of the region. */
  get stackTags(): Node {
    return this.slotValue(TAGS);
  }

  set stackTags(tags: Node) {
    this.slots.set(TAGS, tags);
  }

  /** The x87 status word, below 2^16. Operations of regions leave ES as it is. */
  get statusWord(): Node {
    return this.slotValue(STATUS_WORD);
  }

  set statusWord(word: Node) {
    this.#summaries.set(word, this.summaryOf(this.statusWord));
    this.slots.set(STATUS_WORD, word);
  }

  /** An earlier status word whose ES is that of this one. */
  summaryOf(word: Node): Node {
    return this.#summaries.get(word) ?? word;
  }

  get stackTop(): number {
    return this.slots.top;
  }

  /** Registers go or come. */
  moveStackTop(by: number): void {
    this.slots.top = (this.slots.top + by) & 7;
  }

  /** Bring memory up to the top `count` registers, tags and TOP, and the status word. */
  storeStack(count: number): void {
    for (let i = 0; i < count; i++) {
      const address = this.valueOf(this.stackPlaces[(this.slots.top + i) & 7] as VarCell);
      const { significand, signExponent } = this.stackRegister(i);
      super.store('i64.store', address, significand, FPR);
      super.store('i64.store16', address, signExponent, FPR + 8);
    }
    const top = this.numeric('i32.add', this.#topValue, this.const32(this.slots.top));
    super.store('i32.store8', this.cpu, this.numeric('i32.and', top, this.const32(7)), FTOP);
    const turned = this.numeric(
      'i64.rotl',
      this.numeric('i64.mul', this.stackTags, this.const64(0x0101010101010101n)),
      this.numeric('i64.extend_i32_u', this.#topValue),
    );
    super.store('i64.store8', this.cpu, turned, FTAG);
    super.store('i64.store16', this.cpu, this.slotValue(STATUS_WORD), FSW);
  }

  /** Memory has changed: the top `count` registers, tags and the status word are what stands there. */
  loadStack(count: number): void {
    const slots = [TAGS];
    for (let i = 0; i < count; i++) slots.push(SIGNIFICANDS + ((this.slots.top + i) & 7), EXPONENTS + ((this.slots.top + i) & 7));
    const load = (name: MemoryOp, at: Node, offset: number): Node => super.load(name, at, offset);
    for (const slot of slots) this.slots.set(slot, this.loaded({ ir: this, load }, slot, this.#topValue));
    this.statusWord = this.loaded({ ir: this, load }, STATUS_WORD, this.#topValue);
  }

  protected refuseStack(offset: number, isStore = false): void {
    if (STACK.includes(offset) || (isStore && offset === FTOP)) throw new Refused('what the region keeps in locals');
  }

  /** TOP, as an i64. */
  protected topNow(): Node {
    const top = this.numeric('i32.add', this.#topValue, this.const32(this.slots.top));
    return this.numeric('i64.extend_i32_u', this.numeric('i32.and', top, this.const32(7)));
  }
}
