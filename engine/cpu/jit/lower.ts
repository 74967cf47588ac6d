/** Regions to wasm: guest memory by an inline probe of the TLB, and places where the state goes back to memory. */
import type { Code, ValueType } from '../../wasm/code.ts';
import { type Frame, Lowering } from '../ir/lower.ts';
import type { Exit, FlagJoin, FlagPath, GuestPlace, LeavePoint, Node, Statement, VarCell } from '../ir/node.ts';
import { walk } from '../ir/walk.ts';
import { CPU_TLB, LEFT, TLB_ENTRIES, TLB_ENTRY, TLB_ENTRY_BYTES } from '../regions.ts';
import { offsetOf } from '../state.ts';

const CPU = 0;
/** Equal to no page. */
const NO_PAGE = -1n;
const LOAD = { 8: 'i64.load8_u', 16: 'i64.load16_u', 32: 'i64.load32_u', 64: 'i64.load' } as const;
const STORE = { 8: 'i64.store8', 16: 'i64.store16', 32: 'i64.store32', 64: 'i64.store' } as const;
type Bits = 8 | 16 | 32 | 64 | 128;

/** Locals with the page (a linear address) that accesses of one kind met last, and what leads from it to the host's. */
interface Last {
  readonly page: number;
  readonly addend: number;
}

export interface RegionFunction {
  readonly code: Code;
  readonly functionIndex: (name: string) => number;
  /** Type (i32 cpu) → i32 of regions. */
  readonly regionType: number;
  readonly budget: VarCell;
  readonly context: VarCell;
  readonly page: VarCell;
}

export function lowerRegion(body: readonly Statement[], into: RegionFunction): void {
  const frame = new RegionFrame(into);
  const lowering = new RegionLowering(frame, into);
  frame.leave = (point) => lowering.leave(point);
  frame.cellOf = (cell) => lowering.permanent(cell);
  frame.survey(body);
  lowering.block(body);
  into.code.unreachable();
}

class RegionFrame implements Frame {
  readonly code: Code;
  readonly functionIndex: (name: string) => number;
  readonly #context: VarCell;
  readonly #uses = new Map<number, number>();
  readonly #sites = new Map<number, Last>();
  #loops = false;
  leave: (point: LeavePoint) => void = () => undefined;
  cellOf: (cell: VarCell) => number = () => 0;
  readonly #free: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  #taken: { type: ValueType; local: number }[] = [];

  constructor(into: RegionFunction) {
    this.code = into.code;
    this.functionIndex = into.functionIndex;
    this.#context = into.context;
  }

