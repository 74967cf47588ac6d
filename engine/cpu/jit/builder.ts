/**
 * Builds the IR of a region. State slots are values in single assignment: a write only replaces what later reads see, and cells (wasm
 * locals) are assigned where paths join. Equal pure values are one node. Where the region may be left, the state at the beginning of the
 * instruction is what the interpreter finds.
 */
import type { ValueType } from '../../wasm/code.ts';
import type { MemoryOp } from '../../wasm/opcodes.ts';
import { IrBuilder } from '../ir/builder.ts';
import type { Exit, GuestPlace, LabelCell, LeavePoint, Node, NodeOp, Statement, VarCell } from '../ir/node.ts';
import { CPU_SITES, LEFT, SITES } from '../regions.ts';
import { CONTROLS, FAST, FLUSH } from '../routines/mxcsr.ts';
import { offsetOf } from '../state.ts';
import { COMPUTES, REFUSED, REGISTERS } from './called.ts';
import type { FlagFact } from './conditions.ts';
import { checkPages } from './far-check.ts';
import { Groups } from './groups.ts';
import type { RegionHooks, RegionStart } from './hooks.ts';
import { Refused, SlotBuilder } from './slot-builder.ts';
import { loadedPart, partOf, storedPart, withPart } from './slot-parts.ts';
import { FLAGS, flagWordOf, GENERAL, SLOTS, type Slot, slotAt } from './slots.ts';
import { turnedAddress } from './stack-slots.ts';
import { Dirty, SlotSet, SlotState } from './state.ts';
import { CR0, CR4, OSFXSR, type Scope, SSE_OFF, scopeIn } from './values.ts';

const CONTEXT = offsetOf('context');
const MXCSR = offsetOf('mxcsr');
const FTOP = offsetOf('ftop');
/** Instructions of loops between two looks at what others ask for: that much of the budget is in a local, the rest in memory. */
export const POLL_INSTRUCTIONS = 1024;
const STABLE = new Set((['cr0', 'cr4', 'shared', 'fsBase', 'gsBase', 'cpl'] as const).map(offsetOf));

export class RegionBuilder extends SlotBuilder {
  readonly budget: VarCell;
  /** RIP at the start of the region's page. */
  readonly page: VarCell;
  readonly #hooks: RegionHooks;
  readonly #points: LeavePoint[] = [];
  /** i32: 0 where SSE arithmetic may use the host's. */
  readonly #notFast: VarCell = { type: 'i32', local: -1 };
  #isNotFast: Node | undefined;
  #start: SlotState;
  #startRip = 0;
  #startDepth = 0;
  /** Branches of instructions and of blocks around the present place. */
  #depth = 0;
  #interpret: LeavePoint | undefined;
  readonly #joins = new Set<Dirty>();
  readonly #groups = new Groups();
  /**
   * General registers are stored before the first access of an instruction, each value once, and not at every place where the region may be
   * left: a seventh less code. In the innermost loops the stores would cost more than the code.
   */
  storesEarly = false;
  readonly #facts = new Map<Node, FlagFact>();
  /** Vectors that operations of the region have made, by their format: no lane is denormal. */
  readonly laneResults = new Map<Node, 32 | 64>();
  /** Nothing is taken for granted of floats: any are computed with. */
  anyFloat = false;
  hasChangedStable = false;
  /** Names the registers that form the address of what is accessed next. */
  site = 0;

  constructor(hooks: RegionHooks) {
    super(hooks.keepsStack);
    this.#hooks = hooks;
    this.#start = this.slots;
    this.budget = { type: 'i32', local: -1 };
    this.page = { type: 'i64', local: -1 };
  }

  // ---- slots ----

