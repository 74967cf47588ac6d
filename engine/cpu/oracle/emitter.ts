/**
 * The third binding of `Emitter`: every operation is evaluated at once on BigInt. Control flow is JavaScript's: a branch not taken is
 * not called, `finish` and faults are exceptions. Used by tests only, as judge of the generated tiers.
 */
import type {
  AddressWidth,
  Bool,
  ConditionCode,
  Emitter,
  FloatBinary,
  FloatConvert,
  FloatUnary,
  Int,
  LaneBits,
  Operand,
  Segment,
  StatusFlag,
  Var,
  Vec,
  VecBinary,
  VecShift,
  VecUnary,
  Width,
} from '../../isa/emitter.ts';
import type { Field, SlowName } from '../../isa/fields.ts';
import { GuestFault } from '../context.ts';
import { condition, FLAG_BIT, ofResult, ofSum, readStatus, STATUS_MASK, writeStatus } from './flags.ts';
import * as floats from './floats.ts';
import type { Frame } from './frame.ts';
import * as lanes from './lanes.ts';

/** Thrown by `finish`: the definition ends here, the instruction completes. */
export class Finished extends Error {}

const int = (value: bigint | number): Int => BigInt(value) as unknown as Int;
const big = (value: Int): bigint => value as unknown as bigint;
const bool = (value: boolean): Bool => value as unknown as Bool;
const holds = (value: Bool): boolean => value as unknown as boolean;
const vec = (value: bigint): Vec => BigInt.asUintN(128, value) as unknown as Vec;
const wide = (value: Vec): bigint => value as unknown as bigint;
const cut = (width: number, value: bigint): Int => int(BigInt.asUintN(width, value));
const low6 = (value: Int): bigint => big(value) & 63n;
const quotient = (a: bigint, b: bigint): Int => cut(64, a / b);

interface Cell {
  value: Int;
}

const SEGMENTS: readonly Segment[] = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

export class OracleEmitter implements Emitter {
  readonly #frame: Frame;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  // ---- integers ----
  const(value: number | bigint): Int {
    return cut(64, BigInt(value));
  }
  add(width: Width, a: Int, b: Int): Int {
    return cut(width, big(a) + big(b));
  }
  sub(width: Width, a: Int, b: Int): Int {
    return cut(width, big(a) - big(b));
  }
  mul(width: Width, a: Int, b: Int): Int {
    return cut(width, big(a) * big(b));
  }
  neg(width: Width, a: Int): Int {
    return cut(width, -big(a));
  }
  not(width: Width, a: Int): Int {
    return cut(width, ~big(a));
  }
  and(a: Int, b: Int): Int {
    return int(big(a) & big(b));
  }
  or(a: Int, b: Int): Int {
    return int(big(a) | big(b));
  }
  xor(a: Int, b: Int): Int {
    return int(big(a) ^ big(b));
  }
  shl(width: Width, a: Int, count: Int): Int {
    return cut(width, big(a) << low6(count));
  }
  shr(width: Width, a: Int, count: Int): Int {
    return cut(width, big(a) >> low6(count));
  }
  sar(width: Width, a: Int, count: Int): Int {
    return cut(width, BigInt.asIntN(width, big(a)) >> low6(count));
  }
  rotl(width: Width, a: Int, count: Int): Int {
    const by = big(count) % BigInt(width);
    const value = BigInt.asUintN(width, big(a));
    return cut(width, (value << by) | (value >> (BigInt(width) - by)));
  }
  rotr(width: Width, a: Int, count: Int): Int {
    const by = big(count) % BigInt(width);
    return this.rotl(width, a, int(BigInt(width) - by));
  }
  sext(from: Width, a: Int): Int {
    return cut(64, BigInt.asIntN(from, big(a)));
  }
  trunc(width: Width, a: Int): Int {
    return cut(width, big(a));
  }
  mulHighU(a: Int, b: Int): Int {
    return cut(64, (big(a) * big(b)) >> 64n);
  }
  mulHighS(a: Int, b: Int): Int {
    return cut(64, (BigInt.asIntN(64, big(a)) * BigInt.asIntN(64, big(b))) >> 64n);
  }
  divU128(hi: Int, lo: Int, d: Int): [Int, Int] {
    const dividend = (big(hi) << 64n) | big(lo);
    return [cut(64, dividend / big(d)), cut(64, dividend % big(d))];
  }
  divU(a: Int, b: Int): Int {
    return quotient(big(a), big(b));
  }
  remU(a: Int, b: Int): Int {
    return cut(64, big(a) % big(b));
  }
  divS(a: Int, b: Int): Int {
    return quotient(BigInt.asIntN(64, big(a)), BigInt.asIntN(64, big(b)));
  }
  remS(a: Int, b: Int): Int {
    return cut(64, BigInt.asIntN(64, big(a)) % BigInt.asIntN(64, big(b)));
  }
  popcnt(a: Int): Int {
    return int(big(a).toString(2).replaceAll('0', '').length);
  }
  clz(a: Int): Int {
    return int(big(a) === 0n ? 64 : 64 - big(a).toString(2).length);
  }
  ctz(a: Int): Int {
    const digits = big(a).toString(2);
    return int(big(a) === 0n ? 64 : digits.length - 1 - digits.lastIndexOf('1'));
  }
  select(condition: Bool, a: Int, b: Int): Int {
    return holds(condition) ? a : b;
  }

