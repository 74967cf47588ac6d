/** Turns IR into wasm instructions inside a frame, which says how guest memory is reached and how control leaves. */
import type { Code, Label, ValueType } from '../../wasm/code.ts';
import { chooseInline } from './inline.ts';
import {
  type Exit,
  type FlagJoin,
  type GuestPlace,
  type LabelCell,
  type LeavePoint,
  type Node,
  operandsOf,
  type Statement,
  type VarCell,
} from './node.ts';

/** Where lowered code stands: a handler function, a case of the dispatch loop, or a routine. */
export interface Frame {
  readonly code: Code;
  /** A local not in use by this piece of code. */
  local(type: ValueType): number;
  functionIndex(name: string): number;
  /** The exit's operand, if any, is on the wasm stack. */
  exit(exit: Exit): void;
}

/** One that reaches guest memory by code of its own. */
export interface GuestFrame extends Frame {
  /** Linear address in the local `linear`; leaves the value on the wasm stack, or leaves the frame when the access faults. */
  guestLoad(bits: 8 | 16 | 32 | 64 | 128, linear: number): void;
  /** Address and value are in locals. */
  guestStore(bits: 8 | 16 | 32 | 64 | 128, at: { linear: number; value: number }): void;
  /** Leaves an i32 host address. */
  guestRef(bits: 8 | 16 | 32 | 64, linear: number): void;
}

export function lower(statements: readonly Statement[], frame: GuestFrame): void {
  chooseInline(statements);
  new HandlerLowering(frame).block(statements);
}

export type GuestStore = Statement & { readonly s: 'guestStore' };

export abstract class Lowering {
  protected readonly frame: Frame;
  readonly #labels = new Map<LabelCell, Label>();

  constructor(frame: Frame) {
    this.frame = frame;
  }

  block(statements: readonly Statement[]): void {
    for (const statement of statements) this.statement(statement);
  }

