/** The Emitter over the IR. What an operand is bound to comes from a `Binding`: late (records) in the interpreter, early in the JIT. */
import type {
  AddressWidth,
  Bool,
  Emitter,
  Facts,
  FloatBinary,
  FloatConvert,
  FloatUnary,
  Int,
  Operand,
  Segment,
  Vec,
  Width,
} from '../../isa/emitter.ts';
import { type Field, SLOW, type SlowName } from '../../isa/fields.ts';
import type { MemoryOp } from '../../wasm/opcodes.ts';
import { offsetOf, type VcpuFieldName, vcpuState } from '../state.ts';
import { checkedAlignment } from './alignment.ts';
import { bool, int, node, vec } from './arithmetic.ts';
import type { Binding } from './binding.ts';
import { IrBuilder } from './builder.ts';
import { IrFlags } from './flags.ts';
import type { Node } from './node.ts';
import { quickCall } from './quick-calls.ts';

const SEGMENTS: readonly Segment[] = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const STACK = SEGMENTS.indexOf('ss');
const SLOW_NAMES = Object.keys(SLOW) as SlowName[];
export const slowIndex = (name: SlowName): number => SLOW_NAMES.indexOf(name);
export const slowName = (index: number): SlowName => SLOW_NAMES[index] as SlowName;

const [GPR, XMM] = [offsetOf('gpr'), offsetOf('xmm')];
const [FLAG_RESULT, FLAG_AUX] = [offsetOf('flagResult'), offsetOf('flagAux')];
const LOAD: Record<Width, MemoryOp> = { 8: 'i64.load8_u', 16: 'i64.load16_u', 32: 'i64.load32_u', 64: 'i64.load' };
const STORE: Record<Width, MemoryOp> = { 8: 'i64.store8', 16: 'i64.store16', 32: 'i64.store32', 64: 'i64.store' };
/** A 32-bit register write clears the upper half: values are zero-extended, so the whole register is stored. */
const STORE_REGISTER: Record<Width, MemoryOp> = { ...STORE, 32: 'i64.store' };
const COMPARE_EXCHANGE = {
  8: 'i64.atomic.rmw8.cmpxchg_u',
  16: 'i64.atomic.rmw16.cmpxchg_u',
  32: 'i64.atomic.rmw32.cmpxchg_u',
  64: 'i64.atomic.rmw.cmpxchg',
} as const;

export class IrEmitter extends IrFlags implements Emitter {
  #binding!: Binding;
  #facts!: Facts;
  readonly cpu: Node;
  /** The instruction reaches memory through rSP without naming it. */
  usesStack = false;
  #ending: 'finish' | 'fall' | 'shadow' = 'finish';

  constructor(ir = new IrBuilder()) {
    super(ir);
    this.cpu = this.ir.param(0, 'i32');
  }

  /** What is emitted from here on is another instruction. */
  bind(facts: Facts, binding: Binding): void {
    this.#facts = facts;
    this.#binding = binding;
    this.#ending = 'finish';
  }

  /** Nothing decoded after this instruction follows it without going through the dispatcher. */
  get endsBlock(): boolean {
    return this.ir.dead || this.#ending !== 'finish';
  }

  /** The end of the definition: what `finish` does, unless every path has left already. */
  end(): void {
    if (!this.ir.dead) this.finish();
  }

