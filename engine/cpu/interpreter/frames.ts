/** Where handler code stands: a function of its own, or a case of the dispatch loop. */
import type { Code, Label, ValueType } from '../../wasm/code.ts';
import type { GuestFrame } from '../ir/lower.ts';
import type { Exit } from '../ir/node.ts';
import { CPU_TLB, STATUS, TLB_ENTRIES, TLB_ENTRY, TLB_ENTRY_BYTES } from '../regions.ts';
import { offsetOf } from '../state.ts';

const CPU = 0;
const LOAD = { 8: 'i64.load8_u', 16: 'i64.load16_u', 32: 'i64.load32_u', 64: 'i64.load' } as const;
const STORE = { 8: 'i64.store8', 16: 'i64.store16', 32: 'i64.store32', 64: 'i64.store' } as const;
type Functions = (name: string) => number;

/** Guest memory through the functions load8 … store128, or with the TLB probe in line. */
abstract class HandlerFrame implements GuestFrame {
  readonly code: Code;
  readonly functionIndex: Functions;
  readonly #inlineProbe: boolean;

  constructor(code: Code, functionIndex: Functions, inlineProbe: boolean) {
    this.code = code;
    this.functionIndex = functionIndex;
    this.#inlineProbe = inlineProbe;
  }

  abstract local(type: ValueType): number;
  abstract exit(exit: Exit): void;
  protected abstract fault(): void;

  guestLoad(bits: 8 | 16 | 32 | 64 | 128, linear: number): void {
    const { code } = this;
    const type = bits === 128 ? 'v128' : 'i64';
    const value = this.local(type);
    const slow = (): void => {
      this.#call(`load${bits}`, linear);
      code.set(value);
      this.#leaveOnException();
    };
    if (!this.#inlineProbe) slow();
    else {
      const slot = this.#probe(bits / 8, linear, TLB_ENTRY.readTag);
      code.if();
      this.#host(slot, linear);
      if (bits === 128) code.v128Load();
      else code.memory(LOAD[bits]);
      code.set(value);
      code.else();
      slow();
      code.end();
    }
    code.get(value);
  }

  guestStore(bits: 8 | 16 | 32 | 64 | 128, { linear, value }: { linear: number; value: number }): void {
    const { code } = this;
    const slow = (): void => {
      code.get(CPU);
      code.get(linear);
      code.get(value);
      code.call(this.functionIndex(`store${bits}`));
      code.if();
      this.fault();
      code.end();
    };
    if (!this.#inlineProbe) return slow();
    const slot = this.#probe(bits / 8, linear, TLB_ENTRY.writeTag);
    code.if();
    this.#host(slot, linear);
    code.get(value);
    if (bits === 128) code.v128Store();
    else code.memory(STORE[bits]);
    code.else();
    slow();
    code.end();
  }

  guestRef(bits: 8 | 16 | 32 | 64, linear: number): void {
    const { code } = this;
    const reference = this.local('i32');
    const slow = (): void => {
      this.#call(`reference${bits}`, linear);
      code.tee(reference);
      code.op('i32.eqz');
      code.if();
      this.fault();
      code.end();
    };
    if (!this.#inlineProbe) slow();
    else {
      const slot = this.#probe(bits / 8, linear, TLB_ENTRY.writeTag);
      code.if();
      this.#host(slot, linear);
      code.set(reference);
      code.else();
      slow();
      code.end();
    }
    code.get(reference);
  }

  /** Leaves the truth of a hit on the stack; returns the local that holds the slot. */
  #probe(bytes: number, linear: number, tag: number): number {
    const { code } = this;
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
    code.memory('i64.load', CPU_TLB + tag);
    code.get(linear);
    if (bytes > 1) {
      code.i64(BigInt(bytes - 1));
      code.op('i64.add');
    }
    code.i64(-4096n);
    code.op('i64.and');
    code.get(CPU);
    code.memory('i64.load', offsetOf('context'));
    code.op('i64.or');
    code.op('i64.eq');
    return slot;
  }

  #host(slot: number, linear: number): void {
    const { code } = this;
    code.get(linear);
    code.op('i32.wrap_i64');
    code.get(slot);
    code.memory('i32.load', CPU_TLB + TLB_ENTRY.addend);
    code.op('i32.add');
  }

  #call(name: string, linear: number): void {
    this.code.get(CPU);
    this.code.get(linear);
    this.code.call(this.functionIndex(name));
  }

