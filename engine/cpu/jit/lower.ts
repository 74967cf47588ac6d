/** Regions to wasm: guest memory by an inline probe of the TLB, and places where the state goes back to memory. */
import type { Code, ValueType } from '../../wasm/code.ts';
import { type Frame, Lowering } from '../ir/lower.ts';
import type { Exit, FlagJoin, FlagPath, FlagWord, GuestPlace, LeavePoint, Node, Spill, Statement, VarCell } from '../ir/node.ts';
import { CPU_SITES, CPU_TLB, LEFT, SITES, TLB_ENTRIES, TLB_ENTRY, TLB_ENTRY_BYTES } from '../regions.ts';
import { offsetOf } from '../state.ts';
import { POLL_INSTRUCTIONS } from './builder.ts';

/** The parameter of a region. */
const CPU = 0;
const LOAD = { 8: 'i64.load8_u', 16: 'i64.load16_u', 32: 'i64.load32_u', 64: 'i64.load' } as const;
const STORE = { 8: 'i64.store8', 16: 'i64.store16', 32: 'i64.store32', 64: 'i64.store' } as const;
type Bits = 8 | 16 | 32 | 64 | 128;

export interface RegionFunction {
  readonly code: Code;
  readonly functionIndex: (name: string) => number;
  /** Type (i32 cpu) → i32 of regions. */
  readonly regionType: number;
  readonly budget: VarCell;
  readonly context: VarCell;
  readonly page: VarCell;
  /** As `RegionMode.cpu`. */
  readonly cpu: number;
}

export function lowerRegion(body: readonly Statement[], into: RegionFunction): void {
  const frame = new RegionFrame(into);
  const lowering = new RegionLowering(frame, into);
  frame.leave = (point) => lowering.leave(point);
  frame.cellOf = (cell) => lowering.permanent(cell);
  // A constant from here on, for V8: shorter than one at every use.
  into.code.i32(into.cpu);
  into.code.set(CPU);
  lowering.block(body);
  into.code.unreachable();
}

class RegionFrame implements Frame {
  readonly code: Code;
  readonly functionIndex: (name: string) => number;
  readonly #context: VarCell;
  readonly #cpu: number;
  readonly #regionType: number;
  /** Loops of the region around what is being lowered. */
  loopDepth = 0;
  leave: (point: LeavePoint) => void = () => undefined;
  cellOf: (cell: VarCell) => number = () => 0;
  readonly #free: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  #taken: { type: ValueType; local: number }[] = [];

  constructor(into: RegionFunction) {
    this.code = into.code;
    this.functionIndex = into.functionIndex;
    this.#context = into.context;
    this.#cpu = into.cpu;
    this.#regionType = into.regionType;
  }

  local(type: ValueType): number {
    const local = this.#free[type].pop() ?? this.code.local(type);
    this.#taken.push({ type, local });
    return local;
  }

  /** Locals taken inside are free again afterwards. */
  scope(body: () => void): void {
    const outer = this.#taken;
    this.#taken = [];
    body();
    for (const { type, local } of this.#taken.reverse()) this.#free[type].push(local);
    this.#taken = outer;
  }

  guestLoad(bits: Bits, linear: number, where?: GuestPlace): void {
    this.#reach({ bits, linear, write: false }, where as GuestPlace);
    if (bits === 128) this.code.v128Load();
    else this.code.memory(LOAD[bits]);
  }

  guestStore(bits: Bits, { linear, value }: { linear: number; value: number }, where?: GuestPlace): void {
    const { code } = this;
    this.#reach({ bits, linear, write: true }, where as GuestPlace);
    code.get(value);
    if (bits === 128) code.v128Store();
    else code.memory(STORE[bits]);
  }

  guestRef(bits: 8 | 16 | 32 | 64, linear: number, where?: GuestPlace): void {
    this.#reach({ bits, linear, write: true }, where as GuestPlace);
  }

  /**
   * Leaves the host address on the stack. First, in loops, the page that accesses of this kind met last, then the TLB, then the page walk.
   * Only a naturally aligned access is sure to lie in one page; others ask the TLB.
   */
  #reach(access: { bits: Bits; linear: number; write: boolean }, { point, site }: GuestPlace): void {
    const { code } = this;
    const { linear, write, bits } = access;
    if (site === 0 || this.loopDepth === 0) return this.#probe(access, point, undefined);
    const place = write ? site + SITES.writes : site;
    code.get(linear);
    code.i64(-4096n | BigInt(bits / 8 - 1));
    code.op('i64.and');
    code.get(this.cellOf(this.#context));
    code.op('i64.xor');
    code.get(CPU);
    code.memory('i64.load', CPU_SITES + SITES.tag + 8 * place);
    code.op('i64.eq');
    code.if('i32', true);
    code.get(linear);
    code.op('i32.wrap_i64');
    code.get(CPU);
    code.memory('i32.load', CPU_SITES + SITES.addend + 4 * place);
    code.op('i32.add');
    code.else();
    this.#probe(access, point, place);
    code.end();
  }

  /**
   * Leaves where the host address on the stack is 0. V8 takes nothing for granted of the upper half of what a call returns, and would clear that
   * of every address again, on the quick path too; of a disjunction (with a word that is 0 in regions) it knows.
   */
  #orLeave(point: LeavePoint): void {
    const { code } = this;
    const host = this.local('i32');
    code.tee(host);
    code.op('i32.eqz');
    code.if(undefined, false);
    this.leave(point);
    code.end();
    code.get(host);
    code.get(CPU);
    code.memory('i32.load', offsetOf('exclusive'));
    code.op('i32.or');
  }

  /** Page of the last byte of an access. */
  #pageOf({ bits, linear }: { bits: Bits; linear: number }): void {
    const { code } = this;
    code.get(linear);
    if (bits > 8) {
      code.i64(BigInt(bits / 8 - 1));
      code.op('i64.add');
    }
    code.i64(-4096n);
    code.op('i64.and');
  }

