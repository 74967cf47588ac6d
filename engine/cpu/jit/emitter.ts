/** The emitter of regions: what leaves the region does so without effects, what is known of targets is not checked again. */
import type { Decoded } from '../../isa/decoded.ts';
import type {
  AddressWidth,
  Bool,
  ConditionCode,
  FloatBinary,
  FloatConvert,
  FloatUnary,
  Int,
  Operand,
  Segment,
  StatusFlag,
  Vec,
  Width,
} from '../../isa/emitter.ts';
import type { Field, SlowName } from '../../isa/fields.ts';
import { bool, int, node, vec } from '../ir/arithmetic.ts';
import { IrEmitter } from '../ir/emitter.ts';
import type { Node, NodeOp } from '../ir/node.ts';
import { quickCall } from '../ir/quick-calls.ts';
import { REC } from '../regions.ts';
import { offsetOf } from '../state.ts';
import type { RegionBuilder } from './builder.ts';
import { DIFFERENCES, type FlagFact, knownCondition, knownFlag, SUMS, sumCarries } from './conditions.ts';
import { EarlyBinding, type Place } from './early-binding.ts';
import { FastFloats } from './floats.ts';
import { FastLanes } from './packed-floats.ts';
import { Refused } from './slot-builder.ts';
import { X87Stack } from './x87-stack.ts';

/** What an address is made of, as a number (engine/cpu/regions.ts, SITES): accesses with the same are expected on the same page. */
const SITE = { none: 0, registers: 1, stack: 5, source: 7, target: 8, fixed: 17, thread: 21 } as const;
const FIXED_PAGES = 4;
/** Shift of the index from which on a table without a base register is taken to be a small one. */
const TABLE_SCALE = 2;

/** Numbers of the segment that strings are written to, and of that of the stack. */
const [WRITTEN, STACK] = [0, 2];
const RECORD = offsetOf('regionRecord');
/** Of the x87 status word. */
const ES = 7;
/** Instructions that jump as soon as they have asked whether they may. */
const JUMPS_AT_ONCE = new Set(['ret', 'jmp']);
const CHANGE_BASE = new Set(['swapgs', 'wrfsbase', 'wrgsbase']);
const CHANGE_CONTEXT = new Set(['stac', 'clac']);
/** Slow routines whose quick forms neither end a block nor use what regions keep in locals. */
const CALLED = new Set<SlowName>(['x87', 'sse', 'rdtsc', 'rdtscp', 'readControl']);
/** Quick forms that lead elsewhere. */
const LEAVING = new Set(['quick.syscall', 'quick.sysret64', 'quick.iret64']);
/** In 32-bit code with a flat stack. */
const LEAVING32 = new Set(['quick.interrupt', 'quick.iret32']);
const CALM = new Set(['nop', 'mov', 'movzx', 'xor', 'and', 'or', 'add', 'sub', 'test', 'cmp']);
/** Neither memory nor anything but general registers and flags. */
const isCalm = ({ definition: { name }, variant: { operands } }: Decoded): boolean =>
  name === 'nop' || (CALM.has(name) && operands.every(({ kind }) => kind === 'reg' || kind === 'imm'));
const constantOf = ({ op, what }: Node): bigint | undefined => (op === 'const64' ? what.value : undefined);

type Carries = NodeOp & { readonly op: 'carries' };

export class RegionEmitter extends IrEmitter {
  readonly #builder: RegionBuilder;
  #decoded!: Decoded;
  #long = false;
  readonly #floats: Readonly<Record<32 | 64, FastFloats>>;
  readonly #lanes: FastLanes;
  #place!: Place;
  /** Where its direct branch leads. */
  #relative: Int | undefined;
  /** Floats that the instruction has compared. */
  #lessOrEqual: Bool | undefined;
  /** The instruction after this one in its block. */
  #after: Decoded | undefined;
  /** STI has let in nothing. */
  #goesOn = false;
  /** An exact routine is called on a path that looks for exceptions itself. */
  #isExact = false;