  finish(): void {
    this.ir.exit({ exit: this.#ending === 'finish' ? 'finish' : this.#ending === 'fall' ? 'fall' : 'shadow' });
  }

  /** What a branch that leaves by itself said about the end (a shadow, the block's end) does not hold for the paths that go on. */
  override if(condition: Bool, then: () => void, otherwise?: () => void): void {
    const branch = (body: () => void) => (): void => {
      const before = this.#ending;
      body();
      if (this.ir.dead) this.#ending = before;
    };
    super.if(condition, branch(then), otherwise && branch(otherwise));
  }

  // ---- state ----

  field(name: Field): Int {
    return this.stateField(name as VcpuFieldName);
  }

  setField(name: Field, value: Int): void {
    this.setStateField(name as VcpuFieldName, value);
  }

  stateField(name: VcpuFieldName): Int {
    const { offset, size } = vcpuState.fields[name];
    return int(this.ir.load(LOAD[(size * 8) as Width], this.cpu, offset));
  }

  setStateField(name: VcpuFieldName, value: Int): void {
    const { offset, size } = vcpuState.fields[name];
    this.ir.store(STORE[(size * 8) as Width], this.cpu, node(value), offset);
  }

  reg(width: Width, number: number): Int {
    return int(this.ir.load(LOAD[width], this.cpu, GPR + number * 8));
  }

  setReg(width: Width, number: number, value: Int): void {
    this.ir.store(STORE_REGISTER[width], this.cpu, node(value), GPR + number * 8);
  }

  cpl(): Int {
    return this.stateField('cpl');
  }

  protected readFlagResult(): Int {
    return int(this.ir.load('i64.load', this.cpu, FLAG_RESULT));
  }

  protected readFlagAux(): Int {
    return int(this.ir.load('i64.load', this.cpu, FLAG_AUX));
  }

  protected writeFlagResult(value: Int): void {
    this.ir.store('i64.store', this.cpu, node(value), FLAG_RESULT);
  }

  protected writeFlagAux(value: Int): void {
    this.ir.store('i64.store', this.cpu, node(value), FLAG_AUX);
  }

  systemFlags(): Int {
    return this.stateField('sysFlags');
  }

  setSystemFlags(bits: Int): void {
    this.ir.call('setSystemFlags', 'i32', [this.cpu, node(bits)], true);
  }

  // ---- operands ----

  read(op: Operand): Int {
    switch (op.kind) {
      case 'imm':
      case 'far':
        return int(this.#binding.immediate(op));
      case 'mem':
        return this.#guestLoad(op.width as Width, this.#linear(op, this.address(op), op.width / 8, false));
      case 'seg':
        return this.#selector(this.#binding.registerNumber(op));
      case 'rel':
        return this.relTarget(op);
      case 'st':
      case 'cr':
      case 'dr':
        return this.registerNumber(op);
      default: {
        const { address, offset } = this.#binding.register(op);
        return int(this.ir.load(LOAD[registerWidth(op)], address, offset));
      }
    }
  }

  write(op: Operand, value: Int): void {
    if (op.kind === 'mem') {
      const linear = this.#linear(op, this.address(op), op.width / 8, true);
      this.ir.guestStore(op.width as Width, linear, node(value));
      return;
    }
    const { address, offset } = this.#binding.register(op);
    const width = registerWidth(op);
    if (op.kind === 'reg') this.ir.store(STORE_REGISTER[width], address, node(value), offset);
    else this.ir.store(STORE[width], address, node(value), offset);
    if (op.kind === 'mmx') this.ir.store('i64.store16', address, this.ir.const64(0xffffn), offset + 8);
  }

  update(op: Operand, fn: (old: Int) => Int, lock = false): [Int, Int] {
    if (op.kind !== 'mem') {
      const old = this.read(op);
      const changed = fn(old);
      this.write(op, changed);
      return [old, changed];
    }
    return this.updateAt(op, { offset: 0, width: op.width as Width, lock }, fn);
  }

  updateAt(op: Operand, at: { offset: number | Int; width: Width; lock?: boolean }, fn: (old: Int) => Int): [Int, Int] {
    const { width } = at;
    const linear = this.#linear(op, this.#moved(op, at.offset), width / 8, true);
    const aligned = this.eq(this.and(int(linear), this.const(width / 8 - 1)), this.const(0));
    // The wait for the others is a safe point: what is known about the bytes is looked up after it.
    if (at.lock) this.#aloneIf(this.notB(aligned), () => void this.ir.call('exclusiveBegin', 'i32', [this.cpu], true));
    const reference = this.ir.guestRef(width, linear);
    const staged = this.ir.numeric('i32.eq', reference, this.ir.numeric('i32.add', this.cpu, this.ir.const32(offsetOf('stage'))));
    if (at.lock) {
      const stage = (): void => this.#leaveIfFault(this.ir.call('stageAlone', 'i32', [this.cpu], true));
      this.#aloneIf(this.andB(bool(staged), aligned), stage);
    }
    const result = at.lock ? this.#updateLocked(width, reference, fn) : this.#updatePlain(width, reference, fn);
    this.ir.if(staged, () => void this.ir.call('commitStage', 'i32', [this.cpu], false));
    const alone = (): Bool => this.ne(this.stateField('exclusive'), this.const(0));
    if (at.lock) this.if(alone(), () => void this.ir.call('exclusiveEnd', 'i32', [this.cpu], true));
    return result;
  }

  /** What wasm cannot swap at once is done alone, where there are others. */
  #aloneIf(condition: Bool, begin: () => void): void {
    this.if(this.andB(condition, this.ne(this.stateField('shared'), this.stateField('exclusive'))), begin);
  }

  /** The lock makes the pair of accesses one among all CMPXCHG16B of the machine. */
  compareExchange128(op: Operand, halves: { expected: [Int, Int]; desired: [Int, Int] }, lock: boolean): [Int, Int] {
    this.probeWrite(op, 16);
    if (lock) this.ir.call('lockPair', 'i32', [], true);
    const low = this.loadAt(op, 0, 64);
    const high = this.loadAt(op, 8, 64);
    const same = this.andB(this.eq(low, halves.expected[0]), this.eq(high, halves.expected[1]));
    this.storeAt(op, 0, 64, this.select(same, halves.desired[0], low));
    this.storeAt(op, 8, 64, this.select(same, halves.desired[1], high));
    if (lock) this.ir.call('unlockPair', 'i32', [], true);
    return [low, high];
  }

  #updatePlain(width: Width, reference: Node, fn: (old: Int) => Int): [Int, Int] {
    const old = int(this.ir.load(LOAD[width], reference));
    const changed = fn(old);
    this.ir.store(STORE[width], reference, node(changed));
    return [old, changed];
  }

  /** Compare-and-swap until nobody was in between. Wasm has none for misaligned bytes: they take turns, also with CMPXCHG16B. */
  #updateLocked(width: Width, reference: Node, fn: (old: Int) => Int): [Int, Int] {
    const before = this.var(this.const(0));
    const after = this.var(this.const(0));
    const again = this.var(this.const(1));
    const misaligned = bool(this.ir.numeric('i32.and', reference, this.ir.const32(width / 8 - 1)));
    const swap = (): void => {
      const old = int(this.ir.load(LOAD[width], reference));
      const changed = fn(old);
      const seen = int(this.ir.atomic(COMPARE_EXCHANGE[width], 0, 'i64', reference, node(old), node(changed)));
      this.set(before, old);
      this.set(after, changed);
      this.set(again, this.int(this.ne(seen, old)));
    };
    const swapUntilAlone = (): void => this.while(() => this.ne(this.get(again), this.const(0)), swap);
    // Between lock and unlock nothing leaves the code or waits for another vCPU.
    const inTurn = (): void => {
      this.ir.call('lockPair', 'i32', [], true);
      const [old, changed] = this.#updatePlain(width, reference, fn);
      this.set(before, old);
      this.set(after, changed);
      this.ir.call('unlockPair', 'i32', [], true);
    };
    if (width === 8) swapUntilAlone();
    else this.if(misaligned, inTurn, swapUntilAlone);
    return [this.get(before), this.get(after)];
  }