  /** What the region's function does first: refuse where the budget may not last, load what is kept in locals. */
  prologue(region: RegionStart): readonly Statement[] {
    Dirty.completeAll(this.#joins);
    for (const point of this.#points) point.spills();
    const ir = new IrBuilder();
    const budget = ir.variable(ir.load('i32.load', this.cpu, offsetOf('budget')));
    ir.if(ir.numeric('i32.lt_u', ir.valueOf(budget), ir.const32(region.instructions)), () =>
      ir.exit({ exit: 'return', value: ir.const32(LEFT.skip) }),
    );
    if (this.usesSse) {
      const off = ir.numeric('i64.and', ir.load('i64.load', this.cpu, CR0), ir.const64(SSE_OFF));
      const on = ir.numeric('i64.and', ir.load('i64.load', this.cpu, CR4), ir.const64(OSFXSR));
      const refused = ir.numeric('i32.or', ir.numeric('i64.ne', off, ir.const64(0n)), ir.numeric('i64.eqz', on));
      ir.if(refused, () => ir.exit({ exit: 'return', value: ir.const32(LEFT.skip) }));
    }
    const rip = ir.load('i64.load', this.cpu, offsetOf('rip'));
    ir.assign(this.page, ir.numeric('i64.sub', rip, ir.const64(BigInt(region.entry))));
    if (region.far !== undefined) {
      const tag = ir.numeric('i64.or', ir.valueOf(this.page), ir.load('i64.load', this.cpu, CONTEXT));
      checkPages(ir, { cpu: this.cpu, tag, long: region.long }, region.far);
    }
    if (this.#isNotFast !== undefined) {
      const controls = ir.numeric('i32.and', ir.load('i32.load', this.cpu, MXCSR), ir.const32(CONTROLS & ~FLUSH));
      ir.assign(this.#notFast, ir.numeric('i32.ne', controls, ir.const32(FAST)));
    }
    for (const [i, { cell, reads }] of this.entry.words.entries()) if (reads.length > 0) this.cells[FLAGS + i] = cell;
    if (this.keepsStack) {
      ir.assign(this.top, ir.load('i32.load8_u', this.cpu, FTOP));
      for (const [by, cell] of this.stackPlaces.entries())
        ir.assign(cell, turnedAddress(ir, this.cpu, { top: ir.valueOf(this.top), by }));
    }
    for (const [slot, cell] of this.cells.entries()) {
      const load = (name: MemoryOp, at: Node, offset: number): Node => ir.load(name, at, offset);
      if (cell !== undefined) ir.assign(cell, this.loaded({ ir, load }, slot, ir.valueOf(this.top)));
    }
    if (region.loops) {
      const all = ir.valueOf(budget);
      const over = ir.numeric('i32.sub', all, ir.const32(POLL_INSTRUCTIONS));
      const isPositive = ir.numeric('i32.xor', ir.numeric('i32.shr_s', over, ir.const32(31)), ir.const32(-1));
      const rest = ir.variable(ir.numeric('i32.and', over, isPositive));
      ir.store('i32.store', this.cpu, ir.valueOf(rest), offsetOf('budget'));
      ir.assign(this.budget, ir.numeric('i32.sub', all, ir.valueOf(rest)));
    }
    return ir.root;
  }

  /** At the head of a loop: go on only while the budget lasts for all of the region and nobody asks for anything. */
  poll(instructions: number): void {
    const point = this.#point(this.slots, { how: 'skip', rip: this.#startRip, faulted: false });
    this.push({ s: 'poll', least: instructions, point });
  }

  protected override stays(node: Node): boolean {
    return this.slots.values.includes(node);
  }

  /** An instruction has left these flags, kept in `aux`. A constant says all of them by itself. */
  noteFlags(aux: Node, fact: FlagFact): void {
    if (aux.args.length > 0) this.#facts.set(aux, fact);
  }

  /** What is known of the flags in these two words. */
  factOf(aux: Node, result: Node): FlagFact | undefined {
    const fact = this.#facts.get(aux);
    if (fact === undefined || fact.result === result) return fact;
    const { carry, overflow } = fact;
    return { result: undefined, ...(carry && { carry }), ...(overflow && { overflow }) };
  }

  override load(name: MemoryOp, address: Node, offset = 0): Node {
    if (isCpu(address)) {
      const at = slotAt(offset, this.keepsStack);
      if (at) return this.#loadSlot(name, at.slot.index, at.byte);
      const constant = this.#hooks.constants.get(offset);
      if (constant !== undefined) return name.startsWith('i32') ? this.const32(Number(constant)) : this.const64(constant);
      if (this.keepsStack) this.refuseStack(offset);
      if (this.keepsStack && offset === FTOP) return this.topNow();
      if (STABLE.has(offset)) return this.#loadStable(name, offset);
    }
    return super.load(name, address, offset);
  }

  /** Changes only where the region is left, or by a store in it. */
  #loadStable(name: MemoryOp, offset: number): Node {
    return this.once(offset, name, () => super.load(name, this.cpu, offset));
  }

  #loadSlot(name: MemoryOp, slot: number, byte: number): Node {
    if (byte === 0 && isWhole(name, 'i64.load', slot)) return this.slotValue(slot);
    const part = loadedPart(name, byte);
    if (part === undefined) throw new Refused(`${name} of a slot`);
    return partOf(this, this.slotValue(slot), part);
  }

  override loadV(address: Node, offset = 0): Node {
    if (isCpu(address)) {
      const at = slotAt(offset, this.keepsStack);
      if (at) return this.slotValue(at.slot.index);
    }
    return super.loadV(address, offset);
  }

  override store(name: MemoryOp, address: Node, value: Node, offset = 0): void {
    if (isCpu(address)) {
      const at = slotAt(offset, this.keepsStack);
      if (at) return this.#storeSlot(name, at.slot.index, at.byte, value);
      if (this.keepsStack) this.refuseStack(offset, true);
      if (STABLE.has(offset)) throw new Refused('a store to what is taken to stay');
    }
    super.store(name, address, value, offset);
  }

  #storeSlot(name: MemoryOp, slot: number, byte: number, value: Node): void {
    if (this.dead) return;
    if (isWhole(name, 'i64.store', slot)) return this.slots.set(slot, value);
    const part = storedPart(name, byte);
    if (part === undefined) throw new Refused(`${name} of a slot`);
    this.slots.set(slot, withPart(this, this.slotValue(slot), { ...part, value }));
  }