  protected statement(statement: Statement): void {
    const { code } = this.frame;
    switch (statement.s) {
      case 'def':
        return this.define(statement.node);
      case 'store':
        this.value(statement.address);
        this.value(statement.value);
        return code.memory(statement.name, statement.offset);
      case 'storeV':
        this.value(statement.address);
        this.value(statement.value);
        return code.v128Store(statement.offset);
      case 'guestStore':
        return this.guestStore(statement);
      case 'assign':
        this.value(statement.value);
        return code.set(this.cell(statement.variable));
      case 'copy':
        for (const node of [statement.to, statement.from, statement.bytes]) this.value(node);
        return code.memoryCopy();
      case 'fill':
        for (const node of [statement.to, statement.value, statement.bytes]) this.value(node);
        return code.memoryFill();
      case 'if':
        this.value(statement.condition);
        code.if(undefined, statement.likely);
        this.block(statement.then);
        if (statement.otherwise.length > 0) {
          code.else();
          this.block(statement.otherwise);
        }
        return code.end();
      case 'while': {
        const done = code.block();
        const again = code.loop();
        this.block(statement.before);
        this.value(statement.condition);
        code.op('i32.eqz');
        code.brIf(done);
        this.block(statement.body);
        code.br(again);
        code.end();
        return code.end();
      }
      case 'block':
        this.#labels.set(statement.label, code.block());
        this.block(statement.body);
        return code.end();
      case 'loop':
        this.#labels.set(statement.label, code.loop());
        this.block(statement.body);
        return code.end();
      case 'br':
        return code.br(this.#label(statement.label));
      case 'brTable':
        this.value(statement.index);
        return code.brTable(
          statement.labels.map((label) => this.#label(label)),
          this.#label(statement.otherwise),
        );
      case 'leave':
        return this.leave(statement.point);
      case 'poll':
        return this.poll(statement.least, statement.point);
      case 'flags':
        return this.flags(statement.join, statement.path);
      case 'exit':
        for (const operand of operandsOf(statement)) this.value(operand);
        return this.frame.exit(statement.exit);
    }
  }

  #label(cell: LabelCell): Label {
    const label = this.#labels.get(cell);
    if (label === undefined) throw new RangeError('a branch out of nothing');
    return label;
  }

  /** Only regions of the JIT have points to leave at. */
  protected leave(_point: LeavePoint): void {
    throw new TypeError('a handler has no point to leave at');
  }

  protected poll(_least: number, _point: LeavePoint): void {
    throw new TypeError('a handler does not poll');
  }

  protected flags(_join: FlagJoin, _path: number): void {
    throw new TypeError('a handler has no paths that join');
  }

  protected define(node: Node): void {
    if (node.inline) return;
    if (node.uses === 0 && node.kind !== 'effect') return;
    this.compute(node);
    if (node.uses === 0) return this.frame.code.drop();
    node.local = this.frame.local(node.type);
    this.frame.code.set(node.local);
  }

  /** Leave the node's value on the wasm stack. */
  protected value(node: Node): void {
    const { code } = this.frame;
    switch (node.op) {
      case 'const64':
        return code.i64(node.what.value);
      case 'const32':
        return code.i32(node.what.value);
      case 'constV':
        return code.v128Const(node.what.low, node.what.high);
      case 'param':
        return code.get(node.what.local);
      default:
        if (node.local >= 0) return code.get(node.local);
        return this.compute(node);
    }
  }

  protected asLocal(node: Node): number {
    if (node.op === 'param') return node.what.local;
    if (node.local >= 0) return node.local;
    this.value(node);
    const local = this.frame.local(node.type);
    this.frame.code.set(local);
    return local;
  }

  protected abstract guestStore(store: GuestStore): void;

  /** Leaves the value on the wasm stack. */
  protected abstract guestLoad(bits: 8 | 16 | 32 | 64 | 128, linear: Node, where: GuestPlace | undefined): void;

  /** Leaves a host address. */
  protected abstract guestRef(bits: 8 | 16 | 32 | 64, linear: Node, where: GuestPlace | undefined): void;

  protected compute(node: Node): void {
    const { op, what } = node;
    if (op === 'guestLoad') return this.guestLoad(what.bits, node.args[0] as Node, what.where);
    if (op === 'guestRef') return this.guestRef(what.bits, node.args[0] as Node, what.where);
    for (const arg of node.args) this.value(arg);
    this.operator(node);
  }

  /** The operation of a node whose operands are on the stack. */
  protected operator({ op, what }: Node): void {
    const { frame } = this;
    const { code } = frame;
    switch (op) {
      case 'numeric':
        return code.op(what.name);
      case 'saturating':
        return code.saturating(what.name);
      case 'simd':
        return code.simd(what.name);
      case 'lane':
        return code.simdLane(what.name, what.lane);
      case 'shuffle':
        return code.simdShuffle(what.lanes);
      case 'select':
        return code.select();
      case 'load':
        return code.memory(what.name, what.offset);
      case 'loadV':
        return code.v128Load(what.offset);
      case 'atomic':
        return code.atomic(what.name, what.offset);
      case 'variable':
        return code.get(this.cell(what.variable));
      case 'call':
        return code.call(frame.functionIndex(what.callee));
      default:
        throw new TypeError(`${op} has no operands to compute`);
    }
  }

  protected cell(variable: VarCell): number {
    if (variable.local < 0) variable.local = this.frame.local(variable.type);
    return variable.local;
  }
}

class HandlerLowering extends Lowering {
  readonly #guest: GuestFrame;

  constructor(frame: GuestFrame) {
    super(frame);
    this.#guest = frame;
  }

  protected override guestStore(store: GuestStore): void {
    const linear = this.asLocal(store.linear);
    const value = this.asLocal(store.value);
    this.#guest.guestStore(store.bits, { linear, value });
  }

  protected override guestLoad(bits: 8 | 16 | 32 | 64 | 128, linear: Node): void {
    this.#guest.guestLoad(bits, this.asLocal(linear));
  }

  protected override guestRef(bits: 8 | 16 | 32 | 64, linear: Node): void {
    this.#guest.guestRef(bits, this.asLocal(linear));
  }
}
