/** Builds the IR: constant folding on the way in, statements appended in program order, epochs kept. */
import type { ValueType } from '../../wasm/code.ts';
import {
  type AtomicOp,
  type MemoryOp,
  NUMERIC,
  type NumericOp,
  type SaturatingOp,
  type SimdLaneOp,
  type SimdOp,
} from '../../wasm/opcodes.ts';
import { foldNumeric } from './fold.ts';
import type { Exit, Node, NodeOp, Statement, VarCell } from './node.ts';

export class IrBuilder {
  readonly root: Statement[] = [];
  protected current: Statement[] = this.root;
  protected epoch = 0;
  protected loopDepth = 0;
  protected isDead = false;
  #nextId = 1;

  /** True after an exit on this path: nothing after it is reachable. */
  get dead(): boolean {
    return this.isDead;
  }

  // ---- values ----

  const64(value: bigint): Node {
    return this.node({ op: 'const64', value: BigInt.asUintN(64, value) }, 'i64', [], 'pure');
  }

  /** The i64. */
  integer(value: number): Node {
    return this.const64(BigInt(value));
  }

  const32(value: number): Node {
    return this.node({ op: 'const32', value: value | 0 }, 'i32', [], 'pure');
  }

  constV(low: bigint, high: bigint): Node {
    return this.node({ op: 'constV', low, high }, 'v128', [], 'pure');
  }

  param(local: number, type: ValueType): Node {
    return this.node({ op: 'param', local }, type, [], 'pure');
  }

  numeric(name: NumericOp, a: Node, b?: Node): Node {
    const folded = foldNumeric(name, a, b);
    if (folded) {
      if ('node' in folded) return folded.node;
      return folded.type === 'i64' ? this.const64(folded.value as bigint) : this.const32(folded.value as number);
    }
    const { what, type } = OPERATORS.get(name) as Operator;
    return this.node(what, type, b === undefined ? [a] : [a, b], 'pure');
  }

  /** An operator that traps on some operands: evaluated exactly where it stands. */
  trapping(name: NumericOp, a: Node, b: Node): Node {
    return this.define(this.node({ op: 'numeric', name }, 'i64', [a, b], 'effect'));
  }

  saturating(name: SaturatingOp, arg: Node): Node {
    return this.node({ op: 'saturating', name }, 'i64', [arg], 'pure');
  }

  simd(name: SimdOp, type: ValueType, ...args: Node[]): Node {
    return this.node({ op: 'simd', name }, type, args, 'pure');
  }

  lane(name: SimdLaneOp, lane: number, type: ValueType, ...args: Node[]): Node {
    return this.node({ op: 'lane', name, lane }, type, args, 'pure');
  }

  shuffle(lanes: readonly number[], a: Node, b: Node): Node {
    return this.node({ op: 'shuffle', lanes }, 'v128', [a, b], 'pure');
  }

  select(condition: Node, a: Node, b: Node): Node {
    if (condition.op === 'const32') return condition.what.value !== 0 ? a : b;
    return this.node({ op: 'select' }, a.type, [a, b, condition], 'pure');
  }

  /** Read host memory that statements may change. */
  load(name: MemoryOp, address: Node, offset = 0): Node {
    return this.define(this.node({ op: 'load', name, offset }, name.startsWith('i32') ? 'i32' : 'i64', [address], 'read'));
  }

  loadV(address: Node, offset = 0): Node {
    return this.define(this.node({ op: 'loadV', offset }, 'v128', [address], 'read'));
  }

  atomic(name: AtomicOp, offset: number, type: ValueType, ...args: Node[]): Node {
    this.epoch++;
    const node = this.define(this.node({ op: 'atomic', name, offset }, type, args, 'effect'));
    this.epoch++;
    return node;
  }

  guestLoad(bits: 8 | 16 | 32 | 64 | 128, linear: Node): Node {
    return this.define(this.node({ op: 'guestLoad', bits }, bits === 128 ? 'v128' : 'i64', [linear], 'effect'));
  }

  guestRef(bits: 8 | 16 | 32 | 64, linear: Node): Node {
    this.epoch++;
    const node = this.define(this.node({ op: 'guestRef', bits }, 'i32', [linear], 'effect'));
    this.epoch++;
    return node;
  }

  /** Call a function of the module by name; `changesState` false for functions that only compute. */
  call(callee: string, type: ValueType, args: readonly Node[], changesState: boolean): Node {
    if (!changesState) return this.define(this.node({ op: 'call', callee }, type, args, 'effect'));
    this.epoch++;
    const node = this.define(this.node({ op: 'call', callee }, type, args, 'effect'));
    this.epoch++;
    return node;
  }

