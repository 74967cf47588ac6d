/** Turns a plan into the structured IR of one function: loops, blocks and branches around the instructions of its blocks. */
import type { Decoded } from '../../isa/decoded.ts';
import { int, node } from '../ir/arithmetic.ts';
import type { LabelCell, Node, Statement, VarCell } from '../ir/node.ts';
import { offsetOf } from '../state.ts';
import { RegionBuilder } from './builder.ts';
import { type Place, targetOffset } from './early-binding.ts';
import { RegionEmitter } from './emitter.ts';
import { FastFloats } from './floats.ts';
import { pageOf, type RegionBlock, type RegionInstruction, type RegionPlan } from './form.ts';
import { floatsOf } from './loop-floats.ts';
import { Refused } from './slot-builder.ts';
import { spread } from './spread.ts';
import { Dirty } from './state.ts';
import { analyse, type Structure } from './structure.ts';
import type { FloatRange } from './values.ts';
import { keepsStack } from './x87-stack.ts';

const PAGE = 4096;
const XMM_REGISTERS = 16;
/** Computed targets that are compared one after the other. */
const MOST_COMPARED = 4;

export interface RegionMode {
  /** Host page of a page of the region. */
  readonly hostPage: (number: number) => number;
  /** Entry of the vCPU that it asks when it is entered (`FAR_ENTRY`); absent: all its code is on one page. */
  readonly far?: number | undefined;
  readonly long: boolean;
  readonly flat: number;
  readonly flatCode: boolean;
  /** As `RegionOrder.anyFloat`. */
  readonly anyFloat: boolean;
  /** Address of the vCPU that runs it: a constant needs no register, and V8 knows that what lies there is in memory. */
  readonly cpu: number;
}

export interface BuiltRegion {
  readonly cpu: number;
  readonly body: readonly Statement[];
  readonly budget: VarCell;
  readonly page: VarCell;
  /** Offset of the first instruction. */
  readonly entry: number;
  /** Where the region keeps the x87 stack: TOP at the entry, and addresses of registers. */
  readonly stack: { readonly top: VarCell; readonly places: readonly VarCell[] } | undefined;
  readonly loops: boolean;
}

/** What the state block holds where regions run. */
const constants = (longMode: bigint): ReadonlyMap<number, bigint> =>
  new Map([
    [offsetOf('longMode'), longMode],
    [offsetOf('exclusive'), 0n],
  ]);
const CONSTANTS = { long: constants(1n), legacy: constants(0n) };

/** An instruction could not be built: plan again without it. */
export class Unbuildable extends Error {
  readonly at: number;
  constructor(at: number, reason: string) {
    super(reason);
    this.at = at;
  }
}

export function buildRegion(plan: RegionPlan, mode: RegionMode): BuiltRegion {
  return new TreeBuilder(plan, mode).build();
}

class TreeBuilder {
  readonly #plan: RegionPlan;
  readonly #mode: RegionMode;
  readonly #ir: RegionBuilder;
  readonly #structure: Structure;
  readonly #labels = new Map<number, { label: LabelCell; dirty: Dirty }>();
  /** By the head: labels of the loops that begin there, innermost first. */
  readonly #loops = new Map<number, { labels: readonly LabelCell[]; dirty: Dirty }>();
  readonly #ripBase: Node;
  /** The instruction being built and its block. */
  #block!: RegionBlock;
  #instruction!: RegionInstruction;
  #emitter!: RegionEmitter;
  /** Emitters whose instruction is over: a branch inside the region is still being built while what it leads to is. */
  readonly #idle: RegionEmitter[] = [];