  #probe(access: { bits: Bits; linear: number; write: boolean }, point: LeavePoint, place: number | undefined): void {
    const { code } = this;
    const { linear, write, bits } = access;
    const slot = this.local('i32');
    const tlb = this.#cpu + CPU_TLB;
    code.get(linear);
    code.op('i32.wrap_i64');
    code.i32(7);
    code.op('i32.shr_u');
    code.i32((TLB_ENTRIES - 1) * TLB_ENTRY_BYTES);
    code.op('i32.and');
    code.tee(slot);
    code.memory('i64.load', tlb + (write ? TLB_ENTRY.writeTag : TLB_ENTRY.readTag));
    this.#pageOf(access);
    code.get(this.cellOf(this.#context));
    code.op('i64.or');
    const tag = place === undefined ? -1 : this.local('i64');
    if (place !== undefined) code.tee(tag);
    code.op('i64.eq');
    code.if('i32', true);
    if (place !== undefined) this.#note(place, { slot, tag });
    code.get(linear);
    code.op('i32.wrap_i64');
    code.get(slot);
    code.memory('i32.load', tlb + TLB_ENTRY.addend);
    code.op('i32.add');
    code.else();
    code.get(CPU);
    code.get(linear);
    code.i64(BigInt(bits / 8));
    code.call(this.functionIndex(write ? 'touchWrite' : 'touchRead'));
    this.#orLeave(point);
    code.end();
  }

  /** The place has met the page of this TLB entry. */
  #note(place: number, { slot, tag }: { slot: number; tag: number }): void {
    const { code } = this;
    code.get(CPU);
    code.get(tag);
    code.memory('i64.store', CPU_SITES + SITES.tag + 8 * place);
    code.get(CPU);
    code.get(slot);
    code.memory('i32.load', this.#cpu + CPU_TLB + TLB_ENTRY.addend);
    code.memory('i32.store', CPU_SITES + SITES.addend + 4 * place);
    code.get(CPU);
    code.i32(1);
    code.memory('i32.store', CPU_SITES + SITES.known);
  }

  exit(exit: Exit): void {
    if (exit.exit === 'instead') return this.code.returnCallIndirect(this.#regionType, 0);
    if (exit.exit !== 'return') throw new TypeError(`a region cannot leave by ${exit.exit}`);
    this.code.return();
  }
}

class RegionLowering extends Lowering {
  readonly #into: RegionFunction;
  readonly #region: RegionFrame;
  #memo = new Map<Node, number>();
  /** Values of another path are being computed: their locals mean something else by now. */
  #isJoined = false;

  constructor(frame: RegionFrame, into: RegionFunction) {
    super(frame);
    this.#region = frame;
    this.#into = into;
  }

  /** Cells outlive the constructs they are assigned in. */
  permanent(cell: VarCell): number {
    if (cell.local < 0) cell.local = this.#into.code.local(cell.type);
    return cell.local;
  }

  protected override statement(statement: Statement): void {
    if (statement.s === 'assign' && statement.variable.isMemory && statement.variable.isUsed !== true) return;
    const isLoop = statement.s === 'loop';
    if (isLoop) this.#region.loopDepth++;
    super.statement(statement);
    if (isLoop) this.#region.loopDepth--;
  }

  protected override cell(variable: VarCell): number {
    return this.permanent(variable);
  }

  override block(statements: readonly Statement[]): void {
    this.#region.scope(() => super.block(statements));
  }

  override leave(point: LeavePoint): void {
    const { code } = this.#into;
    const outer = this.#memo;
    this.#memo = new Map();
    this.#region.scope(() => {
      const lazy: { offset: number; word: FlagWord }[] = [];
      for (const spill of point.spills()) {
        const { offset, value } = spill;
        if ('paths' in value && !value.isRead && value.paths.length > 0) lazy.push({ offset, word: value });
        else this.#spill(spill);
      }
      this.#spillJoined(lazy);
      code.get(CPU);
      if (typeof point.rip === 'number') {
        code.get(this.permanent(this.#into.page));
        code.i64(BigInt(point.rip));
        code.op('i64.add');
      } else this.#again(point.rip);
      if (point.how === 'skip') {
        this.#budgetChange(point.retired);
        code.call(this.#into.functionIndex(point.faulted ? 'stopFaulted' : 'stop'));
        code.return();
        return;
      }
      code.memory('i64.store', offsetOf('rip'));
      code.get(CPU);
      this.#budgetAfter(point.retired);
      code.memory('i32.store', offsetOf('budget'));
      if (point.how === 'chain') {
        code.get(CPU);
        code.get(CPU);
        code.call(this.#into.functionIndex('findRegion'));
        code.returnCallIndirect(this.#into.regionType, 0);
      } else {
        if (point.how === 'shadow') this.#noteShadow();
        code.i32(point.how === 'shadow' ? LEFT.shadow : 0);
        code.return();
      }
    });
    this.#memo = outer;
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
    code.memory('i32.load', offsetOf('request'));
    code.get(CPU);
    code.memory('i32.load', offsetOf('pollMask'));
    code.op('i32.and');
    code.brIf(off, false);
    this.#region.scope(() => {
      const all = this.#region.local('i32');
      this.#budgetAfter(0);
      code.tee(all);
      code.i32(least);
      code.op('i32.lt_u');
      code.brIf(off, false);
      code.get(CPU);
      code.get(all);
      code.get(all);
      code.i32(POLL_INSTRUCTIONS);
      code.get(all);
      code.i32(POLL_INSTRUCTIONS);
      code.op('i32.lt_u');
      code.select();
      code.tee(budget);
      code.op('i32.sub');
      code.memory('i32.store', offsetOf('budget'));
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
    code.memory('i32.load', offsetOf('budget'));
    code.op('i32.add');
  }

  /** The budget at which interrupts are still held back: what it has become. */
  #noteShadow(): void {
    const { code } = this.#into;
    code.get(CPU);
    code.get(CPU);
    code.memory('i32.load', offsetOf('budget'));
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

  #spill({ offset, type, value }: Spill): void {
    const { code } = this.#into;
    code.get(CPU);
    if ('what' in value) this.#again(value);
    else code.get(this.permanent('paths' in value ? value.cell : value));
    if (type === 'v128') code.v128Store(offset);
    else code.memory('i64.store', offset);
  }

  /** Words of the flags after a join, computed as the path that was taken would have. */
  #spillJoined(lazy: readonly { readonly offset: number; readonly word: FlagWord }[]): void {
    const { code } = this.#into;
    const join = lazy[0]?.word.join;
    if (join === undefined) return;
    const outer = this.#memo;
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
      this.#memo = new Map();
      for (const { word } of lazy)
        for (const { node, cell } of (word.paths[i] as FlagPath).leaves ?? []) this.#memo.set(node, this.permanent(cell));
      for (const { offset, word } of lazy) {
        const { value, isStored } = word.paths[i] as FlagPath;
        if (isStored) continue;
        code.get(CPU);
        this.#again(value);
        code.memory('i64.store', offset);
      }
      if (i < last) code.else();
    }
    for (let i = 0; i < last; i++) code.end();
    this.#isJoined = false;
    this.#memo = outer;
  }

  /** A value where the region is left: from its local, or computed again. */
  #again(node: Node): void {
    const { code } = this.#into;
    if (node.args.length === 0 && node.kind === 'pure') return this.value(node);
    const known = this.#memo.get(node);
    if (known !== undefined) return code.get(known);
    if (node.local >= 0 && !this.#isJoined) return this.value(node);
    if (node.kind !== 'pure') throw new RangeError(`${node.what.op} cannot be computed again`);
    for (const arg of node.args) this.#again(arg);
    this.operator(node);
    if ((node.coldUses ?? 0) > 1 || this.#isJoined) {
      const local = this.#region.local(node.type);
      this.#memo.set(node, local);
      code.tee(local);
    }
  }
}
