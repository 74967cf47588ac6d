import { ByteSink } from './bytes.ts';
import {
  ATOMIC,
  type AtomicOp,
  MEMORY,
  type MemoryOp,
  NUMERIC,
  type NumericOp,
  OP,
  SATURATING,
  type SaturatingOp,
  SIMD,
  SIMD_LANE,
  type SimdLaneOp,
  type SimdOp,
} from './opcodes.ts';

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';
export const VALUE_TYPE = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const;
const EMPTY_BLOCK = 0x40;

/** A branch target: depth of the construct it names, counted from the function body. */
export interface Label {
  readonly depth: number;
}

interface Hint {
  readonly at: number;
  readonly likely: boolean;
}

/** Bytes that functions have room for from the start. */
const ROOM = 4096;
const TAIL = 1024;
const SMALL = 64;

/** Body of one function: instructions in order. Locals are declared as they are asked for and numbered after the parameters. */
export class Code {
  #sink = new ByteSink(ROOM);
  /** What comes after it. */
  #tail: ByteSink | undefined;
  readonly #locals: ValueType[] = [];
  readonly #parameters: number;
  #depth = 0;
  /** By the place in the sink. */
  #hints: Hint[] = [];
  readonly #afters: { readonly type: ValueType; readonly from: number; readonly end: number; readonly hints: readonly Hint[] }[] =
    [];

  constructor(parameters: number) {
    this.#parameters = parameters;
  }

  /** Bytes of instructions so far. */
  get size(): number {
    return this.#sink.length + (this.#tail?.length ?? 0);
  }

  get localCount(): number {
    return this.#locals.length;
  }

  local(type: ValueType): number {
    this.#locals.push(type);
    return this.#parameters + this.#locals.length - 1;
  }

  op(name: NumericOp): void {
    this.#sink.byte(NUMERIC[name]);
  }

  saturating(name: SaturatingOp): void {
    this.#sink.byte(0xfc);
    this.#sink.u32(SATURATING[name]);
  }

  memory(name: MemoryOp, offset = 0): void {
    const [code, alignment] = MEMORY[name];
    this.#sink.byte(code);
    this.#sink.u32(alignment);
    this.#sink.u32(offset);
  }

  atomic(name: AtomicOp, offset = 0): void {
    const [code, alignment] = ATOMIC[name];
    this.#sink.byte(0xfe);
    this.#sink.u32(code);
    this.#sink.u32(alignment);
    this.#sink.u32(offset);
  }

  simd(name: SimdOp): void {
    this.#sink.byte(0xfd);
    this.#sink.u32(SIMD[name]);
  }

  simdLane(name: SimdLaneOp, lane: number): void {
    this.#sink.byte(0xfd);
    this.#sink.u32(SIMD_LANE[name]);
    this.#sink.byte(lane);
  }

  simdShuffle(lanes: readonly number[]): void {
    this.#sink.byte(0xfd);
    this.#sink.u32(0x0d);
    for (const lane of lanes) this.#sink.byte(lane);
  }

  v128Load(offset = 0): void {
    this.#sink.byte(0xfd);
    this.#sink.u32(0x00);
    this.#sink.u32(0);
    this.#sink.u32(offset);
  }

  v128Store(offset = 0): void {
    this.#sink.byte(0xfd);
    this.#sink.u32(0x0b);
    this.#sink.u32(0);
    this.#sink.u32(offset);
  }

  v128Const(low: bigint, high: bigint): void {
    this.#sink.byte(0xfd);
    this.#sink.u32(0x0c);
    this.#sink.u64LittleEndian(low);
    this.#sink.u64LittleEndian(high);
  }

  i32(value: number): void {
    this.#sink.byte(0x41);
    this.#sink.s32(value);
  }

  i64(value: bigint | number): void {
    this.#sink.byte(0x42);
    if (typeof value === 'number' && (value | 0) === value) this.#sink.s32(value);
    else this.#sink.s64(BigInt(value));
  }

  get(local: number): void {
    this.#sink.byte(OP['local.get']);
    this.#sink.u32(local);
  }

  set(local: number): void {
    this.#sink.byte(OP['local.set']);
    this.#sink.u32(local);
  }

  tee(local: number): void {
    this.#sink.byte(OP['local.tee']);
    this.#sink.u32(local);
  }

  drop(): void {
    this.#sink.byte(OP.drop);
  }

  select(): void {
    this.#sink.byte(OP.select);
  }

  call(functionIndex: number): void {
    this.#sink.byte(OP.call);
    this.#sink.u32(functionIndex);
  }

  returnCall(functionIndex: number): void {
    this.#sink.byte(OP.return_call);
    this.#sink.u32(functionIndex);
  }

  callIndirect(typeIndex: number, table = 0): void {
    this.#sink.byte(OP.call_indirect);
    this.#sink.u32(typeIndex);
    this.#sink.u32(table);
  }