  override storeV(address: Node, value: Node, offset = 0): void {
    if (isCpu(address)) {
      const at = slotAt(offset, this.keepsStack);
      if (at) {
        if (!this.dead) this.slots.set(at.slot.index, value);
        return;
      }
    }
    super.storeV(address, value, offset);
  }

  /**
   * SSE arithmetic uses the host's from here on. MXCSR is looked at when the region is entered, and nothing in it changes its controls; where
   * they do not let it, the interpreter goes on. Flushing and denormals as zeros concern only values that are not computed here.
   */
  requireFast(): void {
    this.#isNotFast ??= this.first(this.#notFast);
    this.if(this.#isNotFast, () => this.interpretHere());
  }

  /**
   * The exact routine has run. Where it queued an exception, or its result is none that is taken for granted later on (`good` is 0), the
   * interpreter does the instruction once more: it sets the same flags.
   */
  lookAgain(good: Node = this.const32(1)): void {
    const pending = super.load('i32.load', this.cpu, offsetOf('excPending'));
    this.if(this.numeric('i32.or', pending, this.numeric('i32.eqz', good)), () => {
      this.#countOdd();
      this.#leaveAt({ ...this.interpret(), faulted: true });
    });
  }

  /** The interpreter goes on where this is 0: a float is none that regions compute with. */
  require(good: Node): void {
    this.if(this.numeric('i32.eqz', good), () => {
      this.#countOdd();
      this.interpretHere();
    });
  }

  #countOdd(): void {
    const at = CPU_SITES + SITES.odd;
    const count = this.numeric('i32.add', super.load('i32.load', this.cpu, at), this.const32(1));
    super.store('i32.store', this.cpu, count, at);
  }

  // ---- paths ----

  /** An instruction begins here: what faults in it happens in this state. */
  begin(offset: number): void {
    this.#start = this.slots.copy();
    this.#startRip = offset;
    this.#startDepth = this.#depth;
    this.#interpret = undefined;
  }

