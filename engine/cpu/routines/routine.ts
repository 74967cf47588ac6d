/** A named wasm function of the processor, described over the same IR as instructions. */
import type { Bool, Int, Width } from '../../isa/emitter.ts';
import type { SlowName } from '../../isa/fields.ts';
import type { ValueType } from '../../wasm/code.ts';
import type { MemoryOp } from '../../wasm/opcodes.ts';
import { int, node } from '../ir/arithmetic.ts';
import { slowIndex } from '../ir/emitter.ts';
import { IrFlags } from '../ir/flags.ts';
import type { Node } from '../ir/node.ts';
import { offsetOf, type VcpuFieldName, vcpuState } from '../state.ts';

export interface RoutineDefinition {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly result: ValueType;
  /** Describe the body; every path ends with `returns`. */
  build(r: Routine): void;
}

const LOAD: Record<Width, MemoryOp> = { 8: 'i64.load8_u', 16: 'i64.load16_u', 32: 'i64.load32_u', 64: 'i64.load' };
const STORE: Record<Width, MemoryOp> = { 8: 'i64.store8', 16: 'i64.store16', 32: 'i64.store32', 64: 'i64.store' };

/** Builder of a routine's body. Values of type i64 are `Int`, host addresses (i32) are nodes. */
export class Routine extends IrFlags {
  readonly #parameters: readonly ValueType[];
  /** What would be handed over to a slow routine is not done: the result is 0. */
  refuses = false;

  constructor(parameters: readonly ValueType[]) {
    super();
    this.#parameters = parameters;
  }

  /** Parameter by position. */
  parameter(index: number): Node {
    return this.ir.param(index, this.#parameters[index] as ValueType);
  }

  parameterInt(index: number): Int {
    return int(this.parameter(index));
  }

  /** Parameter 0 of routines that have a vCPU. */
  get cpu(): Node {
    return this.parameter(0);
  }

  returns(value: Int | Bool | Node): void {
    this.ir.exit({ exit: 'return', value: value as Node });
  }

  state(name: VcpuFieldName): Int {
    const { offset, size } = vcpuState.fields[name];
    return int(this.ir.load(LOAD[(size * 8) as Width], this.cpu, offset));
  }

  /** Element of an array member, 64 bits wide, at a constant or computed index (i32). */
  stateElement(name: VcpuFieldName, index: Node): Int {
    const { offset, element } = vcpuState.fields[name];
    const width = element === 'u64' ? 64 : 32;
    const at = this.ir.numeric('i32.add', this.cpu, this.ir.numeric('i32.shl', index, this.ir.const32(width === 64 ? 3 : 2)));
    return int(this.ir.load(LOAD[width], at, offset));
  }

  setState(name: VcpuFieldName, value: Int): void {
    const { offset, size } = vcpuState.fields[name];
    this.ir.store(STORE[(size * 8) as Width], this.cpu, node(value), offset);
  }

  gpr(number: number): Int {
    return int(this.ir.load('i64.load', this.cpu, vcpuState.fields.gpr.offset + number * 8));
  }

  setGpr(number: number, value: Int): void {
    this.ir.store('i64.store', this.cpu, node(value), vcpuState.fields.gpr.offset + number * 8);
  }

  protected readFlagResult(): Int {
    return this.state('flagResult');
  }

  protected readFlagAux(): Int {
    return this.state('flagAux');
  }

  protected writeFlagResult(value: Int): void {
    this.setState('flagResult', value);
  }

  protected writeFlagAux(value: Int): void {
    this.setState('flagAux', value);
  }

  /** Return what the slow routine of this name answers; parameter 1 is the record. */
  handOver(name: SlowName, ...args: readonly Int[]): void {
    if (this.refuses) return this.returns(this.i32(0));
    for (const [i, value] of args.entries()) this.hostStore(64, this.cpu, value, offsetOf('scratch') + 8 * i);
    this.returns(this.call('slow', 'i32', this.cpu, this.parameter(1), this.i32(slowIndex(name))));
  }

  /** Results of a slow routine whose place this one takes. */
  results(...values: readonly Int[]): void {
    for (const [i, value] of values.entries()) this.hostStore(64, this.cpu, value, offsetOf('scratch') + 32 + 8 * i);
  }

  /** Host memory. */
  hostLoad(width: Width, address: Node, offset = 0): Int {
    return int(this.ir.load(LOAD[width], address, offset));
  }

  hostStore(width: Width, address: Node, value: Int, offset = 0): void {
    this.ir.store(STORE[width], address, node(value), offset);
  }

  /** Low half as an i32. */
  wrap(value: Int): Node {
    return this.ir.numeric('i32.wrap_i64', node(value));
  }

  high(value: Int): Node {
    return this.wrap(this.shr(64, value, this.const(32)));
  }

  unsigned(value: Node): Int {
    return int(this.ir.numeric('i64.extend_i32_u', value));
  }

  i32(value: number): Node {
    return this.ir.const32(value);
  }

  plus(a: Node, b: Node | number): Node {
    return this.ir.numeric('i32.add', a, typeof b === 'number' ? this.i32(b) : b);
  }

  /** Call another routine of the module. */
  call(name: string, type: ValueType, ...args: (Node | Int)[]): Node {
    return this.ir.call(name, type, args as Node[], true);
  }

  callInt(name: string, ...args: (Node | Int)[]): Int {
    return int(this.call(name, 'i64', ...args));
  }

  /** Does a constant mask meet the value? */
  any(value: Int, mask: number | bigint): Bool {
    return this.ne(this.and(value, this.const(mask)), this.const(0));
  }

  none(value: Int, mask: number | bigint): Bool {
    return this.eq(this.and(value, this.const(mask)), this.const(0));
  }

  truth(value: Node): Bool {
    return value as unknown as Bool;
  }

  /** Queue an exception with an error code; the instruction has had no effect. */
  queue(vector: number, error: Int): void {
    this.setState('excVector', this.const(vector));
    this.setState('excHasError', this.const(1));
    this.setState('excError', error);
    this.setState('excPending', this.const(1));
  }
}
