/** Regions to wasm: guest memory by an inline probe of the TLB, and places where the state goes back to memory. */
import type { Code, ValueType } from '../../wasm/code.ts';
import { CARRY_OVERFLOW_ADJUST } from '../ir/flags.ts';
import { type Frame, type GuestStore, Lowering } from '../ir/lower.ts';
import type {
  Exit,
  FlagJoin,
  FlagPath,
  FlagWord,
  GuestPlace,
  LeavePoint,
  Node,
  NodeOp,
  Spill,
  Statement,
  VarCell,
} from '../ir/node.ts';
import { LEFT } from '../regions.ts';
import { offsetOf } from '../state.ts';
import { POLL_INSTRUCTIONS } from './builder.ts';
import { Ends, type NearPoint } from './ends.ts';
import { isFollower } from './groups.ts';
import { Reach, type ReachFrame } from './reach.ts';
import { LEAVE_AFTER, slotOfLast } from './table.ts';

/** The parameter of a region. */
const CPU = 0;
const [RIP, BUDGET] = [offsetOf('rip'), offsetOf('budget')];
const [REQUEST, POLL_MASK] = [offsetOf('request'), offsetOf('pollMask')];
const LOAD = { 8: 'i64.load8_u', 16: 'i64.load16_u', 32: 'i64.load32_u', 64: 'i64.load' } as const;
const STORE = { 8: 'i64.store8', 16: 'i64.store16', 32: 'i64.store32', 64: 'i64.store' } as const;
type Bits = 8 | 16 | 32 | 64 | 128;

export interface RegionFunction {
  readonly code: Code;
  readonly functionIndex: (name: string) => number;
  /** Of a routine. */
  readonly typeOf: (name: string) => number;
  /** Type (i32 cpu) → i32 of regions. */
  readonly regionType: number;
  readonly budget: VarCell;
  readonly page: VarCell;
  /** Offset of the first instruction. */
  readonly entry: number;
  /** Where the region keeps the x87 stack: TOP at the entry, and addresses of registers. */
  readonly stack: { readonly top: VarCell; readonly places: readonly VarCell[] } | undefined;
  /** As `RegionMode.cpu`. */
  readonly cpu: number;
}

export function lowerRegion(body: readonly Statement[], into: RegionFunction): void {
  const frame = new RegionFrame(into);
  const lowering = new RegionLowering(frame, into);
  // A constant from here on, for V8: shorter than one at every use.
  into.code.i32(into.cpu);
  into.code.set(CPU);
  lowering.block(body);
  into.code.unreachable();
  into.code.close();
}

/** A word of the flags that is computed where the region is left. */
interface LazySpill {
  readonly offset: number;
  readonly word: FlagWord;
}

const isNear = (point: LeavePoint): point is NearPoint =>
  (point.how === 'skip' || point.how === 'chain') && typeof point.rip === 'number';

type Carries = Node & { readonly what: NodeOp & { readonly op: 'carries' } };

const [FLAG_RESULT, FLAG_AUX] = [offsetOf('flagResult'), offsetOf('flagAux')];
const isFlagWord = (offset: number): boolean => offset === FLAG_RESULT || offset === FLAG_AUX;

/** What both words of the flags come from, if that is a sum or difference of two operands. */
function carriesIn(spills: readonly Spill[]): Carries | undefined {
  let [result, aux]: (Spill['value'] | undefined)[] = [];
  for (const { offset, value } of spills) {
    if (offset === FLAG_RESULT) result = value;
    if (offset === FLAG_AUX) aux = value;
  }
  const isPlain = aux !== undefined && 'what' in aux && aux.op === 'carries' && aux.what.plain && aux.what.result === result;
  return isPlain ? (aux as Carries) : undefined;
}

interface Taken {
  readonly type: ValueType;
  readonly local: number;
}

class RegionFrame implements Frame {
  readonly code: Code;
  readonly functionIndex: (name: string) => number;
  readonly #regionType: number;
  readonly #free: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  #taken: Taken[] = [];