  /** Learn which accesses there are, and whether any repeats. */
  survey(body: readonly Statement[]): void {
    const count = (site: number): void => void this.#uses.set(site, (this.#uses.get(site) ?? 0) + 1);
    walk(body, (statement) => {
      if (statement.s === 'loop') this.#loops = true;
      if (statement.s === 'guestStore' && statement.where) count(-statement.where.site);
      if (statement.s !== 'def' || !('where' in statement.node.what) || !statement.node.what.where) return;
      const { site } = statement.node.what.where;
      count(statement.node.what.op === 'guestRef' ? -site : site);
    });
    for (const [site, uses] of this.#uses) {
      if (site === 0 || (uses < 2 && !this.#loops)) continue;
      const last = { page: this.code.local('i64'), addend: this.code.local('i32') };
      this.code.i64(NO_PAGE);
      this.code.set(last.page);
      this.#sites.set(site, last);
    }
  }

  /** No page that was met counts any more. */
  forget(): void {
    for (const { page } of this.#sites.values()) {
      this.code.i64(NO_PAGE);
      this.code.set(page);
    }
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
   * Leaves the host address on the stack. First the page that accesses of this kind met last, where that is worth it, then the TLB, then
   * the page walk. What makes a known page useless forgets it: another TLB context, and every walk. Only a naturally aligned access is
   * sure to lie in one page; others ask the TLB.
   */
  #reach(access: { bits: Bits; linear: number; write: boolean }, { point, site }: GuestPlace): void {
    const { code } = this;
    const { linear } = access;
    const last = this.#sites.get(access.write ? -site : site);
    if (last === undefined) return this.#probe(access, point, undefined);
    code.get(linear);
    code.i64(-4096n | BigInt(access.bits / 8 - 1));
    code.op('i64.and');
    code.get(last.page);
    code.op('i64.eq');
    code.if('i32');
    code.get(linear);
    code.op('i32.wrap_i64');
    code.get(last.addend);
    code.op('i32.add');
    code.else();
    this.#probe(access, point, last);
    code.end();
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

  #probe(access: { bits: Bits; linear: number; write: boolean }, point: LeavePoint, note: Last | undefined): void {
    const { code } = this;
    const { linear, write, bits } = access;
    const slot = this.local('i32');
    const page = note && this.local('i64');
    code.get(CPU);
    code.get(linear);
    code.i64(7n);
    code.op('i64.shr_u');
    code.op('i32.wrap_i64');
    code.i32((TLB_ENTRIES - 1) * TLB_ENTRY_BYTES);
    code.op('i32.and');
    code.op('i32.add');
    code.tee(slot);
    code.memory('i64.load', CPU_TLB + (write ? TLB_ENTRY.writeTag : TLB_ENTRY.readTag));
    this.#pageOf(access);
    if (page !== undefined) code.tee(page);
    code.get(this.cellOf(this.#context));
    code.op('i64.or');
    code.op('i64.eq');
    code.if('i32', true);
    code.get(linear);
    code.op('i32.wrap_i64');
    code.get(slot);
    code.memory('i32.load', CPU_TLB + TLB_ENTRY.addend);
    if (note !== undefined && page !== undefined) {
      code.tee(note.addend);
      code.get(page);
      code.set(note.page);
    }
    code.op('i32.add');
    code.else();
    code.get(CPU);
    code.get(linear);
    code.i64(BigInt(bits / 8));
    code.call(this.functionIndex(write ? 'touchWrite' : 'touchRead'));
    code.tee(slot);
    code.op('i32.eqz');
    code.if(undefined, false);
    this.leave(point);
    code.end();
    // The walk may have evicted the entries of pages met before: the interpreter would walk for these again.
    this.forget();
    code.get(slot);
    code.end();
  }

  exit(exit: Exit): void {
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
      for (const { offset, type, value } of point.spills()) {
        code.get(CPU);
        if ('what' in value) this.#again(value);
        else if ('paths' in value) this.#joined(value);
        else code.get(this.permanent(value));
        if (type === 'v128') code.v128Store(offset);
        else code.memory('i64.store', offset);
      }
      code.get(CPU);
      if (typeof point.rip === 'number') {
        code.get(this.permanent(this.#into.page));
        code.i64(BigInt(point.rip));
        code.op('i64.add');
      } else this.#again(point.rip);
      if (point.how === 'skip') {
        this.#budgetAfter(point.retired);
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
        if (point.how === 'shadow') this.#noteShadow(point.retired);
        code.i32(point.how === 'shadow' ? LEFT.shadow : 0);
        code.return();
      }
    });
    this.#memo = outer;
  }

  #budgetAfter(retired: number): void {
    const { code } = this.#into;
    code.get(this.permanent(this.#into.budget));
    if (retired === 0) return;
    code.i32(retired);
    code.op('i32.sub');
  }

  /** The budget at which interrupts are still held back. */
  #noteShadow(retired: number): void {
    const { code } = this.#into;
    code.get(CPU);
    this.#budgetAfter(retired);
    code.memory('i32.store', offsetOf('shadowBudget'));
  }

  protected override forget(): void {
    this.#region.forget();
  }

  protected override flags(join: FlagJoin, path: FlagPath): void {
    const { code } = this.#into;
    if (join.isRead) {
      this.value(path.value);
      code.set(this.permanent(join.cell));
      return;
    }
    if (!join.isNeeded) return;
    for (const { node } of path.leaves) this.value(node);
    for (const { cell } of [...path.leaves].reverse()) code.set(this.permanent(cell));
    if (join.paths.length < 2) return;
    code.i32(join.paths.indexOf(path));
    code.set(this.permanent(join.number));
  }

  /** Flags after a join, computed as the path that was taken would have. */
  #joined(join: FlagJoin): void {
    const { code } = this.#into;
    if (join.isRead || join.paths.length === 0) return code.get(this.permanent(join.cell));
    const outer = this.#memo;
    const last = join.paths.length - 1;
    for (const [i, { value, leaves }] of join.paths.entries()) {
      this.#memo = new Map(leaves.map(({ node, cell }) => [node, this.permanent(cell)]));
      if (i < last) {
        code.get(this.permanent(join.number));
        code.i32(i);
        code.op('i32.eq');
        code.if('i64');
      }
      this.#isJoined = true;
      this.#again(value);
      this.#isJoined = false;
      if (i < last) code.else();
    }
    for (let i = 0; i < last; i++) code.end();
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