  #leaveOnException(): void {
    const { code } = this;
    code.get(CPU);
    code.memory('i32.load', offsetOf('excPending'));
    code.if();
    this.fault();
    code.end();
  }
}

/** A function (cpu, record) → STATUS. */
export class FunctionFrame extends HandlerFrame {
  constructor(code: Code, functionIndex: Functions) {
    super(code, functionIndex, false);
  }

  local(type: ValueType): number {
    return this.code.local(type);
  }

  protected fault(): void {
    this.#leave(STATUS.fault);
  }

  exit(exit: Exit): void {
    const { code } = this;
    switch (exit.exit) {
      case 'finish':
        return this.#leave(STATUS.next);
      case 'fault':
        return this.fault();
      case 'branch': {
        const target = code.local('i64');
        code.set(target);
        code.get(CPU);
        code.get(target);
        code.memory('i64.store', offsetOf('rip'));
        return this.#leave(STATUS.branch);
      }
      case 'takeRel':
        return this.#leave(STATUS.takeRel);
      case 'repeat':
        return this.#leave(STATUS.repeat);
      case 'fall':
        return this.#leave(STATUS.fall);
      case 'shadow':
        return this.#leave(STATUS.shadow);
      case 'status':
        return code.return();
      case 'return':
      case 'instead':
        throw new TypeError('handlers return no values and have no regions');
    }
  }

  #leave(status: number): void {
    this.code.i32(status);
    this.code.return();
  }
}

/** Labels of the dispatch loop that a case may leave to. */
export interface LoopLabels {
  readonly next: Label;
  readonly fault: Label;
  readonly takeRel: Label;
  readonly branch: Label;
  readonly status: Label;
  readonly recordLocal: number;
  readonly ripLocal: number;
  readonly statusLocal: number;
}

/** A case of the dispatch loop; its locals come from a pool that all cases share. */
export class CaseFrame extends HandlerFrame {
  readonly #labels: LoopLabels;
  readonly #pool: LocalPool;
  #recordBytes: number;

  constructor(code: Code, functionIndex: Functions, labels: LoopLabels, pool: LocalPool, recordBytes: number) {
    super(code, functionIndex, true);
    this.#labels = labels;
    this.#pool = pool;
    this.#recordBytes = recordBytes;
    pool.rewind();
  }

  local(type: ValueType): number {
    return this.#pool.take(type);
  }

  protected fault(): void {
    this.code.br(this.#labels.fault);
  }

  exit(exit: Exit): void {
    const { code } = this;
    const labels = this.#labels;
    switch (exit.exit) {
      case 'finish':
        code.get(labels.recordLocal);
        code.i32(this.#recordBytes);
        code.op('i32.add');
        code.set(labels.recordLocal);
        return code.br(labels.next);
      case 'fault':
        return this.fault();
      case 'branch':
        code.set(labels.ripLocal);
        return code.br(labels.branch);
      case 'takeRel':
        return code.br(labels.takeRel);
      case 'status':
        code.set(labels.statusLocal);
        return code.br(labels.status);
      case 'return':
      case 'instead':
        throw new TypeError('handlers return no values and have no regions');
      default:
        code.i32(STATUS[exit.exit]);
        code.set(labels.statusLocal);
        return code.br(labels.status);
    }
  }
}

/** Locals handed out per case and reused by the next. */
export class LocalPool {
  readonly #code: Code;
  readonly #locals: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  readonly #used: Record<ValueType, number> = { i32: 0, i64: 0, f32: 0, f64: 0, v128: 0 };

  constructor(code: Code) {
    this.#code = code;
  }

  rewind(): void {
    for (const type of Object.keys(this.#used) as ValueType[]) this.#used[type] = 0;
  }

  take(type: ValueType): number {
    const at = this.#used[type]++;
    const known = this.#locals[type][at];
    if (known !== undefined) return known;
    const local = this.#code.local(type);
    this.#locals[type].push(local);
    return local;
  }
}