  constructor(builder: RegionBuilder) {
    super(builder);
    this.#builder = builder;
    this.#floats = { 32: new FastFloats(builder, 32), 64: new FastFloats(builder, 64) };
    this.#lanes = new FastLanes(builder);
  }

  /** The next instruction, and the one after it in its block. */
  begin(decoded: Decoded, place: Place, after: Decoded | undefined): void {
    this.#decoded = decoded;
    this.#after = after;
    this.#long = place.long;
    this.#place = place;
    this.#relative = undefined;
    this.#lessOrEqual = undefined;
    this.#goesOn = false;
    this.#isExact = false;
    this.bind(decoded.facts, new EarlyBinding(this, decoded, place));
  }

  /** Quick routines are called, with what they read of a record; the others are the interpreter's. */
  override slow(name: SlowName, ...args: Int[]): [Int, Int] {
    if (name !== 'x87' || !this.#builder.keepsStack) return this.#slow(name, args);
    const results = new X87Stack(this, this.#builder, (...all) => this.#slow('x87', all)).perform(...args);
    if (this.ir.dead) return results;
    this.#setFip();
    this.setStateField('ferr', this.const(0)); // no exception is pending
    return results;
  }

  #slow(name: SlowName, args: readonly Int[]): [Int, Int] {
    const constants = args.map((arg) => constantOf(node(arg)));
    const quick = quickCall(name, constants)?.callee;
    const isFlat32 = !this.#long && (this.#place.flat & (1 << STACK)) !== 0;
    if (quick !== undefined && (isFlat32 ? LEAVING32 : LEAVING).has(quick)) {
      this.#noteRecord();
      const callee = quick.replace('quick', 'region');
      this.#builder.leaveBy({ callee, record: RECORD, args: constants.map((value) => value ?? 0n) });
      return [this.const(0), this.const(0)];
    }
    // What MXCSR says is kept in a local.
    if (!CALLED.has(name) || quick === undefined || quick === 'quick.loadMxcsr') {
      this.#builder.interpretHere();
      return [this.const(0), this.const(0)];
    }
    this.#noteRecord();
    if (name === 'x87') this.#setFip();
    return super.slow(name, ...args);
  }

  /** What routines ask of the record of an instruction. */
  #noteRecord(): void {
    const { next, ripBase } = this.#place;
    this.setStateField('ripBase', int(ripBase));
    this.ir.store('i64.store16', this.cpu, node(this.const(next)), RECORD + REC.nextIp);
    this.ir.store('i64.store8', this.cpu, node(this.const(this.#decoded.length)), RECORD + REC.length);
  }

  /** SWAPGS and writes of a base change what regions take to stay. */
  override setField(name: Field, value: Int): void {
    if ((name !== 'gsBase' && name !== 'fsBase') || !CHANGE_BASE.has(this.#decoded.definition.name))
      return super.setField(name, value);
    this.#builder.storeStable(node(value), offsetOf(name));
  }

  /** Is an x87 exception pending? Asked once where nothing could have changed that. */
  override bit(a: Int, position: number): Bool {
    const isSummary = this.#builder.keepsStack && position === ES && node(a) === this.#builder.statusWord;
    return super.bit(isSummary ? int(this.#builder.summaryOf(node(a))) : a, position);
  }

  /** Offset of the instruction, cut to the size of the code segment where it ends (engine/cpu/routines/next-ip.ts). */
  #setFip(): void {
    const { next, ripBase } = this.#place;
    const length = this.#decoded.length;
    const at = (offset: number): Int => this.add(64, int(ripBase), this.const(offset));
    if (this.#long) return this.setStateField('fip', at(next - length));
    const mask = this.select(
      this.eq(this.and(this.stateField('modeKey'), this.const(3)), this.const(0)),
      this.const(0xffff),
      this.const(0xffffffff),
    );
    this.setStateField('fip', this.sub(64, this.and(at(next), mask), this.const(length)));
  }

  /** STAC and CLAC change what the pages met so far may be used for. */
  override setSystemFlags(bits: Int): void {
    super.setSystemFlags(bits);
    if (CHANGE_CONTEXT.has(this.#decoded.definition.name)) this.#builder.contextChanged();
  }

  override interruptShadow(kind: 'sti' | 'movss'): void {
    if (kind === 'movss') throw new Refused('a shadow that also holds traps');
    // When a calm instruction is over, so is the shadow that STI casts.
    if (this.#after === undefined || !isCalm(this.#after)) return super.interruptShadow(kind);
    const asked = this.ne(this.and(this.stateField('request'), this.stateField('pollMask')), this.const(0));
    this.if(asked, () => {
      super.interruptShadow(kind);
      super.finish();
    });
    this.#goesOn = true;
  }

  /** 64-bit code, or flat segments. */
  #isBulk(kind: 'movs' | 'stos', addressWidth: AddressWidth): boolean {
    if (this.#long) return addressWidth === 64;
    const { flat } = this.#place;
    const used = (1 << WRITTEN) | (kind === 'movs' ? 1 << this.#decoded.segment : 0);
    return addressWidth === 32 && (flat & used) === used;
  }

  /** Each element is done by itself. */
  override bulk(): Int {
    return this.const(0);
  }

  /** Where the routine has not done all, or somebody asks for this vCPU, the interpreter does the rest. */
  override bulkAll(kind: 'movs' | 'stos', width: Width, addressWidth: AddressWidth): boolean {
    if (!this.#isBulk(kind, addressWidth)) return false;
    const done = this.callBulk(kind === 'movs' ? 'wholeMovs' : 'wholeStos', width, addressWidth);
    this.repeat(bool(this.ir.numeric('i64.eqz', done)));
    return true;
  }

  override finish(): void {
    if (!this.#goesOn) super.finish();
  }

  /** What follows changes more than registers before it writes: the writes must not have to leave then. */
  protected override probe(linear: Node, bytes: number): void {
    const { ir } = this;
    const at = ir.call('touchWrite', 'i32', [this.cpu, linear, ir.const64(BigInt(bytes))], false);
    ir.if(ir.numeric('i32.eqz', at), () => this.#builder.interpretHere());
  }

  override raise(_vector: number, _errorCode?: Int): void {
    this.ir.exit({ exit: 'fault' });
  }

  override address(op: Operand): Int {
    this.#builder.site = this.#siteOf();
    return super.address(op);
  }

  /**
   * Tables looked up by an index are met in no order: to guess their page costs more than it saves where they lie in several. Without a base
   * register they are taken to be small, without a scale the index to be an offset in a structure: one page, and the guess takes the TLB out of
   * the chain from index to value.
   */
  #siteOf(): number {
    const { base, index, ripRelative, scale, displacement, segment } = this.#decoded;
    const at = ripRelative ? this.#place.next + displacement : displacement;
    const fixed = segment >= 4 ? SITE.thread : SITE.fixed + ((at >>> 12) % FIXED_PAGES);
    if (index < 0) return base < 0 ? fixed : SITE.registers + base;
    if (base < 0) return scale >= TABLE_SCALE ? fixed : SITE.none;
    return scale === 0 ? SITE.registers + base : SITE.none;
  }

  // ---- flags ----

  override flagsAdd(width: Width, a: Int, b: Int, result: Int): void {
    const before = this.#before(a, b, () => this.sub(width, result, b));
    const plain = SUMS.has(this.#decoded.definition.name);
    const kept = this.#keepFlags({ op: 'carries', of: 'sum', width, plain, result: node(this.sext(width, result)) }, [
      before,
      b,
      result,
    ]);
    if (plain) this.#builder.noteFlags(kept, { result: kept.what.result, carry: sumCarries(this.#builder, width, [a, result]) });
  }

  override flagsSub(width: Width, a: Int, b: Int, result: Int): void {
    const { name } = this.#decoded.definition;
    const before = this.#before(a, b, () => this.add(width, result, b));
    const plain = DIFFERENCES.has(name);
    const kept = this.#keepFlags({ op: 'carries', of: 'difference', width, plain, result: node(this.sext(width, result)) }, [
      before,
      b,
      result,
    ]);
    if (!plain) return;
    const compared = { width, a, b, onlyCompares: name === 'cmp' };
    this.#builder.noteFlags(kept, { result: kept.what.result, carry: this.ltU(a, b), compared });
  }

  #keepFlags(carries: Carries, [a, b, result]: readonly [Int, Int, Int]): Node & { readonly what: Carries } {
    this.writeFlagResult(int(carries.result));
    const aux = this.#builder.carries(carries, [node(a), node(b), node(result)]);
    this.writeFlagAux(int(aux));
    return aux as Node & { readonly what: Carries };
  }

  /** Whoever reads the carries one by one needs what they are made of. */
  protected override readFlagAux(): Int {
    const aux = super.readFlagAux();
    const { op, what, args } = node(aux);
    if (op !== 'carries') return aux;
    const [a, b, result] = args as [Node, Node, Node];
    return this.carriesOf(what.of, what.width, [int(a), int(b), int(result)]);
  }

  /**
   * The first operand as the flags are to be made of it. It is gone from its register after ADD and SUB: computed again from what stands there,
   * it need not be kept for flags that are hardly ever asked for.
   */
  #before(a: Int, b: Int, again: () => Int): Int {
    const { name } = this.#decoded.definition;
    return (name === 'add' || name === 'sub') && a !== b && node(a).args.length > 0 ? again() : a;
  }

  override flags(change: Parameters<IrEmitter['flags']>[0]): void {
    const before = this.#fact();
    super.flags(change);
    const [carry, overflow] = [change.C ?? before?.carry, change.O ?? before?.overflow];
    const lessOrEqual = this.#lessOrEqual;
    this.#note({
      ...(carry && { carry }),
      ...(overflow && { overflow }),
      ...(change.Z && { zero: change.Z }),
      ...(change.P && { parity: change.P }),
      ...(change.Z && lessOrEqual && { belowOrEqual: lessOrEqual }),
    });
  }

  override flag(name: StatusFlag): Bool {
    return knownFlag(this.#fact(), name) ?? super.flag(name);
  }

  override cond(cc: ConditionCode): Bool {
    const known = knownCondition(this.#builder, this.#fact(), cc);
    if (known === undefined) return super.cond(cc);
    return (cc & 1) === 0 ? known : this.notB(known);
  }

  #note(fact: Omit<FlagFact, 'result'>): void {
    this.#builder.noteFlags(node(super.readFlagAux()), { ...fact, result: node(this.readFlagResult()) });
  }

  #fact(): FlagFact | undefined {
    return this.#builder.factOf(node(super.readFlagAux()), node(this.readFlagResult()));
  }

  // ---- floating point ----

  override float(op: FloatBinary, bits: 32 | 64, a: Int, b: Int): Int {
    if (op === 'min' || op === 'max') return super.float(op, bits, a, b);
    const exact = this.#exactly((x, y) => super.float(op, bits, x as Int, y as Int));
    return int(this.#floats[bits].binary(op, [node(a), node(b)], exact));
  }

  override float1(op: FloatUnary, bits: 32 | 64, a: Int): Int {
    return int(
      this.#floats[bits].squareRoot(
        node(a),
        this.#exactly((x) => super.float1(op, bits, x as Int)),
      ),
    );
  }

  override floatConvert(kind: FloatConvert, a: Int): Int {
    const exact = this.#exactly((x) => super.floatConvert(kind, x as Int));
    if (kind === 'f64.i32') return int(this.#floats[64].fromInt32(node(a)));
    if (kind === 'f64.f32') return int(this.#floats[64].convert(node(a), this.#floats[32], exact));
    if (kind === 'f32.f64') return int(this.#floats[32].convert(node(a), this.#floats[64], exact));
    if (kind === 'f32.i32') return int(this.#floats[32].fromInteger(node(this.sext(32, a))));
    if (kind === 'f32.i64') return int(this.#floats[32].fromInteger(node(a)));
    if (kind === 'f64.i64') return int(this.#floats[64].fromInteger(node(a)));
    const [, to, from, how] = /^i(32|64)\.f(32|64)\.(trunc|round)$/.exec(kind) ?? [];
    if (to === undefined) return super.floatConvert(kind, a);
    const format = this.#floats[Number(from) as 32 | 64];
    return int(format.toInteger(node(a), { bits: Number(to) as 32 | 64, nearest: how === 'round' }, exact));
  }

  override floatCompare(bits: 32 | 64, a: Int, b: Int, quiet: boolean): { less: Bool; equal: Bool; unordered: Bool } {
    if (this.#builder.anyFloat) return super.floatCompare(bits, a, b, quiet);
    const { less, equal, lessOrEqual } = this.#floats[bits].compare([node(a), node(b)]);
    this.#lessOrEqual = bool(lessOrEqual);
    return { less: bool(less), equal: bool(equal), unordered: this.false() };
  }

  override vecFloat(op: FloatBinary, bits: 32 | 64, a: Vec, b: Vec): Vec {
    return vec(
      this.#lanes.binary(
        op,
        bits,
        [node(a), node(b)],
        this.#exactly(() => super.vecFloat(op, bits, a, b)),
      ),
    );
  }

  override vecFloat1(op: FloatUnary, bits: 32 | 64, a: Vec): Vec {
    return vec(
      this.#lanes.squareRoot(
        bits,
        node(a),
        this.#exactly(() => super.vecFloat1(op, bits, a)),
      ),
    );
  }

  /** Whoever calls what this returns lets the builder look again (`lookAgain`). */
  #exactly(call: (...operands: Int[]) => Int | Vec): (...operands: Node[]) => Node {
    return (...operands) => {
      this.#isExact = true;
      const result = node(call(...operands.map(int)));
      this.#isExact = false;
      return result;
    };
  }

  protected override checked(result: Node): Node {
    return this.#isExact ? result : super.checked(result);
  }

  override push(width: Width, value: Int): void {
    this.#builder.site = SITE.stack;
    super.push(width, value);
  }

  override peek(width: Width, byteOffset: number): Int {
    this.#builder.site = SITE.stack;
    return super.peek(width, byteOffset);
  }

  override load(width: Width, segment: Segment | 'source', offset: Int): Int {
    this.#builder.site = SITE.source;
    return super.load(width, segment, offset);
  }

  override store(width: Width, segment: Segment | 'source', offset: Int, value: Int): void {
    this.#builder.site = SITE.target;
    super.store(width, segment, offset, value);
  }

  /** Whoever takes a direct branch checks where it leaves the page. */
  override relTarget(op: Operand): Int {
    this.#relative = super.relTarget(op);
    return this.#relative;
  }

  override checkTarget(target: Int): void {
    // CALL asks before it pushes: where code lies in a segment the limit is near enough to matter.
    if (this.#long && this.#relative === target) return;
    // Nothing happens between this and the jump: only where it leads out of the region has to be asked about.
    if (this.#long && JUMPS_AT_ONCE.has(this.#decoded.definition.name)) return;
    this.checkAnyTarget(target);
  }

  /** A computed jump is about to leave the region. */
  leavesTo(target: Int): void {
    if (this.#long && JUMPS_AT_ONCE.has(this.#decoded.definition.name)) this.checkAnyTarget(target);
  }

  /** The interpreter raises the fault of a target that is not canonical or outside the code segment. */
  checkAnyTarget(target: Int): void {
    if (this.#place.flatCode) return;
    if (!this.#long) return super.checkTarget(target);
    const canonical = this.sar(64, this.shl(64, target, this.const(16)), this.const(16));
    this.raiseIf(this.ne(canonical, target), 13, this.const(0));
  }
}