  returnCallIndirect(typeIndex: number, table = 0): void {
    this.#sink.byte(OP.return_call_indirect);
    this.#sink.u32(typeIndex);
    this.#sink.u32(table);
  }

  memoryCopy(): void {
    for (const byte of [0xfc, 0x0a, 0x00, 0x00]) this.#sink.byte(byte);
  }

  memoryFill(): void {
    for (const byte of [0xfc, 0x0b, 0x00]) this.#sink.byte(byte);
  }

  block(type?: ValueType): Label {
    return this.#open(OP.block, type);
  }

  loop(type?: ValueType): Label {
    return this.#open(OP.loop, type);
  }

  /** `likely`: a hint for the compiler where the condition is nearly always, or nearly never, true. */
  if(type?: ValueType, likely?: boolean): Label {
    this.#hint(likely);
    return this.#open(OP.if, type);
  }

  else(): void {
    this.#sink.byte(OP.else);
  }

  end(): void {
    this.#depth--;
    this.#sink.byte(OP.end);
  }

  br(label: Label): void {
    this.#sink.byte(OP.br);
    this.#sink.u32(this.#depth - label.depth);
  }

  brIf(label: Label, likely?: boolean): void {
    this.#hint(likely);
    this.#sink.byte(OP.br_if);
    this.#sink.u32(this.#depth - label.depth);
  }

  brTable(labels: readonly Label[], otherwise: Label): void {
    this.#sink.byte(OP.br_table);
    this.#sink.u32(labels.length);
    for (const label of labels) this.#sink.u32(this.#depth - label.depth);
    this.#sink.u32(this.#depth - otherwise.depth);
  }

  return(): void {
    this.#sink.byte(OP.return);
  }

  unreachable(): void {
    this.#sink.byte(OP.unreachable);
  }

  /**
   * Instructions after all others, which only `brAfter` leads to, with a value of `type`. They must not branch to what is around them, and not
   * come to their end.
   */
  after(type: ValueType, write: () => void): void {
    this.#tail ??= new ByteSink(TAIL);
    const [sink, hints, from] = [this.#sink, this.#hints, this.#tail.length];
    this.#sink = this.#tail;
    this.#hints = [];
    write();
    this.#afters.push({ type, from, end: this.#tail.length, hints: this.#hints });
    this.#sink = sink;
    this.#hints = hints;
  }

  /** To what `after` has been given, by its number in order. */
  brAfter(number: number): void {
    this.#sink.byte(OP.br);
    this.#sink.u32(this.#depth + number);
  }

  /** Nothing comes after; what has been given to `after` is put in its place. */
  close(): void {
    if (this.#afters.length === 0) return;
    const [inner, innerHints, tail] = [this.#sink, this.#hints, this.#tail as ByteSink];
    const all = new ByteSink(inner.length + tail.length + 3 * this.#afters.length);
    this.#sink = all;
    this.#tail = undefined;
    this.#hints = [];
    for (const { type } of this.#afters.toReversed()) {
      all.byte(OP.block);
      all.byte(VALUE_TYPE[type]);
    }
    const place = (bytes: Uint8Array, moved: number, hints: readonly Hint[]): void => {
      for (const { at, likely } of hints) this.#hints.push({ at: at + moved, likely });
      all.raw(bytes);
    };
    place(inner.view(), all.length, innerHints);
    for (const { from, end, hints } of this.#afters) {
      all.byte(OP.end);
      place(tail.view().subarray(from, end), all.length - from, hints);
    }
  }

  /** The function as the code section wants it, without its size: local declarations, instructions, end. */
  write(out: ByteSink): void {
    this.#writeLocals(out);
    out.raw(this.#sink.view());
    out.byte(OP.end);
  }

  /** The same by itself. */
  finish(): Uint8Array {
    const out = new ByteSink(this.size + SMALL);
    this.write(out);
    return out.view();
  }

  /** Branch hints by offset in the body (WebAssembly branch hinting, custom section `metadata.code.branch_hint`). */
  get hints(): readonly Hint[] {
    if (this.#hints.length === 0) return [];
    const locals = new ByteSink(SMALL);
    this.#writeLocals(locals);
    return this.#hints.map(({ at, likely }) => ({ at: at + locals.length, likely }));
  }

  #hint(likely: boolean | undefined): void {
    if (likely !== undefined) this.#hints.push({ at: this.#sink.length, likely });
  }

  #writeLocals(out: ByteSink): void {
    const runs: [number, ValueType][] = [];
    for (const type of this.#locals) {
      const last = runs.at(-1);
      if (last && last[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    out.u32(runs.length);
    for (const [count, type] of runs) {
      out.u32(count);
      out.byte(VALUE_TYPE[type]);
    }
  }

  #open(opcode: number, type?: ValueType): Label {
    this.#sink.byte(opcode);
    this.#sink.byte(type === undefined ? EMPTY_BLOCK : VALUE_TYPE[type]);
    this.#depth++;
    return { depth: this.#depth };
  }
}