  address(op: Operand): Int {
    return int(this.#binding.memoryOffset(op));
  }

  linear(op: Operand): Int {
    const { base } = this.#binding.segment();
    return this.#wrapLinear(this.add(64, int(base), this.address(op)));
  }

  loadAt(op: Operand, offset: number | Int, width: Width): Int {
    return this.#guestLoad(width, this.#linear(op, this.#moved(op, offset), width / 8, false));
  }

  storeAt(op: Operand, offset: number | Int, width: Width, value: Int): void {
    this.ir.guestStore(width, this.#linear(op, this.#moved(op, offset), width / 8, true), node(value));
  }

  probeWrite(op: Operand, bytes: number): void {
    this.probe(this.#linear(op, this.address(op), bytes, true), bytes);
  }

  /** Leaves where bytes at a linear address cannot be written. */
  protected probe(linear: Node, bytes: number): void {
    const alignment = this.ir.const32(checkedAlignment(bytes));
    this.#leaveIfFault(this.ir.call('probeWrite', 'i32', [this.cpu, linear, this.ir.const32(bytes), alignment], false));
  }

  checkAligned(op: Operand, bytes: 16 | 64): void {
    const linear = this.#linear(op, this.address(op), bytes, false);
    this.#requireAligned(linear, bytes);
  }

  readVec(op: Operand, aligned: boolean): Vec {
    if (op.kind === 'mem') {
      const linear = this.#linear(op, this.address(op), 16, false);
      if (aligned) this.#requireAligned(linear, 16);
      return vec(this.ir.guestLoad(128, linear));
    }
    if (op.kind === 'mmx') return this.vecFromInts(this.read(op), this.const(0));
    const { address, offset } = this.#binding.register(op);
    return vec(this.ir.loadV(address, offset));
  }

  writeVec(op: Operand, value: Vec, aligned: boolean): void {
    if (op.kind === 'mem') {
      const linear = this.#linear(op, this.address(op), 16, true);
      if (aligned) this.#requireAligned(linear, 16);
      this.ir.guestStore(128, linear, node(value));
      return;
    }
    if (op.kind === 'mmx') return this.write(op, this.vecLane(64, value, 0));
    const { address, offset } = this.#binding.register(op);
    this.ir.storeV(address, node(value), offset);
  }

  registerNumber(op: Operand): Int {
    return int(this.#binding.registerNumber(op));
  }

  // ---- memory by segment ----

  load(width: Width, segment: Segment | 'source', offset: Int): Int {
    return this.#guestLoad(width, this.#segmented(segment, offset, width / 8, false));
  }

  store(width: Width, segment: Segment | 'source', offset: Int, value: Int): void {
    this.ir.guestStore(width, this.#segmented(segment, offset, width / 8, true), node(value));
  }

  probeStore(width: Width, segment: Segment | 'source', offset: Int): void {
    this.probe(this.#segmented(segment, offset, width / 8, true), width / 8);
  }

  loadLinear(width: Width, address: Int): Int {
    return this.#guestLoad(width, node(address));
  }

  storeLinear(width: Width, address: Int, value: Int): void {
    this.ir.guestStore(width, node(address), node(value));
  }

  push(width: Width, value: Int): void {
    const stack = this.#facts.stackWidth;
    const sp = this.sub(stack, this.reg(stack, 4), this.const(width / 8));
    this.ir.guestStore(width, this.#stackLinear(sp, width / 8, true), node(value));
    this.setReg(stack, 4, sp);
  }

  peek(width: Width, byteOffset: number): Int {
    const stack = this.#facts.stackWidth;
    const at = this.add(stack, this.reg(stack, 4), this.const(byteOffset));
    return this.#guestLoad(width, this.#stackLinear(at, width / 8, false));
  }

  adjustSp(bytes: number | Int): void {
    const stack = this.#facts.stackWidth;
    const by = typeof bytes === 'number' ? this.const(bytes) : bytes;
    this.setReg(stack, 4, this.add(stack, this.reg(stack, 4), by));
  }

  pop(width: Width): Int {
    const value = this.peek(width, 0);
    this.adjustSp(width / 8);
    return value;
  }

  // ---- control ----

  nextIp(width: Width): Int {
    return this.trunc(width, int(this.#binding.nextIp()));
  }

  relTarget(op: Operand): Int {
    return int(this.#binding.relTarget(op));
  }

  checkTarget(target: Int): void {
    this.#leaveIfFault(this.ir.call('checkTarget', 'i32', [this.cpu, node(target)], false));
  }

  jump(target: Int): void {
    this.ir.exit({ exit: 'branch', target: node(target) });
  }

  jumpRel(_op: Operand): void {
    this.ir.exit({ exit: 'takeRel' });
  }

  jumpRelIf(condition: Bool, op: Operand): void {
    this.if(condition, () => this.jumpRel(op));
  }

  repeat(again: Bool): void {
    this.if(again, () => this.ir.exit({ exit: 'repeat' }));
  }

  endBlock(): void {
    if (this.#ending === 'finish') this.#ending = 'fall';
  }

  interruptShadow(kind: 'sti' | 'movss'): void {
    this.setStateField('shadowKind', this.const(kind === 'sti' ? 1 : 2));
    this.#ending = 'shadow';
  }

  raise(vector: number, errorCode?: Int): void {
    this.setStateField('excVector', this.const(vector));
    this.setStateField('excHasError', this.const(errorCode === undefined ? 0 : 1));
    this.setStateField('excError', errorCode ?? this.const(0));
    this.setStateField('excPending', this.const(1));
    this.ir.exit({ exit: 'fault' });
  }

  raiseIf(condition: Bool, vector: number, errorCode?: Int): void {
    this.if(condition, () => this.raise(vector, errorCode));
  }

  slow(name: SlowName, ...args: Int[]): [Int, Int] {
    const scratch = offsetOf('scratch');
    const status = this.#callSlow(name, args);
    if (SLOW[name].ends) {
      this.ir.exit({ exit: 'status', status });
      return [this.const(0), this.const(0)];
    }
    this.#leaveIfFault(status);
    return [int(this.ir.load('i64.load', this.cpu, scratch + 32)), int(this.ir.load('i64.load', this.cpu, scratch + 40))];
  }

  #callSlow(name: SlowName, args: readonly Int[]): Node {
    const nodes = args.map(node);
    const quick = quickCall(
      name,
      nodes.map(({ what }) => (what.op === 'const64' ? what.value : undefined)),
    );
    const record = this.#binding.record();
    if (quick) return this.ir.call(quick.callee, 'i32', [this.cpu, record, ...nodes.slice(quick.skip)], true);
    const scratch = offsetOf('scratch');
    for (const [i, arg] of nodes.entries()) this.ir.store('i64.store', this.cpu, arg, scratch + i * 8);
    return this.ir.call('slow', 'i32', [this.cpu, record, this.ir.const32(slowIndex(name))], true);
  }

  bulk(kind: 'movs' | 'stos', width: Width, addressWidth: AddressWidth): Int {
    return int(this.callBulk(kind === 'movs' ? 'bulkMovs' : 'bulkStos', width, addressWidth));
  }

  bulkAll(_kind: 'movs' | 'stos', _width: Width, _addressWidth: AddressWidth): boolean {
    return false;
  }

  protected callBulk(routine: `${'bulk' | 'whole'}${'Movs' | 'Stos'}`, width: Width, addressWidth: AddressWidth): Node {
    const shape = this.ir.const32((addressWidth << 8) | (width / 8));
    const { number, base, checked } = this.#binding.segment();
    const args = routine.endsWith('Movs') ? [this.cpu, number, base, checked, shape] : [this.cpu, shape];
    return this.ir.call(routine, 'i64', args, true);
  }

  // ---- floating point ----

  xmm(number: number): Vec {
    return vec(this.ir.loadV(this.cpu, XMM + number * 16));
  }

  setXmm(number: number, value: Vec): void {
    this.ir.storeV(this.cpu, node(value), XMM + number * 16);
  }

  float(op: FloatBinary, bits: 32 | 64, a: Int, b: Int): Int {
    return int(this.checked(this.ir.call(`float.${op}${bits}`, 'i64', [this.cpu, node(a), node(b)], true)));
  }

  float1(op: FloatUnary, bits: 32 | 64, a: Int): Int {
    return int(this.checked(this.ir.call(`float.${op}${bits}`, 'i64', [this.cpu, node(a)], true)));
  }

  floatConvert(kind: FloatConvert, a: Int): Int {
    return int(this.checked(this.ir.call(`convert.${kind}`, 'i64', [this.cpu, node(a)], true)));
  }

  floatCompare(bits: 32 | 64, a: Int, b: Int, quiet: boolean): { less: Bool; equal: Bool; unordered: Bool } {
    const order = this.floatOrder(bits, [a, b], quiet);
    return { less: this.bit(order, 0), equal: this.bit(order, 1), unordered: this.bit(order, 2) };
  }

  /** Bit 0 less, bit 1 equal, bit 2 unordered. */
  protected floatOrder(bits: 32 | 64, [a, b]: readonly [Int, Int], quiet: boolean): Int {
    return int(this.checked(this.ir.call(`compare${quiet ? '.quiet' : ''}${bits}`, 'i64', [this.cpu, node(a), node(b)], true)));
  }

  vecFloat(op: FloatBinary, bits: 32 | 64, a: Vec, b: Vec): Vec {
    return vec(this.checked(this.ir.call(`vecFloat.${op}${bits}`, 'v128', [this.cpu, node(a), node(b)], true)));
  }

  vecFloat1(op: FloatUnary, bits: 32 | 64, a: Vec): Vec {
    return vec(this.checked(this.ir.call(`vecFloat.${op}${bits}`, 'v128', [this.cpu, node(a)], true)));
  }

  // ---- parts ----

  /** Leave when the call just made queued an exception. */
  protected checked(result: Node): Node {
    this.#leaveIfFault(this.ir.load('i32.load', this.cpu, offsetOf('excPending')));
    return result;
  }

  #leaveIfFault(status: Node): void {
    this.ir.if(status, () => this.ir.exit({ exit: 'fault' }));
  }

  #guestLoad(width: Width, linear: Node): Int {
    return int(this.ir.guestLoad(width, linear));
  }

  #moved(op: Operand, offset: number | Int): Int {
    if (offset === 0) return this.address(op);
    const by = typeof offset === 'number' ? this.const(offset) : offset;
    return this.and(this.add(64, this.address(op), by), int(this.#binding.addressMask(op)));
  }

  #requireAligned(linear: Node, bytes: number): void {
    this.raiseIf(this.ne(this.and(int(linear), this.const(bytes - 1)), this.const(0)), 13, this.const(0));
  }

  #linear(_op: Operand, offset: Int, bytes: number, write: boolean): Node {
    const { number, base, checked } = this.#binding.segment();
    const direct = (): Node => this.ir.numeric('i64.add', node(offset), base);
    if (checked.op === 'const32') {
      return checked.what.value === 0 ? direct() : this.#checkedSegment(number, offset, bytes, write);
    }
    const result = this.var(this.const(0));
    this.ir.if(
      checked,
      () => this.set(result, int(this.#checkedSegment(number, offset, bytes, write))),
      () => this.set(result, int(direct())),
    );
    return node(this.get(result));
  }

  #checkedSegment(number: Node, offset: Int, bytes: number, write: boolean): Node {
    const index = write ? this.ir.numeric('i32.add', number, this.ir.const32(6)) : number;
    return this.checked(this.ir.call('segmentLinear', 'i64', [this.cpu, index, node(offset), this.ir.const32(bytes)], false));
  }

  #segmented(segment: Segment | 'source', offset: Int, bytes: number, write: boolean): Node {
    if (segment === 'ss') this.usesStack = true;
    if (segment === 'source') return this.#linear({ kind: 'mem', width: bytes * 8 }, offset, bytes, write);
    const number = SEGMENTS.indexOf(segment);
    if (this.#binding.isFlat?.(number)) return node(offset);
    const result = this.var(offset);
    this.if(
      this.eq(this.stateField('longMode'), this.const(0)),
      () => this.set(result, int(this.#checkedSegment(this.ir.const32(number), offset, bytes, write))),
      () => {
        if (segment === 'fs' || segment === 'gs') this.set(result, this.add(64, offset, this.stateField(`${segment}Base`)));
      },
    );
    return node(this.get(result));
  }

  #stackLinear(offset: Int, bytes: number, write: boolean): Node {
    this.usesStack = true;
    if (this.#facts.stackWidth === 64 || this.#binding.isFlat?.(STACK)) return node(offset);
    return this.#checkedSegment(this.ir.const32(STACK), offset, bytes, write);
  }

  #wrapLinear(linear: Int): Int {
    return this.and(
      linear,
      this.select(this.ne(this.stateField('longMode'), this.const(0)), this.const(0xffffffffffffffffn), this.const(0xffffffff)),
    );
  }

  #selector(number: Node): Int {
    const stride = offsetOf('csSelector') - offsetOf('esSelector');
    const at = this.ir.numeric('i32.mul', this.ir.numeric('i32.wrap_i64', number), this.ir.const32(stride));
    return int(this.ir.load('i64.load16_u', this.ir.numeric('i32.add', this.cpu, at), offsetOf('esSelector')));
  }
}

function registerWidth(op: Operand): Width {
  if (op.kind === 'mmx') return 64;
  return op.width === 128 || op.width === 80 ? 64 : (op.width as Width);
}
