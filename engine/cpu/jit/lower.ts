/** Regions to wasm: guest memory by an inline probe of the TLB, and places where the state goes back to memory. */
import type { Code, ValueType } from '../../wasm/code.ts';
import { type Frame, Lowering } from '../ir/lower.ts';
import type { Exit, LeavePoint, Node, Statement, VarCell } from '../ir/node.ts';
import { CPU_TLB, TLB_ENTRIES, TLB_ENTRY, TLB_ENTRY_BYTES } from '../regions.ts';
import { offsetOf } from '../state.ts';
import { SKIP } from './builder.ts';

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
}

export function lowerRegion(body: readonly Statement[], into: RegionFunction): void {
  const frame = new RegionFrame(into);
  const lowering = new RegionLowering(frame, into);
  frame.leave = (point) => lowering.leave(point);
  frame.cellOf = (cell) => lowering.permanent(cell);
  lowering.block(body);
  into.code.unreachable();
}

class RegionFrame implements Frame {
  readonly code: Code;
  readonly functionIndex: (name: string) => number;
  readonly #context: VarCell;
  leave: (point: LeavePoint) => void = () => undefined;
  cellOf: (cell: VarCell) => number = () => 0;
  readonly #free: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  #taken: { type: ValueType; local: number }[] = [];

  constructor(into: RegionFunction) {
    this.code = into.code;
    this.functionIndex = into.functionIndex;
    this.#context = into.context;
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

  guestLoad(bits: Bits, linear: number, point?: LeavePoint): void {
    this.#reach({ bits, linear, write: false }, point as LeavePoint);
    if (bits === 128) this.code.v128Load();
    else this.code.memory(LOAD[bits]);
  }

  guestStore(bits: Bits, linear: number, value: number, point?: LeavePoint): void {
    const { code } = this;
    this.#reach({ bits, linear, write: true }, point as LeavePoint);
    code.get(value);
    if (bits === 128) code.v128Store();
    else code.memory(STORE[bits]);
  }

  guestRef(bits: 8 | 16 | 32 | 64, linear: number, point?: LeavePoint): void {
    this.#reach({ bits, linear, write: true }, point as LeavePoint);
  }

  /** Leaves the host address on the stack. */
  #reach(access: { bits: Bits; linear: number; write: boolean }, point: LeavePoint): void {
    const { code } = this;
    const { linear, write } = access;
    const bytes = access.bits / 8;
    const slot = this.local('i32');
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
    code.get(linear);
    if (bytes > 1) {
      code.i64(BigInt(bytes - 1));
      code.op('i64.add');
    }
    code.i64(-4096n);
    code.op('i64.and');
    code.get(this.cellOf(this.#context));
    code.op('i64.or');
    code.op('i64.eq');
    code.if('i32', true);
    code.get(linear);
    code.op('i32.wrap_i64');
    code.get(slot);
    code.memory('i32.load', CPU_TLB + TLB_ENTRY.addend);
    code.op('i32.add');
    code.else();
    code.get(CPU);
    code.get(linear);
    code.i64(BigInt(bytes));
    code.call(this.functionIndex(write ? 'touchWrite' : 'touchRead'));
    code.tee(slot);
    code.op('i32.eqz');
    code.if(undefined, false);
    this.leave(point);
    code.end();
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
      const skips = point.how === 'skip';
      for (const { offset, type, value } of point.spills()) {
        code.get(CPU);
        if ('what' in value) this.#again(value);
        else code.get(this.permanent(value));
        if (type === 'v128') code.v128Store(offset);
        else code.memory('i64.store', offset);
      }
      code.get(CPU);
      this.#again(point.rip);
      code.memory('i64.store', offsetOf('rip'));
      code.get(CPU);
      code.get(this.permanent(this.#into.budget));
      if (point.retired > 0) {
        code.i32(point.retired);
        code.op('i32.sub');
      }
      code.memory('i32.store', offsetOf('budget'));
      if (point.faulted) {
        for (const name of ['excPending', 'excCanonical'] as const) {
          code.get(CPU);
          code.i32(0);
          code.memory('i32.store', offsetOf(name));
        }
      }
      if (point.how === 'chain') {
        code.get(CPU);
        code.get(CPU);
        code.call(this.#into.functionIndex('findRegion'));
        code.returnCallIndirect(this.#into.regionType, 0);
      } else {
        code.i32(skips ? SKIP : 0);
        code.return();
      }
    });
    this.#memo = outer;
  }

  /** A value where the region is left: from its local, or computed again. */
  #again(node: Node): void {
    const { code } = this.#into;
    if (node.local >= 0 || (node.args.length === 0 && node.kind === 'pure')) return this.value(node);
    if (node.kind !== 'pure') throw new RangeError(`${node.what.op} cannot be computed again`);
    const known = this.#memo.get(node);
    if (known !== undefined) return code.get(known);
    for (const arg of node.args) this.#again(arg);
    this.operator(node);
    if ((node.coldUses ?? 0) > 1) {
      const local = this.#region.local(node.type);
      this.#memo.set(node, local);
      code.tee(local);
    }
  }
}