  /** Bring memory up to general registers as they are in this state, which is the present one or that of the instruction's beginning. */
  #store(state: SlotState): void {
    for (let slot = 0; slot < GENERAL; slot++) {
      if (!state.isUnsaved(slot)) continue;
      const value = state.values[slot] ?? this.valueOf(this.cell(slot));
      const isPresent = this.slots.values[slot] === state.values[slot];
      const { offset } = SLOTS[slot] as (typeof SLOTS)[number];
      // Nothing in a region reads it back: no state changes that others could tell.
      this.push({ s: 'store', name: 'i64.store', offset, address: this.cpu, value, epoch: this.epoch });
      state.stored.add(slot);
      if (isPresent) this.slots.stored.add(slot);
    }
  }

  /** The interpreter executes the instruction that has begun. */
  interpret(): LeavePoint {
    if (this.#interpret !== undefined) return this.#interpret;
    // Elsewhere only some paths would have stored.
    if (this.storesEarly && this.#depth === this.#startDepth) this.#store(this.#start);
    this.#interpret = this.#point(this.#start, { how: 'skip', rip: this.#startRip, faulted: false });
    return this.#interpret;
  }

  #point(state: SlotState, to: Pick<LeavePoint, 'how' | 'rip' | 'faulted'>): LeavePoint {
    const kept = state === this.#start ? state : state.copy();
    let spills: ReturnType<SlotState['spills']> | undefined;
    const point = {
      ...to,
      retired: kept.retired,
      top: kept.top,
      spills: () => {
        spills ??= kept.spills((slot) => this.cell(slot));
        return spills;
      },
    };
    this.#points.push(point);
    return point;
  }

  leave(how: LeavePoint['how'], rip: Node | number): void {
    this.#leaveAt(this.#point(this.slots, { how, rip, faulted: false }));
  }

  #leaveAt(point: LeavePoint): void {
    this.push({ s: 'leave', point });
    this.isDead = true;
  }

  override exit(exit: Exit): void {
    if (this.dead) return;
    switch (exit.exit) {
      case 'finish':
        this.#hooks.next();
        break;
      case 'takeRel':
        this.#hooks.taken();
        break;
      case 'branch':
        this.#hooks.branch(exit.target);
        break;
      case 'fault':
        this.#leaveAt({ ...this.interpret(), faulted: true });
        break;
      case 'repeat':
        this.leave('skip', this.#startRip);
        break;
      case 'shadow':
        this.#hooks.shadow();
        break;
      default:
        throw new Refused(`an exit by ${exit.exit}`);
    }
    this.isDead = true;
  }

  /** Values at the end of both branches meet in cells of their own. */
  override if(condition: Node, then: () => void, otherwise?: () => void): void {
    if (this.dead) return;
    if (condition.op === 'const32') return super.if(condition, then, otherwise);
    for (let scope: Scope | undefined = this.scope; scope; scope = scope.outer) {
      if (scope.impossible?.has(condition)) {
        otherwise?.();
        return;
      }
    }
    const before = this.slots;
    const ends: { state: SlotState; block: Statement[]; dead: boolean }[] = [];
    const branch = (body: () => void) => (): void => {
      this.slots = before.copy();
      const outer = this.scope;
      this.scope = scopeIn(outer);
      this.#depth++;
      body();
      this.#depth--;
      this.scope = outer;
      ends.push({ state: this.slots, block: this.current, dead: this.dead });
    };
    super.if(condition, branch(then), otherwise && branch(otherwise));
    const statement = this.current.at(-1) as Statement & { readonly s: 'if' };
    const leaves = ends[0]?.block.at(-1);
    if (leaves?.s === 'leave' && leaves.point.how === 'skip') statement.likely = false;
    this.slots = before;
    const isThenDead = ends[0]?.dead === true;
    if (isThenDead && !this.dead) {
      this.scope.impossible ??= new Set();
      this.scope.impossible.add(condition);
    }
    if (otherwise === undefined) {
      if (isThenDead) return;
      ends.push({ state: before.copy(), block: statement.otherwise, dead: false });
    }
    const alive = ends.filter((end) => !end.dead);
    if (alive.length === 0) return;
    const [first] = alive as [(typeof alive)[number]];
    if (alive.some((end) => end.state.retired !== first.state.retired)) throw new Refused('branches of unlike length');
    before.retired = first.state.retired;
    if (alive.some((end) => end.state.top !== before.top)) throw new Refused('branches that move the stack');
    const changed = new SlotSet();
    for (const { state } of alive) {
      changed.addAll(state.changed);
      before.stored.keepAll(state.stored);
    }
    for (const index of changed.list()) {
      const wrote = alive.some(({ state }) => state.hasChanged(index) && state.values[index] !== before.values[index]);
      if (!wrote) continue;
      const phi: VarCell = { type: (SLOTS[index] as Slot).type, local: -1 };
      for (const end of alive)
        end.block.push(this.#assignment(phi, end.state.values[index] ?? this.#cellReadIn(end.block, index)));
      before.set(index, this.valueOf(phi));
    }
  }

  /** What stays true while an instruction repeats: its body must not change slots. */
  override while(condition: () => Node, body: () => void): void {
    if (this.dead) return;
    // An address found before the loop would outlive what its body calls.
    this.#groups.close();
    const before = this.slots;
    this.slots = before.copy();
    const outer = this.scope;
    this.scope = scopeIn(outer);
    this.#depth++;
    super.while(condition, body);
    this.#depth--;
    this.scope = outer;
    if (this.slots.changed.list().some((index) => this.slots.values[index] !== before.values[index]))
      throw new Refused('a loop that changes registers');
    this.slots = before;
  }

  /** A place where paths join: slots are what their cells hold. Nothing made before is known to be reachable. */
  join(base: Dirty): void {
    this.slots = new SlotState(base);
    this.scope = scopeIn(undefined);
    this.isDead = false;
    this.epoch++;
  }

  /** Do paths that come there have the x87 stack as it is here? */
  hasStackOf({ top }: Dirty): boolean {
    return top === undefined || top === this.slots.top;
  }

  /** Bring cells and budget to the present state, for a branch to where paths join. */
  settle(base: Dirty): void {
    const { slots } = this;
    base.top ??= slots.top;
    if (this.storesEarly) this.#store(slots);
    this.#joins.add(base);
    base.join(slots.base, slots);
    for (const index of slots.changed.list())
      if (flagWordOf(index) < 0) this.push(this.#assignment(this.cell(index), slots.values[index] as Node));
    this.#settleFlags(base);
    if (slots.retired > 0) {
      const left = this.numeric('i32.sub', this.valueOf(this.budget), this.const32(slots.retired));
      this.push(this.#assignment(this.budget, left));
    }
  }

  #settleFlags({ flags }: Dirty): void {
    const { values } = this.slots;
    for (const [i, word] of flags.words.entries()) {
      const value = this.slotValue(FLAGS + i);
      const isStored = value.op === 'variable' && value.what.variable.isMemory === true;
      word.paths.push({ value, leaves: isStored ? [] : undefined, isStored });
    }
    const cells = new Map<Node, VarCell>();
    for (let slot = 0; slot < GENERAL; slot++) {
      const value = values[slot];
      if (value !== undefined) cells.set(value, this.cell(slot));
    }
    const from = this.slots.base.flags;
    const { changed } = this.slots;
    const isSame = from !== this.entry && !changed.has(FLAGS) && !changed.has(FLAGS + 1);
    const assigned = (): Set<VarCell> => new Set(changed.list().flatMap((slot) => (slot < GENERAL ? [this.cell(slot)] : [])));
    flags.through.push(isSame ? { from, assigned: assigned(), isTaken: false } : undefined);
    this.push({ s: 'flags', join: flags, path: flags.slots.push(cells) - 1, epoch: this.epoch++ });
  }

  branchTo(label: LabelCell): void {
    this.push({ s: 'br', label });
    this.isDead = true;
  }

  /** To the label at `index`, or to `otherwise` where the table ends. */
  branchByTable(index: Node, labels: readonly LabelCell[], otherwise: LabelCell): void {
    this.push({ s: 'brTable', index, labels, otherwise, epoch: this.epoch });
    this.isDead = true;
  }

  /** The present place is reached by a branch from where the state was the same. */
  revive(): void {
    this.isDead = false;
  }

  /** A block or loop around what `body` builds. */
  construct(kind: 'block' | 'loop', label: LabelCell, body: () => void): void {
    const inside: Statement[] = [];
    const outer = this.current;
    if (!this.dead) outer.push({ s: kind, label, body: inside });
    this.current = inside;
    body();
    this.current = outer;
    this.epoch++;
  }

  /** Run `body` as the end of the present path: state and scope are as before afterwards, the path is over. */
  path(body: () => void): void {
    const { slots } = this;
    const scope = this.scope;
    const start = this.#start;
    const startRip = this.#startRip;
    const startDepth = this.#startDepth;
    const interpret = this.#interpret;
    this.slots = slots.copy();
    this.scope = scopeIn(scope);
    body();
    this.slots = slots;
    this.scope = scope;
    this.#start = start;
    this.#startRip = startRip;
    this.#startDepth = startDepth;
    this.#interpret = interpret;
    this.isDead = true;
    this.epoch++;
  }

  // ---- guest memory ----

  #where(linear: Node, bits: number, writes: boolean): GuestPlace {
    const point = this.interpret();
    const member = this.dead ? undefined : this.#groups.member(this.scope, linear, { bytes: bits / 8, writes });
    return { point, site: this.site, member };
  }

  override guestLoad(bits: 8 | 16 | 32 | 64 | 128, linear: Node): Node {
    const what: NodeOp = { op: 'guestLoad', bits, where: this.#where(linear, bits, false) };
    return this.define(this.node(what, bits === 128 ? 'v128' : 'i64', [linear], 'effect'));
  }

  override guestRef(bits: 8 | 16 | 32 | 64, linear: Node): Node {
    this.epoch++;
    const where = this.#where(linear, bits, true);
    const node = this.define(this.node({ op: 'guestRef', bits, where }, 'i32', [linear], 'effect'));
    this.epoch++;
    return node;
  }

  override guestStore(bits: 8 | 16 | 32 | 64 | 128, linear: Node, value: Node): void {
    const where = this.#where(linear, bits, true);
    this.push({ s: 'guestStore', bits, linear, value, epoch: this.epoch, where });
  }

  override call(callee: string, type: ValueType, args: readonly Node[], changesState: boolean): Node {
    if (REFUSED.has(callee)) {
      this.interpretHere();
      return type === 'i32' ? this.const32(0) : type === 'i64' ? this.const64(0n) : this.constV(0n, 0n);
    }
    if (!COMPUTES.test(callee)) this.#groups.close();
    const registers = REGISTERS[callee];
    if (registers === undefined) return super.call(callee, type, args, changesState);
    const at = (slot: number): number => (SLOTS[slot] as (typeof SLOTS)[number]).offset;
    for (const slot of registers.reads) super.store('i64.store', this.cpu, this.slotValue(slot), at(slot));
    const result = super.call(callee, type, args, true);
    for (const slot of registers.writes) this.slots.set(slot, super.load('i64.load', this.cpu, at(slot)));
    return result;
  }

  /** The instruction is done by a routine that leads out of the region, or by the interpreter where that will not. */
  leaveBy(first: NonNullable<LeavePoint['first']>): void {
    this.#leaveAt({ ...this.interpret(), first });
  }

  /** The region is left after this instruction: what it has read once it would take to be so still. */
  storeStable(value: Node, offset: number): void {
    super.store('i64.store', this.cpu, value, offset);
    this.hasChangedStable = true;
  }

  /** The interpreter executes the instruction that is being built. */
  interpretHere(): void {
    this.#leaveAt(this.interpret());
  }

  /** Accesses are made in another TLB context from here on. */
  contextChanged(): void {
    this.#groups.close();
    this.epoch++;
  }

  #cellReadIn(block: Statement[], slot: number): Node {
    const outer = this.current;
    this.current = block;
    const node = this.readCell(slot);
    this.current = outer;
    return node;
  }

  #assignment(variable: VarCell, value: Node): Statement {
    return { s: 'assign', variable, value, epoch: this.epoch++ };
  }
}

/** Is an operation by this name the one of all of the slot? */
const isWhole = (name: MemoryOp, ofAll: MemoryOp, slot: number): boolean => name === ofAll && SLOTS[slot]?.type !== 'v128';
const isCpu = (address: Node): boolean => address.op === 'param' && address.what.local === 0;