  // ---- variables ----

  variable(initial: Node): VarCell {
    const cell: VarCell = { type: initial.type, local: -1 };
    this.assign(cell, initial);
    return cell;
  }

  valueOf(variable: VarCell): Node {
    return this.define(this.node({ op: 'variable', variable }, variable.type, [], 'read'));
  }

  assign(variable: VarCell, value: Node): void {
    this.state({ s: 'assign', variable, value, epoch: this.epoch });
  }

  // ---- statements ----

  store(name: MemoryOp, address: Node, value: Node, offset = 0): void {
    this.state({ s: 'store', name, offset, address, value, epoch: this.epoch });
  }

  storeV(address: Node, value: Node, offset = 0): void {
    this.state({ s: 'storeV', offset, address, value, epoch: this.epoch });
  }

  /** Guest stores do not change processor state, so reads may move over them; stores to memory that may be code leave that to the callee. */
  guestStore(bits: 8 | 16 | 32 | 64 | 128, linear: Node, value: Node): void {
    this.push({ s: 'guestStore', bits, linear, value, epoch: this.epoch });
  }

  copy(to: Node, from: Node, bytes: Node): void {
    this.state({ s: 'copy', to, from, bytes, epoch: this.epoch });
  }

  fill(to: Node, value: Node, bytes: Node): void {
    this.state({ s: 'fill', to, value, bytes, epoch: this.epoch });
  }

  exit(exit: Exit): void {
    this.push({ s: 'exit', exit, epoch: this.epoch });
    this.isDead = true;
  }

  if(condition: Node, then: () => void, otherwise?: () => void): void {
    if (condition.op === 'const32') {
      if (condition.what.value !== 0) then();
      else otherwise?.();
      return;
    }
    const outer = this.current;
    const statement = {
      s: 'if' as const,
      condition,
      // biome-ignore lint/suspicious/noThenProperty: a branch of the IR, which nothing awaits
      then: [] as Statement[],
      otherwise: [] as Statement[],
      epoch: this.epoch,
    };
    this.push(statement);
    const thenDead = this.inside(statement.then, then);
    const otherwiseDead = otherwise ? this.inside(statement.otherwise, otherwise) : false;
    this.current = outer;
    this.isDead = thenDead && otherwiseDead;
    this.epoch++;
  }

  while(condition: () => Node, body: () => void): void {
    const outer = this.current;
    const before: Statement[] = [];
    const inside: Statement[] = [];
    this.epoch++;
    this.loopDepth++;
    this.current = before;
    const value = condition();
    outer.push({ s: 'while', before, condition: value, body: inside, epoch: this.epoch });
    this.inside(inside, body);
    this.loopDepth--;
    this.current = outer;
    this.isDead = false;
    this.epoch++;
  }

  protected inside(block: Statement[], body: () => void): boolean {
    this.current = block;
    this.isDead = false;
    this.epoch++;
    body();
    const dead = this.isDead;
    this.isDead = false;
    return dead;
  }

  protected state(statement: Statement): void {
    this.push(statement);
    this.epoch++;
  }

  protected push(statement: Statement): void {
    if (!this.isDead) this.current.push(statement);
  }

  protected node(what: NodeOp, type: ValueType, args: readonly Node[], kind: Node['kind']): Node {
    const node = {
      op: what.op,
      what,
      type,
      args,
      kind,
      epoch: this.epoch,
      loopDepth: this.loopDepth,
      id: this.#nextId++,
      uses: 0,
      kept: false,
      coldUses: 0,
      inline: false,
      local: -1,
      users: undefined,
      before: undefined,
      scope: undefined,
    } as Node;
    if (kind === 'pure' && args.length > 0) this.define(node);
    return node;
  }

  protected define(node: Node): Node {
    this.push({ s: 'def', node });
    return node;
  }
}

interface Operator {
  readonly what: NodeOp;
  /** Of the result. */
  readonly type: ValueType;
  readonly isComparison: boolean;
}

const OPERATORS = new Map<NumericOp, Operator>(
  (Object.keys(NUMERIC) as NumericOp[]).map((name) => {
    const [from, operation = ''] = name.split('.');
    const isComparison = /^(eqz|eq|ne|[lg][te](_[su])?)$/.test(operation);
    return [name, { what: { op: 'numeric', name }, type: isComparison ? 'i32' : (from as ValueType), isComparison }];
  }),
);

/** Is the result a truth value? */
export const isComparison = (name: NumericOp): boolean => OPERATORS.get(name)?.isComparison === true;