  constructor(into: RegionFunction) {
    this.code = into.code;
    this.functionIndex = into.functionIndex;
    this.#regionType = into.regionType;
  }

  local(type: ValueType): number {
    const local = this.#free[type].pop() ?? this.code.local(type);
    this.#taken.push({ type, local });
    return local;
  }

  /** Locals taken from here on are free again after `close`, to which what this returns is given. */
  open(): Taken[] {
    const outer = this.#taken;
    this.#taken = [];
    return outer;
  }

  close(outer: Taken[]): void {
    for (const { type, local } of this.#taken.reverse()) this.#free[type].push(local);
    this.#taken = outer;
  }

  scope(body: () => void): void {
    const outer = this.open();
    body();
    this.close(outer);
  }

  exit(exit: Exit): void {
    if (exit.exit === 'instead') return this.code.returnCallIndirect(this.#regionType, 0);
    if (exit.exit !== 'return') throw new TypeError(`a region cannot leave by ${exit.exit}`);
    this.code.return();
  }
}

class RegionLowering extends Lowering implements ReachFrame {
  readonly #into: RegionFunction;
  readonly #region: RegionFrame;
  #memo = new Map<Node, number>();
  readonly #reach: Reach;
  /** Values of another path are being computed: their locals mean something else by now. */
  #isJoined = false;
  readonly #ends: Ends;
  /** Loops of the region around what is being lowered. */
  loopDepth = 0;

  constructor(frame: RegionFrame, into: RegionFunction) {
    super(frame);
    this.#region = frame;
    this.#into = into;
    this.#reach = new Reach(this);
    this.#ends = new Ends(into.code, into.entry);
  }

  get code(): Code {
    return this.#into.code;
  }

  get cpu(): number {
    return this.#into.cpu;
  }

  functionIndex(name: string): number {
    return this.#into.functionIndex(name);
  }

  local(type: ValueType): number {
    return this.#region.local(type);
  }

  aside(body: () => void): void {
    const outer = this.#memo;
    this.#memo = new Map();
    this.#region.scope(body);
    this.#memo = outer;
  }

  /** Cells outlive the constructs they are assigned in. */
  permanent(cell: VarCell): number {
    if (cell.local < 0) cell.local = this.#into.code.local(cell.type);
    return cell.local;
  }

  protected override statement(statement: Statement): void {
    if (statement.s === 'assign' && statement.variable.isMemory && statement.variable.isUsed !== true) return;
    const isLoop = statement.s === 'loop';
    if (isLoop) this.loopDepth++;
    super.statement(statement);
    if (isLoop) this.loopDepth--;
  }

  protected override guestStore({ bits, linear, value, where }: GuestStore): void {
    const { code } = this.#into;
    const place = where as GuestPlace;
    const address = this.#addressOf(linear, place);
    const local = this.asLocal(value);
    const use = (offset: number): void => {
      code.get(local);
      if (bits === 128) code.v128Store(offset);
      else code.memory(STORE[bits], offset);
    };
    this.#reach.access({ bits, write: true, where: place, linear: address, use, type: undefined });
  }

  protected override guestLoad(bits: Bits, linear: Node, where: GuestPlace | undefined): void {
    const { code } = this.#into;
    const place = where as GuestPlace;
    const use = (offset: number): void => (bits === 128 ? code.v128Load(offset) : code.memory(LOAD[bits], offset));
    const type = bits === 128 ? 'v128' : 'i64';
    this.#reach.access({ bits, write: false, where: place, linear: this.#addressOf(linear, place), use, type });
  }

  protected override guestRef(bits: 8 | 16 | 32 | 64, linear: Node, where: GuestPlace | undefined): void {
    const { code } = this.#into;
    const place = where as GuestPlace;
    const use = (offset: number): void => {
      if (offset === 0) return;
      code.i32(offset);
      code.op('i32.add');
    };
    this.#reach.access({ bits, write: true, where: place, linear: this.#addressOf(linear, place), use, type: 'i32' });
  }

  /** The local of a linear address. One that somebody else has asked for is computed where it is needed after all. */
  #addressOf(linear: Node, where: GuestPlace): () => number {
    if (!isFollower(where)) {
      const local = this.asLocal(linear);
      return () => local;
    }
    return () => {
      this.#again(linear);
      const local = this.local('i64');
      this.#into.code.set(local);
      return local;
    };
  }

  protected override cell(variable: VarCell): number {
    return this.permanent(variable);
  }

  override block(statements: readonly Statement[]): void {
    const outer = this.#region.open();
    super.block(statements);
    this.#region.close(outer);
  }

  override leave(point: LeavePoint): void {
    if (isNear(point) && point.first === undefined) this.#ends.leave(point, () => this.#end(point));
    else this.#leaveHere(point);
  }

  /** What is on the stack says where the region is left. */
  #end(point: LeavePoint): void {
    const { code } = this.#into;
    this.aside(() => {
      const place = this.local('i64');
      code.set(place);
      const spills = point.spills();
      const after = carriesIn(spills);
      this.#spills(point, after);
      code.get(CPU);
      code.get(this.permanent(this.#into.budget));
      code.get(place);
      for (const operand of after?.args.slice(0, 2) ?? []) this.#again(operand);
      this.#lastly(after ? LEAVE_AFTER[after.what.of][after.what.width] : 'leaveRegion');
    });
  }

  /** `without`: the flags, as far as they come from it, are stored by somebody else. */
  #spills(point: LeavePoint, without?: Carries): void {
    const lazy: LazySpill[] = [];
    for (const spill of point.spills()) {
      const { offset, value } = spill;
      if (without !== undefined && (value === without || value === without.what.result) && isFlagWord(offset)) continue;
      if ('paths' in value && !value.isRead && value.paths.length > 0) lazy.push({ offset, word: value });
      else this.#spill(spill);
    }
    this.#spillJoined(lazy);
    this.#spillTop(point.top);
  }

  #leaveHere(point: LeavePoint): void {
    const { code } = this.#into;
    this.aside(() => {
      this.#spills(point);
      if (point.first) this.#leaveBy(point.first, point.retired + 1);
      if (isNear(point)) {
        code.get(CPU);
        code.get(this.permanent(this.#into.budget));
        code.i64(this.#ends.placeOf(point));
        return this.#lastly('leaveRegion');
      }
      code.get(CPU);
      if (typeof point.rip === 'number') {
        code.get(this.permanent(this.#into.page));
        code.i64(point.rip);
        code.op('i64.add');
      } else this.#again(point.rip);
      if (point.how === 'chain') return this.#goOn(point.retired);
      code.memory('i64.store', RIP);
      code.get(CPU);
      this.#budgetAfter(point.retired);
      code.memory('i32.store', BUDGET);
      if (point.how === 'shadow') this.#noteShadow();
      code.i32(point.how === 'shadow' ? LEFT.shadow : 0);
      code.return();
    });
  }

  /** In the region at RIP, which is on the stack after the vCPU. */
  #goOn(retired: number): void {
    this.#budgetChange(retired);
    this.#lastly('goOn');
  }

  /** Its arguments are on the stack. */
  #lastly(name: string): void {
    const { code, typeOf } = this.#into;
    code.i32(slotOfLast(name));
    code.returnCallIndirect(typeOf(name), 0);
  }

  /** `retired` counts the instruction that the routine does. */
  #leaveBy({ callee, record, args }: NonNullable<LeavePoint['first']>, retired: number): void {
    const { code } = this.#into;
    code.get(CPU);
    code.i32(this.#into.cpu + record);
    for (const arg of args) code.i64(arg);
    code.call(this.#into.functionIndex(callee));
    code.if(undefined, true);
    code.get(CPU);
    code.get(CPU);
    code.memory('i64.load', RIP);
    this.#goOn(retired);
    code.end();
  }

  /** Goes on while the budget in the local lasts; then it is filled up again, or the region left. */
  protected override poll(least: number, point: LeavePoint): void {
    const { code } = this.#into;
    const budget = this.permanent(this.#into.budget);
    const on = code.block();
    code.get(budget);
    code.i32(least);
    code.op('i32.ge_u');
    code.brIf(on, true);
    const off = code.block();
    code.get(CPU);
    code.memory('i32.load', REQUEST);
    code.get(CPU);
    code.memory('i32.load', POLL_MASK);
    code.op('i32.and');
    code.brIf(off, false);
    this.#region.scope(() => {
      const all = this.#region.local('i32');
      this.#budgetAfter(0);
      code.tee(all);
      code.i32(least);
      code.op('i32.lt_u');
      code.brIf(off, false);
      const over = this.#region.local('i32');
      // Not by a select: V8 would keep its constant in a register all through the loop.
      code.get(CPU);
      code.get(all);
      code.i32(POLL_INSTRUCTIONS);
      code.op('i32.sub');
      code.tee(over);
      code.get(over);
      code.i32(31);
      code.op('i32.shr_s');
      code.i32(-1);
      code.op('i32.xor');
      code.op('i32.and');
      code.tee(over);
      code.memory('i32.store', BUDGET);
      code.get(all);
      code.get(over);
      code.op('i32.sub');
      code.set(budget);
    });
    code.br(on);
    code.end();
    this.leave(point);
    code.end();
  }

  /** What is left of the part in the local, or was used up where that began with 0. */
  #budgetChange(retired: number): void {
    const { code } = this.#into;
    code.get(this.permanent(this.#into.budget));
    if (retired === 0) return;
    code.i32(retired);
    code.op('i32.sub');
  }

  #budgetAfter(retired: number): void {
    const { code } = this.#into;
    this.#budgetChange(retired);
    code.get(CPU);
    code.memory('i32.load', BUDGET);
    code.op('i32.add');
  }

  /** The budget at which interrupts are still held back: what it has become. */
  #noteShadow(): void {
    const { code } = this.#into;
    code.get(CPU);
    code.get(CPU);
    code.memory('i32.load', BUDGET);
    code.memory('i32.store', offsetOf('shadowBudget'));
  }

  protected override flags(join: FlagJoin, path: number): void {
    const { code } = this.#into;
    const kept = new Map<VarCell, Node>();
    for (const { isRead, isNeeded, paths, cell } of join.words) {
      const { value, leaves } = paths[path] as FlagPath;
      if (isRead) kept.set(cell, value);
      else if (isNeeded) for (const leaf of leaves ?? []) if (!leaf.isKept) kept.set(leaf.cell, leaf.node);
    }
    for (const node of kept.values()) this.value(node);
    for (const cell of [...kept.keys()].reverse()) code.set(this.permanent(cell));
    if (join.slots.length < 2 || join.words.every(({ isRead, isNeeded }) => isRead || !isNeeded)) return;
    code.i32(path);
    code.set(this.permanent(join.number));
  }

  #spill({ offset, type, value, bits, turned }: Spill): void {
    const { code, stack } = this.#into;
    if (typeof turned === 'number') code.get(this.permanent(stack?.places[turned] as VarCell));
    else code.get(CPU);
    if ('what' in value) this.#again(value);
    else code.get(this.permanent('paths' in value ? value.cell : value));
    if (turned === 'tags') {
      code.i64(0x0101010101010101n);
      code.op('i64.mul');
      code.get(this.permanent(stack?.top as VarCell));
      code.op('i64.extend_i32_u');
      code.op('i64.rotl');
      return code.memory('i64.store8', offset);
    }
    if (type === 'v128') code.v128Store(offset);
    else code.memory(bits === 16 ? 'i64.store16' : 'i64.store', offset);
  }

  #spillTop(top: number): void {
    const { code } = this.#into;
    if (this.#into.stack === undefined) return;
    code.get(CPU);
    code.get(this.permanent(this.#into.stack.top));
    code.i32(top);
    code.op('i32.add');
    code.i32(7);
    code.op('i32.and');
    code.memory('i32.store8', offsetOf('ftop'));
  }

  /** Where the value is asked for, without a call. */
  protected override compute(node: Node): void {
    const { op, what } = node;
    if (op !== 'carries') return super.compute(node);
    const { code } = this.#into;
    const [a, b, result] = node.args.map((arg) => this.asLocal(arg)) as [number, number, number];
    const get = (local: number, inverted: boolean): void => {
      code.get(local);
      if (!inverted) return;
      code.i64(-1);
      code.op('i64.xor');
    };
    const isSum = what.of === 'sum';
    get(a, !isSum);
    code.get(b);
    code.op('i64.and');
    get(a, !isSum);
    code.get(b);
    code.op('i64.or');
    get(result, isSum);
    code.op('i64.and');
    code.op('i64.or');
    if (what.width === 64) {
      code.i64(CARRY_OVERFLOW_ADJUST);
      return code.op('i64.and');
    }
    const carries = this.local('i64');
    code.tee(carries);
    code.i64(64 - what.width);
    code.op('i64.shl');
    code.get(carries);
    code.i64(8);
    code.op('i64.and');
    code.op('i64.or');
  }

  protected override operator(node: Node): void {
    const { op, what } = node;
    if (op === 'carries') this.#into.code.call(this.#into.functionIndex(`carries.${what.of}${what.width}`));
    else super.operator(node);
  }

  /** Words of the flags after a join, computed as the path that was taken would have. */
  #spillJoined(lazy: readonly LazySpill[]): void {
    const { code } = this.#into;
    const join = lazy[0]?.word.join;
    if (join === undefined) return;
    const [outer, wasJoined] = [this.#memo, this.#isJoined];
    const last = join.slots.length - 1;
    this.#isJoined = true;
    for (let i = 0; i <= last; i++) {
      if (i < last) {
        code.get(this.permanent(join.number));
        if (i > 0) {
          code.i32(i);
          code.op('i32.eq');
        } else code.op('i32.eqz');
        code.if();
      }
      const through = join.through[i];
      if (through?.isTaken) this.#spillBefore(lazy, through.from);
      else this.#spillPath(lazy, i);
      if (i < last) code.else();
    }
    for (let i = 0; i < last; i++) code.end();
    this.#isJoined = wasJoined;
    this.#memo = outer;
  }

  #spillPath(lazy: readonly LazySpill[], path: number): void {
    const { code } = this.#into;
    this.#memo = new Map();
    for (const { word } of lazy)
      for (const { node, cell } of (word.paths[path] as FlagPath).leaves ?? []) this.#memo.set(node, this.permanent(cell));
    for (const { offset, word } of lazy) {
      const { value, isStored } = word.paths[path] as FlagPath;
      if (isStored) continue;
      code.get(CPU);
      this.#again(value);
      code.memory('i64.store', offset);
    }
  }

  /** The words as they were at the join before. */
  #spillBefore(lazy: readonly LazySpill[], from: FlagJoin): void {
    const { code } = this.#into;
    const rest: LazySpill[] = [];
    for (const { offset, word } of lazy) {
      const before = from.words[word.join.words.indexOf(word)] as FlagWord;
      if (!before.isRead) rest.push({ offset, word: before });
      else {
        code.get(CPU);
        code.get(this.permanent(before.cell));
        code.memory('i64.store', offset);
      }
    }
    this.#spillJoined(rest);
  }

  /** A value where the region is left: from its local, or computed again. */
  #again(node: Node): void {
    const { code } = this.#into;
    if (node.args.length === 0 && node.kind === 'pure') return this.value(node);
    const known = this.#memo.get(node);
    if (known !== undefined) return code.get(known);
    if (node.local >= 0 && !this.#isJoined) return this.value(node);
    if (node.kind !== 'pure') throw new RangeError(`${node.op} cannot be computed again`);
    for (const arg of node.args) this.#again(arg);
    this.operator(node);
    if ((node.coldUses ?? 0) > 1 || this.#isJoined) {
      const local = this.#region.local(node.type);
      this.#memo.set(node, local);
      code.tee(local);
    }
  }
}