  // ---- truth values ----
  eq(a: Int, b: Int): Bool {
    return bool(big(a) === big(b));
  }
  ne(a: Int, b: Int): Bool {
    return bool(big(a) !== big(b));
  }
  ltU(a: Int, b: Int): Bool {
    return bool(big(a) < big(b));
  }
  leU(a: Int, b: Int): Bool {
    return bool(big(a) <= big(b));
  }
  ltS(width: Width, a: Int, b: Int): Bool {
    return bool(BigInt.asIntN(width, big(a)) < BigInt.asIntN(width, big(b)));
  }
  bit(a: Int, index: number): Bool {
    return bool(((big(a) >> BigInt(index)) & 1n) === 1n);
  }
  true(): Bool {
    return bool(true);
  }
  false(): Bool {
    return bool(false);
  }
  andB(a: Bool, b: Bool): Bool {
    return bool(holds(a) && holds(b));
  }
  orB(a: Bool, b: Bool): Bool {
    return bool(holds(a) || holds(b));
  }
  xorB(a: Bool, b: Bool): Bool {
    return bool(holds(a) !== holds(b));
  }
  notB(a: Bool): Bool {
    return bool(!holds(a));
  }
  int(a: Bool): Int {
    return int(holds(a) ? 1n : 0n);
  }

  // ---- variables and control flow ----
  var(initial: Int): Var {
    return { value: initial } as unknown as Var;
  }
  get(variable: Var): Int {
    return (variable as unknown as Cell).value;
  }
  set(variable: Var, value: Int): void {
    (variable as unknown as Cell).value = value;
  }
  if(condition: Bool, then: () => void, otherwise?: () => void): void {
    if (holds(condition)) then();
    else otherwise?.();
  }
  while(condition: () => Bool, body: () => void): void {
    while (holds(condition())) body();
  }
  finish(): never {
    throw new Finished();
  }