  constructor(plan: RegionPlan, mode: RegionMode) {
    this.#plan = plan;
    this.#mode = mode;
    this.#structure = analyse(plan, (at) => this.#successors(at));
    this.#ir = new RegionBuilder({
      next: () => this.#goOn(),
      taken: () => this.#take(),
      branch: (target) => this.#branch(target),
      shadow: () => this.#shadow(),
      constants: mode.long ? CONSTANTS.long : CONSTANTS.legacy,
      keepsStack: keepsStack(plan),
    });
    this.#ir.anyFloat = mode.anyFloat;
    this.#ripBase = this.#ir.valueOf(this.#ir.page);
  }

  build(): BuiltRegion {
    const { entry, instructions } = this.#plan;
    this.#tree(entry);
    const loops = this.#structure.heads.size > 0;
    const { far, long } = this.#mode;
    const body = [...this.#ir.prologue({ entry, instructions, loops, far, long }), ...this.#ir.root];
    const { budget, page, keepsStack, top, stackPlaces: places } = this.#ir;
    const stack = keepsStack ? { top, places } : undefined;
    return { cpu: this.#mode.cpu, body, budget, page, entry, stack, loops };
  }

  #successors(at: number): readonly number[] {
    const block = this.#plan.blocks.get(at) as RegionBlock;
    const last = block.instructions.at(-1);
    const returns = last?.decoded.definition.name === 'ret' ? this.#plan.returns : [];
    return [block.next, block.taken, ...block.targets, ...returns].filter((to): to is number => to !== undefined);
  }

  // ---- structure ----

  #tree(at: number): void {
    const { heads, joins, children } = this.#structure;
    const within = (children.get(at) ?? []).filter((child) => joins.has(child));
    if (!heads.has(at)) {
      this.#within(at, within);
      return;
    }
    const labels = Array.from({ length: this.#levels(at) }, (_, depth): LabelCell => ({ name: `loop ${at} ${depth}` }));
    const loop = { labels, dirty: new Dirty() };
    this.#ir.begin(at);
    const known = this.#floats(at);
    this.#ir.settle(loop.dirty);
    const body = (): void => {
      this.#loops.set(at, loop);
      this.#ir.join(loop.dirty);
      this.#ir.begin(at);
      for (const { register, bits, range } of known) this.#ir.noteRange(this.#ir.scalar(register, bits), range);
      this.#ir.poll(this.#plan.instructions);
      this.#within(at, within);
      this.#loops.delete(at);
    };
    labels.reduce<() => void>((inside, label) => () => this.#ir.construct('loop', label, inside), body)();
  }

  /**
   * What is known of XMM registers when a loop begins, as far as it does not change them. Operands of its arithmetic are looked at here: where
   * they are not what a region computes with, the interpreter goes on.
   */
  #floats(head: number): { register: number; bits: 32 | 64; range: FloatRange }[] {
    const ir = this.#ir;
    if (ir.dead || ir.anyFloat) return [];
    const body = this.#structure.bodies.get(head) as ReadonlySet<number>;
    const { written, operands } = floatsOf([...body].map((block) => this.#plan.blocks.get(block) as RegionBlock));
    for (const [register, bits] of operands) new FastFloats(ir, bits).require(ir.scalar(register, bits));
    const known: { register: number; bits: 32 | 64; range: FloatRange }[] = [];
    for (let register = 0; register < XMM_REGISTERS; register++) {
      if (written.has(register) || !ir.holdsFloats(register)) continue;
      for (const bits of [32, 64] as const) {
        const range = ir.rangeOf(ir.scalar(register, bits));
        if (range !== undefined) known.push({ register, bits, range });
      }
    }
    return known;
  }

  /** Loops that begin at a block. */
  #levels(head: number): number {
    return Math.max(...(this.#structure.levels.get(head) as ReadonlyMap<number, number>).values()) + 1;
  }

  #within(at: number, joins: readonly number[]): void {
    const [outermost, ...rest] = joins;
    if (outermost === undefined) {
      this.#blockCode(this.#plan.blocks.get(at) as RegionBlock);
      return;
    }
    const join = { label: { name: `join ${outermost}` }, dirty: new Dirty() };
    this.#labels.set(outermost, join);
    this.#ir.construct('block', join.label, () => this.#within(at, rest));
    this.#labels.delete(outermost);
    this.#ir.join(join.dirty);
    this.#tree(outermost);
  }

  /** Control goes to a block of the region, or leaves it. */
  #edge(to: number): void {
    const from = this.#block.at;
    const loop = this.#loops.get(to);
    const isBack = (this.#structure.order.get(to) as number) <= (this.#structure.order.get(from) as number);
    if (this.#structure.isRefused(from, to) || (isBack && loop === undefined)) return this.#ir.leave('chain', to);
    const target = isBack ? loop : this.#labels.get(to);
    if (target !== undefined) {
      if (!this.#ir.hasStackOf(target.dirty)) return this.#ir.leave('chain', to);
      this.#ir.settle(target.dirty);
      const level = this.#structure.levels.get(to)?.get(from) ?? 0;
      this.#ir.branchTo('labels' in target ? (target.labels[level] as LabelCell) : target.label);
      return;
    }
    const [block, instruction, emitter] = [this.#block, this.#instruction, this.#emitter];
    this.#ir.path(() => this.#tree(to));
    [this.#block, this.#instruction, this.#emitter] = [block, instruction, emitter];
    this.#ir.storesEarly = !this.#structure.inner.has(from);
  }

  // ---- instructions ----

  #rip(offset: number): Node {
    return this.#ir.numeric('i64.add', this.#ripBase, this.#ir.const64(BigInt(offset)));
  }

  /** The distance from the start of the page; undefined where that is not known. */
  #offsetOf(rip: Node): number | undefined {
    let distance = 0n;
    for (let at = rip; ; at = at.args[0] as Node) {
      if (at === this.#ripBase) return Number(distance);
      const by = at.op === 'numeric' && at.what.name === 'i64.add' ? at.args[1]?.what : undefined;
      if (by?.op !== 'const64') return undefined;
      distance += BigInt.asIntN(64, by.value);
    }
  }

  #blockCode(block: RegionBlock): void {
    this.#ir.storesEarly = !this.#structure.inner.has(block.at);
    const { instructions } = block;
    for (let i = 0; i < instructions.length; i++) {
      if (this.#ir.dead) return;
      const instruction = instructions[i] as RegionInstruction;
      this.#block = block;
      this.#instruction = instruction;
      this.#ir.begin(instruction.at);
      this.#one(instruction, instructions[i + 1]?.decoded);
    }
    if (!this.#ir.dead) this.#follow(block);
  }

  #one({ decoded, at }: RegionInstruction, after: Decoded | undefined): void {
    const { long, flat, flatCode } = this.#mode;
    // Routines are told of places by offsets in their page.
    const from = pageOf(at) * PAGE;
    const ripBase = from === 0 ? this.#ripBase : this.#rip(from);
    const place: Place = { ripBase, next: at + decoded.length - from, long, flat, flatCode };
    const emitter = this.#idle.pop() ?? new RegionEmitter(this.#ir);
    this.#emitter = emitter;
    emitter.begin(decoded, place, after);
    try {
      decoded.definition.run(emitter, decoded.facts);
    } catch (thrown) {
      if (thrown instanceof Refused) throw new Unbuildable(at, thrown.message);
      throw thrown;
    }
    this.#idle.push(emitter);
    if (this.#ir.dead) return;
    this.#ir.slots.retired++;
    if (this.#ir.hasChangedStable) {
      this.#ir.hasChangedStable = false;
      return this.#ir.leave('chain', at + decoded.length);
    }
    if (emitter.endsBlock) this.#ir.leave('again', at + decoded.length);
  }

  #isLast(): boolean {
    return this.#block.instructions.at(-1) === this.#instruction;
  }

  /** An instruction has ended inside one of its branches. */
  #goOn(): void {
    throw new Refused('an end inside a branch');
  }

  #shadow(): void {
    const { decoded, at } = this.#instruction;
    this.#ir.slots.retired++;
    this.#ir.leave('shadow', at + decoded.length);
  }

  /** The block's last instruction has ended and control goes on after it. */
  #follow(block: RegionBlock): void {
    if (block.next !== undefined) this.#edge(block.next);
    else this.#ir.leave('chain', block.end);
  }

  #take(): void {
    const { decoded, at } = this.#instruction;
    const { taken } = this.#block;
    const next = at + decoded.length;
    if (!this.#isLast()) throw new Refused('a branch in the middle of a block');
    const target = targetOffset(decoded, next);
    const emitter = this.#emitter;
    const operand = decoded.variant.operands.find((o) => o.kind === 'rel');
    if (operand === undefined) throw new Refused('a branch without a target');
    const away = emitter.relTarget(operand);
    if (!this.#mode.long || (taken === undefined && pageOf(target) !== pageOf(at))) emitter.checkAnyTarget(away);
    if (this.#ir.dead) return;
    this.#ir.slots.retired++;
    if (taken !== undefined) this.#edge(taken);
    else this.#ir.leave('chain', this.#offsetOf(node(away)) ?? node(away));
  }

  /** Computed targets stay inside where they have led before, returns where they lead behind the region's own calls. */
  #branch(target: Node): void {
    this.#ir.slots.retired++;
    const ir = this.#ir;
    const emitter = this.#emitter;
    const { at, targets } = this.#block;
    const known = this.#instruction.decoded.definition.name === 'ret' ? this.#plan.returns : targets;
    const inside = known.filter((offset) => !this.#structure.isRefused(at, offset));
    if (inside.length <= MOST_COMPARED) {
      for (const offset of inside) ir.if(ir.numeric('i64.eq', target, this.#rip(offset)), () => this.#edge(offset));
    } else this.#dispatch(target, inside);
    emitter.leavesTo(int(target));
    if (ir.dead) return;
    if (known === targets) this.#noteJump();
    ir.leave('chain', target);
  }

  /** Where the interpreter goes on, it learns what jump led there. */
  #noteJump(): void {
    const { decoded, at } = this.#instruction;
    const end = (this.#mode.hostPage(pageOf(at)) - pageOf(at)) * PAGE + at + decoded.length;
    this.#ir.store('i32.store', this.#ir.cpu, this.#ir.const32(end), offsetOf('jumpSource'));
  }

  /** Many targets: a table by a hash of the offset, then the comparison. Goes on after it where the target is none of them. */
  #dispatch(target: Node, offsets: readonly number[]): void {
    const ir = this.#ir;
    const { multiplier, bits, slots } = spread(offsets);
    const offset = ir.numeric('i32.wrap_i64', ir.numeric('i64.sub', target, this.#ripBase));
    const hash = ir.numeric('i32.mul', offset, ir.const32(multiplier));
    const index = ir.numeric('i32.shr_u', hash, ir.const32(32 - bits));
    const elsewhere: LabelCell = { name: 'elsewhere' };
    const labels = offsets.map((at): LabelCell => ({ name: `target ${at}` }));
    const within = (i: number): void => {
      if (i === offsets.length) {
        const table = slots.map((at) => (at === undefined ? elsewhere : (labels[at] as LabelCell)));
        return ir.branchByTable(index, table, elsewhere);
      }
      ir.construct('block', labels[i] as LabelCell, () => within(i + 1));
      const to = offsets[i] as number;
      ir.path(() => {
        ir.revive();
        ir.if(ir.numeric('i64.ne', target, this.#rip(to)), () => ir.branchTo(elsewhere));
        this.#edge(to);
      });
    };
    ir.construct('block', elsewhere, () => within(0));
    ir.revive();
  }
}