  // ---- processor state ----
  field(name: Field): Int {
    return int(this.#frame.s[name]);
  }
  setField(name: Field, value: Int): void {
    const s = this.#frame.s as unknown as Record<Field, number | bigint>;
    s[name] = typeof s[name] === 'bigint' ? big(value) : Number(big(value));
  }
  reg(width: Width, number: number): Int {
    return cut(width, this.#frame.s.gpr[number] ?? 0n);
  }
  setReg(width: Width, number: number, value: Int): void {
    const { gpr } = this.#frame.s;
    const old = gpr[number] ?? 0n;
    gpr[number] = width >= 32 ? big(value) : ((old >> BigInt(width)) << BigInt(width)) | BigInt.asUintN(width, big(value));
  }
  cpl(): Int {
    return int(this.#frame.s.cpl);
  }

  // ---- operands ----
  read(op: Operand): Int {
    const frame = this.#frame;
    const binding = frame.bindingOf(op);
    if (binding.at === 'value') return int(binding.value);
    if (binding.at === 'memory') return int(frame.memory.load(op.width, binding.segment, frame.offsetOf(binding)));
    if (op.kind === 'mmx') return int(frame.s.views.u64[(frame.s.base + frame.fprOffset + binding.number * 16) >>> 3] ?? 0n);
    if (op.kind === 'xmm') return cut(op.width, frame.readXmm(binding.number));
    return cut(op.width, (frame.s.gpr[binding.number] ?? 0n) >> (binding.high ? 8n : 0n));
  }
  write(op: Operand, value: Int): void {
    const frame = this.#frame;
    const binding = frame.bindingOf(op);
    if (binding.at === 'value') throw new Error('a constant operand cannot be written');
    if (binding.at === 'memory')
      frame.memory.store(op.width, binding.segment, { offset: frame.offsetOf(binding), value: big(value) });
    else if (op.kind === 'mmx') frame.writeMmx(binding.number, big(value));
    else if (op.kind === 'xmm') {
      const width = BigInt(op.width);
      frame.writeXmm(binding.number, ((frame.readXmm(binding.number) >> width) << width) | BigInt.asUintN(op.width, big(value)));
    } else if (binding.high) {
      const old = frame.s.gpr[binding.number] ?? 0n;
      frame.s.gpr[binding.number] = (old & ~0xff00n) | (BigInt.asUintN(8, big(value)) << 8n);
    } else this.setReg(op.width as Width, binding.number, value);
  }
  update(op: Operand, fn: (old: Int) => Int, _lock?: boolean): [Int, Int] {
    if (this.#frame.bindingOf(op).at === 'memory') return this.updateAt(op, { offset: 0, width: op.width as Width }, fn);
    const old = this.read(op);
    const value = fn(old);
    this.write(op, value);
    return [old, value];
  }
  updateAt(op: Operand, at: { offset: number | Int; width: Width; lock?: boolean }, fn: (old: Int) => Int): [Int, Int] {
    const { memory } = this.#frame;
    const places = this.#updatePlaces(op, at);
    const old = int(memory.readPlaces(places));
    const value = fn(old);
    memory.writePlaces(places, BigInt.asUintN(at.width, big(value)));
    return [old, value];
  }
  #updatePlaces(op: Operand, at: { offset: number | Int; width: number }) {
    const binding = this.#memoryBinding(op);
    const extra = typeof at.offset === 'number' ? BigInt(at.offset) : big(at.offset);
    return this.#frame.memory.place(at.width / 8, binding.segment, {
      offset: this.#frame.offsetOf(binding, extra),
      kind: 'update',
    });
  }
  compareExchange128(op: Operand, halves: { expected: [Int, Int]; desired: [Int, Int] }, _lock: boolean): [Int, Int] {
    const { memory } = this.#frame;
    const places = this.#updatePlaces(op, { offset: 0, width: 128 });
    const old = memory.readPlaces(places);
    const whole = ([low, high]: [Int, Int]): bigint => (big(high) << 64n) | big(low);
    memory.writePlaces(places, old === whole(halves.expected) ? whole(halves.desired) : old);
    return [cut(64, old), cut(64, old >> 64n)];
  }
  address(op: Operand): Int {
    return int(this.#frame.offsetOf(this.#memoryBinding(op)));
  }
  linear(op: Operand): Int {
    const binding = this.#memoryBinding(op);
    return int(this.#frame.memory.linear(binding.segment, this.#frame.offsetOf(binding)));
  }
  loadAt(op: Operand, offset: number | Int, width: Width): Int {
    const frame = this.#frame;
    const binding = this.#memoryBinding(op);
    return int(
      frame.memory.load(
        width,
        binding.segment,
        frame.offsetOf(binding, typeof offset === 'number' ? BigInt(offset) : big(offset)),
      ),
    );
  }
  storeAt(op: Operand, offset: number | Int, width: Width, value: Int): void {
    const frame = this.#frame;
    const binding = this.#memoryBinding(op);
    const at = frame.offsetOf(binding, typeof offset === 'number' ? BigInt(offset) : big(offset));
    frame.memory.store(width, binding.segment, { offset: at, value: big(value) });
  }
  probeWrite(op: Operand, bytes: number): void {
    const binding = this.#memoryBinding(op);
    this.#frame.memory.place(bytes, binding.segment, { offset: this.#frame.offsetOf(binding), kind: 'write' });
  }
  checkAligned(op: Operand, bytes: 16 | 64): void {
    const binding = this.#memoryBinding(op);
    const { memory } = this.#frame;
    const offset = this.#frame.offsetOf(binding);
    // Limits come before this check, canonical form after it.
    if (!memory.longCode) memory.checked(bytes, binding.segment, { offset, kind: 'read' });
    if (memory.linear(binding.segment, offset) % BigInt(bytes) !== 0n) throw new GuestFault(13, 0);
  }
  readVec(op: Operand, aligned: boolean): Vec {
    const binding = this.#frame.bindingOf(op);
    if (binding.at === 'value') throw new Error('a constant is no vector');
    if (op.kind === 'mmx') return vec(big(this.read(op)));
    if (binding.at === 'register') return vec(this.#frame.readXmm(binding.number));
    return vec(this.#frame.memory.load(128, binding.segment, this.#frame.offsetOf(binding), aligned));
  }
  writeVec(op: Operand, value: Vec, aligned: boolean): void {
    const binding = this.#frame.bindingOf(op);
    if (binding.at === 'value') throw new Error('a constant cannot be written');
    if (op.kind === 'mmx') this.write(op, cut(64, wide(value)));
    else if (binding.at === 'register') this.#frame.writeXmm(binding.number, wide(value));
    else this.#frame.memory.store(128, binding.segment, { offset: this.#frame.offsetOf(binding), value: wide(value), aligned });
  }
  registerNumber(op: Operand): Int {
    const binding = this.#frame.bindingOf(op);
    if (binding.at !== 'register') throw new Error(`an operand of kind ${op.kind} names no register`);
    return int(binding.number);
  }
  #memoryBinding(op: Operand) {
    const binding = this.#frame.bindingOf(op);
    if (binding.at !== 'memory') throw new Error(`an operand of kind ${op.kind} has no address`);
    return binding;
  }

  // ---- memory by segment and offset ----
  #segment(segment: Segment | 'source'): number {
    return segment === 'source' ? this.#frame.sourceSegment : SEGMENTS.indexOf(segment);
  }
  load(width: Width, segment: Segment | 'source', offset: Int): Int {
    return int(this.#frame.memory.load(width, this.#segment(segment), big(offset)));
  }
  store(width: Width, segment: Segment | 'source', offset: Int, value: Int): void {
    this.#frame.memory.store(width, this.#segment(segment), { offset: big(offset), value: big(value) });
  }
  probeStore(width: Width, segment: Segment | 'source', offset: Int): void {
    this.#frame.memory.place(width / 8, this.#segment(segment), { offset: big(offset), kind: 'write' });
  }
  loadLinear(width: Width, address: Int): Int {
    return int(this.#frame.memory.loadLinear(width, big(address)));
  }
  storeLinear(width: Width, address: Int, value: Int): void {
    this.#frame.memory.storeLinear(width, big(address), big(value));
  }
  #stackPointer(change: bigint): bigint {
    const { stackWidth } = this.#frame;
    return BigInt.asUintN(stackWidth, (this.#frame.s.gpr[4] ?? 0n) + change);
  }
  push(width: Width, value: Int): void {
    const offset = this.#stackPointer(BigInt(-width / 8));
    this.#frame.memory.store(width, 2, { offset, value: BigInt.asUintN(width, big(value)) });
    this.setReg(this.#frame.stackWidth as AddressWidth, 4, int(offset));
  }
  peek(width: Width, byteOffset: number): Int {
    return int(this.#frame.memory.load(width, 2, this.#stackPointer(BigInt(byteOffset))));
  }
  adjustSp(bytes: number | Int): void {
    const change = typeof bytes === 'number' ? BigInt(bytes) : big(bytes);
    this.setReg(this.#frame.stackWidth as AddressWidth, 4, int(this.#stackPointer(change)));
  }
  pop(width: Width): Int {
    const value = this.peek(width, 0);
    this.adjustSp(width / 8);
    return value;
  }

  // ---- flags ----
  flag(name: StatusFlag): Bool {
    return bool((readStatus(this.#frame.s) & FLAG_BIT[name]) !== 0n);
  }
  cond(cc: ConditionCode): Bool {
    return bool(condition(cc, readStatus(this.#frame.s)));
  }
  flagsAdd(width: Width, a: Int, b: Int, result: Int): void {
    writeStatus(this.#frame.s, ofSum(width, 1n, { a: big(a), b: big(b), result: big(result) }));
  }
  flagsSub(width: Width, a: Int, b: Int, result: Int): void {
    writeStatus(this.#frame.s, ofSum(width, -1n, { a: big(a), b: big(b), result: big(result) }));
  }
  flagsLogic(width: Width, result: Int): void {
    writeStatus(this.#frame.s, ofResult(width, big(result)));
  }
  flags(change: { width?: Width; result?: Int; C?: Bool; O?: Bool; A?: Bool; Z?: Bool; S?: Bool; P?: Bool }): void {
    let status = readStatus(this.#frame.s);
    if (change.result !== undefined) {
      const taken = FLAG_BIT.S | FLAG_BIT.Z | FLAG_BIT.P;
      status = (status & ~taken) | ofResult(change.width ?? 64, big(change.result));
    }
    for (const name of ['C', 'O', 'A', 'Z', 'S', 'P'] as const) {
      const value = change[name];
      if (value !== undefined) status = (status & ~FLAG_BIT[name]) | (holds(value) ? FLAG_BIT[name] : 0n);
    }
    writeStatus(this.#frame.s, status);
  }
  status(): Int {
    return int(readStatus(this.#frame.s));
  }
  setStatus(bits: Int): void {
    writeStatus(this.#frame.s, big(bits) & STATUS_MASK);
  }
  systemFlags(): Int {
    return int(this.#frame.s.sysFlags);
  }
  setSystemFlags(bits: Int): void {
    this.#frame.s.sysFlags = Number(((big(bits) & ~STATUS_MASK) | 2n) & 0xffffffffn);
  }

  // ---- control transfer ----
  nextIp(width: Width): Int {
    return cut(width, this.#frame.nextIp());
  }
  relTarget(op: Operand): Int {
    const binding = this.#frame.bindingOf(op);
    if (binding.at !== 'value') throw new Error('only a displacement has a target');
    return cut(op.width, this.#frame.nextIp() + binding.value);
  }
  checkTarget(target: Int): void {
    this.#frame.checkTarget(big(target));
  }
  jump(target: Int): void {
    this.#frame.jumpTo(big(target));
  }
  jumpRel(op: Operand): void {
    this.jump(this.relTarget(op));
  }
  jumpRelIf(condition: Bool, op: Operand): void {
    if (!holds(condition)) return;
    this.checkTarget(this.relTarget(op));
    this.jumpRel(op);
  }
  repeat(again: Bool): void {
    if (holds(again)) this.#frame.again();
  }
  endBlock(): void {
    // The oracle fetches every instruction anew.
  }
  interruptShadow(kind: 'sti' | 'movss'): void {
    this.#frame.shadow(kind);
  }
  raise(vector: number, errorCode?: Int): void {
    throw errorCode === undefined ? new GuestFault(vector) : new GuestFault(vector, Number(big(errorCode)));
  }
  raiseIf(condition: Bool, vector: number, errorCode?: Int): void {
    if (holds(condition)) this.raise(vector, errorCode);
  }
  slow(name: SlowName, ...args: Int[]): [Int, Int] {
    const [first = 0n, second = 0n] = this.#frame.slow(name, args.map(big)) ?? [];
    return [int(first), int(second)];
  }
  bulk(_kind: 'movs' | 'stos', _width: Width, _addressWidth: AddressWidth): Int {
    return int(0);
  }
  bulkAll(): boolean {
    return false;
  }

  // ---- vectors ----
  vecConst(low: bigint, high: bigint): Vec {
    return vec((high << 64n) | BigInt.asUintN(64, low));
  }
  vec(op: VecBinary, a: Vec, b: Vec): Vec {
    return vec(lanes.binary(op, wide(a), wide(b)));
  }
  vec1(op: VecUnary, a: Vec): Vec {
    return vec(lanes.unary(op, wide(a)));
  }
  vecShift(op: VecShift, a: Vec, count: Int): Vec {
    return vec(lanes.shift(op, wide(a), big(count)));
  }
  vecShuffle(order: readonly number[], a: Vec, b: Vec): Vec {
    return vec(lanes.shuffle(order, wide(a), wide(b)));
  }
  vecSplat(bits: LaneBits, value: Int): Vec {
    return vec(lanes.join(bits, Array<bigint>(128 / bits).fill(big(value))));
  }
  vecLane(bits: LaneBits, a: Vec, lane: number): Int {
    return int(lanes.split(bits, wide(a))[lane] ?? 0n);
  }
  vecReplace(bits: LaneBits, a: Vec, lane: number, value: Int): Vec {
    return vec(lanes.join(bits, lanes.split(bits, wide(a)).with(lane, big(value))));
  }
  vecBitmask(bits: LaneBits, a: Vec): Int {
    return int(
      lanes.split(bits, wide(a)).reduce((mask, lane, index) => mask | ((lane >> BigInt(bits - 1)) << BigInt(index)), 0n),
    );
  }
  vecSelect(condition: Bool, a: Vec, b: Vec): Vec {
    return holds(condition) ? a : b;
  }
  vecFromInts(low: Int, high: Int): Vec {
    return this.vecConst(big(low), big(high));
  }
  xmm(number: number): Vec {
    return vec(this.#frame.readXmm(number));
  }
  setXmm(number: number, value: Vec): void {
    this.#frame.writeXmm(number, wide(value));
  }

  // ---- SSE floating point: always the exact routine ----
  float(op: FloatBinary, bits: 32 | 64, a: Int, b: Int): Int {
    return int(floats.arithmetic(this.#frame, `${op}${bits}`, [[big(a), big(b)]])[0] ?? 0n);
  }
  float1(op: FloatUnary, bits: 32 | 64, a: Int): Int {
    return int(floats.arithmetic(this.#frame, `${op}${bits}`, [[big(a), 0n]])[0] ?? 0n);
  }
  floatConvert(kind: FloatConvert, a: Int): Int {
    return int(floats.convert(this.#frame, kind, big(a)));
  }
  floatCompare(bits: 32 | 64, a: Int, b: Int, quiet: boolean): { less: Bool; equal: Bool; unordered: Bool } {
    const order = floats.compare(this.#frame, { bits, quiet }, [big(a), big(b)]);
    return { less: bool(order === 'less'), equal: bool(order === 'equal'), unordered: bool(order === 'unordered') };
  }
  vecFloat(op: FloatBinary, bits: 32 | 64, a: Vec, b: Vec): Vec {
    const right = lanes.split(bits, wide(b));
    const pairs = lanes.split(bits, wide(a)).map((lane, index): [bigint, bigint] => [lane, right[index] ?? 0n]);
    return vec(lanes.join(bits, floats.arithmetic(this.#frame, `${op}${bits}`, pairs)));
  }
  vecFloat1(op: FloatUnary, bits: 32 | 64, a: Vec): Vec {
    const pairs = lanes.split(bits, wide(a)).map((lane): [bigint, bigint] => [lane, 0n]);
    return vec(lanes.join(bits, floats.arithmetic(this.#frame, `${op}${bits}`, pairs)));
  }
}
