/**
 * The interface every instruction definition is written against. Three bindings implement it: the interpreter generator (operands
 * read late, from a decoded record), the region JIT (operands bound early) and the oracle (BigInt evaluation, tests only).
 *
 * A definition never branches on values in TypeScript: it branches on decode-time facts (`Facts`) and describes everything else with
 * the operations below. Order of calls is order of effects: read, then destination, then flags, so that a fault leaves no trace.
 */
import type { Field, SlowName } from './fields.ts';

declare const brand: unique symbol;
/** A 64-bit lane. A value of width w below 64 is zero-extended; every operation that takes a width keeps that true. */
export interface Int {
  readonly [brand]: 'int';
}
/** A truth value. */
export interface Bool {
  readonly [brand]: 'bool';
}
/** 128 bits, lane 0 lowest. */
export interface Vec {
  readonly [brand]: 'vec';
}
/** A mutable 64-bit variable of the definition or routine being emitted. */
export interface Var {
  readonly [brand]: 'var';
}

/** Width of an integer operand in bits. */
export type Width = 8 | 16 | 32 | 64;
/** Address or stack size in bits. */
export type AddressWidth = 16 | 32 | 64;
/** Segment register number in encoding order. */
export type Segment = 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs';
/** Condition code as encoded in Jcc (SDM vol. 2, appendix B.1.4): 0 O, 2 B, 4 Z, 6 BE, 8 S, 10 P, 12 L, 14 LE; odd = negated. */
export type ConditionCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15;
export type StatusFlag = 'C' | 'P' | 'A' | 'Z' | 'S' | 'O';

/**
 * One decoded operand. Its kind and width are decode-time facts; which register or address it names is bound late in the interpreter.
 * `reg` general register (the high-byte registers included), `mem` memory, `imm` constant, `xmm`, `mmx`, `st` (x87 stack index),
 * `seg`/`cr`/`dr` register number, `rel` branch displacement, `far` pointer in the instruction.
 */
export interface Operand {
  readonly kind: 'reg' | 'mem' | 'imm' | 'xmm' | 'mmx' | 'st' | 'seg' | 'cr' | 'dr' | 'rel' | 'far';
  /** Bits of the operand; 80 and 128 for memory of x87 and SSE, 0 where the operand has no size of its own (LEA, FXSAVE). */
  readonly width: number;
}

/** What is known when an instruction has been decoded. Reading a fact makes a variant of the handler per value: read only what matters. */
export interface Facts {
  /** Operand size after prefixes and defaults (8 for byte forms). */
  readonly width: Width;
  readonly addressWidth: AddressWidth;
  /** Size of the stack pointer: 64 in 64-bit mode, otherwise SS.B. */
  readonly stackWidth: AddressWidth;
  /** `real`, `vm86`, `protected` (16- and 32-bit code, compatibility mode included), `long` (64-bit code). */
  readonly mode: 'real' | 'vm86' | 'protected' | 'long';
  readonly rep: 'none' | 'rep' | 'repne';
  readonly lock: boolean;
  /** Operands by position in the form: `Ev,Gv,Ib` gives [Ev, Gv, Ib]. */
  readonly operands: readonly Operand[];
  readonly dst: Operand; // operands[0]
  readonly src: Operand; // operands[1]
  /** A constant in the opcode (`40+r`: no; condition code of Jcc: yes), as written in the form. */
  readonly cc: ConditionCode;
}

/** Named lane operations with wasm's meaning (wasm core specification, section 4.4); the oracle implements each by lanes. */
export type VecBinary =
  | `${'i8x16' | 'i16x8' | 'i32x4' | 'i64x2'}.${'add' | 'sub' | 'eq' | 'gt_s'}`
  | `${'i8x16' | 'i16x8'}.${'add_sat_s' | 'add_sat_u' | 'sub_sat_s' | 'sub_sat_u' | 'avgr_u'}`
  | `${'i8x16' | 'i16x8' | 'i32x4'}.${'min_s' | 'min_u' | 'max_s' | 'max_u'}`
  | 'i16x8.mul'
  | 'i32x4.mul'
  | 'i64x2.mul'
  | 'i32x4.dot_i16x8_s'
  | 'i8x16.narrow_i16x8_s'
  | 'i8x16.narrow_i16x8_u'
  | 'i16x8.narrow_i32x4_s'
  | 'i16x8.narrow_i32x4_u'
  | 'i8x16.swizzle'
  | `${'i16x8' | 'i32x4' | 'i64x2'}.extmul_${'low' | 'high'}_${'s' | 'u'}`
  | 'v128.and'
  | 'v128.or'
  | 'v128.xor'
  | 'v128.andnot';
export type VecUnary =
  | `${'i8x16' | 'i16x8' | 'i32x4'}.abs`
  | `${'i16x8' | 'i32x4' | 'i64x2'}.extend_${'low' | 'high'}_${'s' | 'u'}`
  | 'v128.not';
export type VecShift = `${'i16x8' | 'i32x4' | 'i64x2'}.${'shl' | 'shr_u' | 'shr_s'}`;
export type LaneBits = 8 | 16 | 32 | 64;

/** Floating-point operations on raw bits of binary32 or binary64. Flags go to MXCSR; an unmasked exception raises #XM before any result is written. */
export type FloatBinary = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max';
export type FloatUnary = 'sqrt';
/** `to.from`: i32/i64 to float, float to i32/i64 by MXCSR rounding (`round`) or truncation (`trunc`), and between the two formats. */
export type FloatConvert =
  | `${'f32' | 'f64'}.${'i32' | 'i64'}`
  | `${'i32' | 'i64'}.${'f32' | 'f64'}.${'trunc' | 'round'}`
  | 'f64.f32'
  | 'f32.f64';

export interface Emitter {
  // ---- constants and integer arithmetic (results truncated to `width`, operands zero-extended) ----
  const(value: number | bigint): Int;
  add(width: Width, a: Int, b: Int): Int;
  sub(width: Width, a: Int, b: Int): Int;
  /** Low half of the product. */
  mul(width: Width, a: Int, b: Int): Int;
  neg(width: Width, a: Int): Int;
  not(width: Width, a: Int): Int;
  and(a: Int, b: Int): Int;
  or(a: Int, b: Int): Int;
  xor(a: Int, b: Int): Int;
  /** Shifts: count is taken modulo 64; results are truncated to `width`. `sar` treats `a` as signed of `width`. */
  shl(width: Width, a: Int, count: Int): Int;
  shr(width: Width, a: Int, count: Int): Int;
  sar(width: Width, a: Int, count: Int): Int;
  /** Rotations by count modulo width. */
  rotl(width: Width, a: Int, count: Int): Int;
  rotr(width: Width, a: Int, count: Int): Int;
  /** Sign-extend the low `from` bits to 64. Not zero-extended: truncate afterwards where a width below 64 is meant. */
  sext(from: Width, a: Int): Int;
  /** Keep the low `width` bits. */
  trunc(width: Width, a: Int): Int;
  /** High 64 bits of the 128-bit product. */
  mulHighU(a: Int, b: Int): Int;
  mulHighS(a: Int, b: Int): Int;
  /** (hi:lo) / d for 64-bit halves, quotient known to fit; d not zero. Returns [quotient, remainder]. */
  divU128(hi: Int, lo: Int, d: Int): [Int, Int];
  /** 64-bit unsigned and signed division and remainder; divisor not zero, no overflow. */
  divU(a: Int, b: Int): Int;
  remU(a: Int, b: Int): Int;
  divS(a: Int, b: Int): Int;
  remS(a: Int, b: Int): Int;
  popcnt(a: Int): Int;
  /** Leading zeros in 64 bits (64 for zero); trailing zeros likewise. */
  clz(a: Int): Int;
  ctz(a: Int): Int;
  select(condition: Bool, a: Int, b: Int): Int;

  // ---- truth values ----
  eq(a: Int, b: Int): Bool;
  ne(a: Int, b: Int): Bool;
  ltU(a: Int, b: Int): Bool;
  leU(a: Int, b: Int): Bool;
  /** Signed comparison of `width`-bit values. */
  ltS(width: Width, a: Int, b: Int): Bool;
  /** Bit `index` (0 to 63) of a. */
  bit(a: Int, index: number): Bool;
  true(): Bool;
  false(): Bool;
  andB(a: Bool, b: Bool): Bool;
  orB(a: Bool, b: Bool): Bool;
  xorB(a: Bool, b: Bool): Bool;
  notB(a: Bool): Bool;
  /** 0 or 1. */
  int(a: Bool): Int;

  // ---- variables and structured control flow ----
  var(initial: Int): Var;
  get(variable: Var): Int;
  set(variable: Var, value: Int): void;
  /** Values made inside a branch must not be used outside it; carry them in a `Var`. */
  if(condition: Bool, then: () => void, otherwise?: () => void): void;
  while(condition: () => Bool, body: () => void): void;
  /** End the instruction here, as if the definition had ended (RIP advances). */
  finish(): void;

  // ---- processor state ----
  field(name: Field): Int;
  setField(name: Field, value: Int): void;
  /** General register by number (0 rAX … 15 r15). 32-bit writes clear the upper half, 8- and 16-bit writes keep the rest. */
  reg(width: Width, number: number): Int;
  setReg(width: Width, number: number, value: Int): void;
  cpl(): Int;

  // ---- operands ----
  /** Value zero-extended from the operand's width (immediates: sign-extended by their form, then truncated to the operation's width). */
  read(op: Operand): Int;
  write(op: Operand, value: Int): void;
  /**
   * Read, change and write one operand with a single translation made for writing; atomic when `lock` is true. Returns [old, new].
   * `fn` may be emitted inside a compare-and-swap loop: it must have no effects.
   */
  update(op: Operand, fn: (old: Int) => Int, lock?: boolean): [Int, Int];
  /** `update` of `width` bits at a byte offset from the operand, as `loadAt` places it (BTS with a register index). */
  updateAt(op: Operand, at: { offset: number | Int; width: Width; lock?: boolean }, fn: (old: Int) => Int): [Int, Int];
  /**
   * CMPXCHG16B on 16 bytes whose alignment has been checked: store `desired` where both halves equal `expected`, else write the old
   * value back. Atomic when `lock`. Halves are [low, high]; returns the old ones.
   */
  compareExchange128(op: Operand, halves: { expected: [Int, Int]; desired: [Int, Int] }, lock: boolean): [Int, Int];
  /** Offset part of a memory operand, without segment base, truncated to the address size (LEA). */
  address(op: Operand): Int;
  /** Linear address of a memory operand: segment base added, truncated to 32 bits outside 64-bit mode; no limit or canonical check. */
  linear(op: Operand): Int;
  /** Part of a memory operand at a byte offset (m16:64, FXSAVE, BOUND); the offset is added before the segment is applied. */
  loadAt(op: Operand, offset: number | Int, width: Width): Int;
  storeAt(op: Operand, offset: number | Int, width: Width, value: Int): void;
  /** Raise the fault now if the `bytes` at the operand could not be written (used before multi-part stores). */
  probeWrite(op: Operand, bytes: number): void;
  /** Raise #GP(0) (SS: also #GP) unless the operand's linear address is a multiple of 16. No effect on registers. */
  checkAligned(op: Operand, bytes: 16 | 64): void;
  /** 128-bit operand (`xmm`, or memory with `aligned` saying whether a misaligned address raises #GP(0)). */
  readVec(op: Operand, aligned: boolean): Vec;
  writeVec(op: Operand, value: Vec, aligned: boolean): void;
  /** Number of the register an operand names: general, segment, control, debug or x87 stack index. */
  registerNumber(op: Operand): Int;

  // ---- memory by segment and offset (strings, XLAT, stack frames, far pointers) ----
  /** `source` is DS or the override of the instruction, bound late. The offset is already truncated to the address size. */
  load(width: Width, segment: Segment | 'source', offset: Int): Int;
  store(width: Width, segment: Segment | 'source', offset: Int, value: Int): void;
  /** Raise the fault a store there would raise (ENTER's new stack top). */
  probeStore(width: Width, segment: Segment | 'source', offset: Int): void;
  /** Linear, supervisor or user by CPL, no segment. */
  loadLinear(width: Width, address: Int): Int;
  storeLinear(width: Width, address: Int, value: Int): void;
  /** Push: the store at SS:rSP-size happens first, rSP changes only when it succeeded. */
  push(width: Width, value: Int): void;
  /** Value at SS:(rSP + byteOffset), rSP unchanged. */
  peek(width: Width, byteOffset: number): Int;
  /** Add bytes to rSP by the stack size. */
  adjustSp(bytes: number | Int): void;
  /** Pop = peek, then adjust. */
  pop(width: Width): Int;

  // ---- status flags (lazy in the bindings) ----
  flag(name: StatusFlag): Bool;
  cond(cc: ConditionCode): Bool;
  /** Flags of a + b (+ carry in) = result: all six. */
  flagsAdd(width: Width, a: Int, b: Int, result: Int): void;
  /** Flags of a - b (- borrow in) = result: all six. */
  flagsSub(width: Width, a: Int, b: Int, result: Int): void;
  /** C = O = A = 0, S Z P from the result. */
  flagsLogic(width: Width, result: Int): void;
  /** Any subset. With `result` S, Z and P come from it; what is not named is kept. */
  flags(change: { width?: Width; result?: Int; C?: Bool; O?: Bool; A?: Bool; Z?: Bool; S?: Bool; P?: Bool }): void;
  /** The six status flags at their RFLAGS positions; and set them all from such a value (other bits ignored). */
  status(): Int;
  setStatus(bits: Int): void;
  /** RFLAGS bits other than the six (bit 1 reads 1): IF, TF, DF, IOPL, NT, RF, VM, AC, VIF, VIP, ID. Setting them recomputes what depends on them. */
  systemFlags(): Int;
  setSystemFlags(bits: Int): void;

  // ---- control transfer inside the code segment; each ends the block ----
  /** Offset of the next instruction, truncated to `width` bits. */
  nextIp(width: Width): Int;
  /** Target of a `rel` operand, truncated to the operand size. */
  relTarget(op: Operand): Int;
  /** Raise #GP(0) unless the target is canonical (64-bit mode) or inside the CS limit. */
  checkTarget(target: Int): void;
  jump(target: Int): void;
  jumpRel(op: Operand): void;
  /** Taken: `checkTarget`, then jump to the `rel` target; not taken: the next instruction. The other two do not check by themselves. */
  jumpRelIf(condition: Bool, op: Operand): void;
  /** Repeat this same instruction (REP) when `again`; interrupts are taken in between, RIP stays. Otherwise go on. */
  repeat(again: Bool): void;
  /** After this instruction leave the block: something it changed may affect how the next one is fetched or whether an interrupt is taken. */
  endBlock(): void;
  /**
   * Interrupts (and for MOV SS, debug traps) are held back until after the next instruction. Implies endBlock. Inside a branch, `finish`
   * has to follow at once.
   */
  interruptShadow(kind: 'sti' | 'movss'): void;
  /** Raise a fault; nothing after it is executed. `errorCode` for #DF #TS #NP #SS #GP #PF #AC. */
  raise(vector: number, errorCode?: Int): void;
  raiseIf(condition: Bool, vector: number, errorCode?: Int): void;
  /**
   * Call a named slow routine with up to four arguments; up to two results. The routine may raise a fault (then nothing after the call
   * is executed) or, where its entry in SLOW says `ends: true`, set RIP itself (then it must be the last thing the definition does).
   */
  slow(name: SlowName, ...args: Int[]): [Int, Int];
  /** Move many string elements at once. Returns elements done (0: do one by hand); rSI, rDI and rCX are already advanced by that many. */
  bulk(kind: 'movs' | 'stos', width: Width, addressWidth: AddressWidth): Int;
  /** Has the binding done all of a repeated instruction, from the count of 0 to the last element? */
  bulkAll(kind: 'movs' | 'stos', width: Width, addressWidth: AddressWidth): boolean;

  // ---- vectors ----
  vecConst(low: bigint, high: bigint): Vec;
  vec(op: VecBinary, a: Vec, b: Vec): Vec;
  vec1(op: VecUnary, a: Vec): Vec;
  /** Count modulo lane size, as wasm does: guard larger counts with `vecSelect`. */
  vecShift(op: VecShift, a: Vec, count: Int): Vec;
  /** 16 byte indexes: 0-15 from a, 16-31 from b. */
  vecShuffle(lanes: readonly number[], a: Vec, b: Vec): Vec;
  vecSplat(bits: LaneBits, value: Int): Vec;
  /** Lane zero-extended to 64 bits. */
  vecLane(bits: LaneBits, a: Vec, lane: number): Int;
  vecReplace(bits: LaneBits, a: Vec, lane: number, value: Int): Vec;
  /** One bit per lane, the lane's top bit (MOVMSKPS, PMOVMSKB). */
  vecBitmask(bits: LaneBits, a: Vec): Int;
  vecSelect(condition: Bool, a: Vec, b: Vec): Vec;
  vecFromInts(low: Int, high: Int): Vec;
  xmm(number: number): Vec;
  setXmm(number: number, value: Vec): void;

  // ---- SSE floating point on raw bits, MXCSR obeyed exactly ----
  float(op: FloatBinary, bits: 32 | 64, a: Int, b: Int): Int;
  float1(op: FloatUnary, bits: 32 | 64, a: Int): Int;
  /** Integer results zero-extended from 32 bits. The integer indefinite value on invalid. */
  floatConvert(kind: FloatConvert, a: Int): Int;
  /** Exactly one of the three is true. `quiet`: only signalling NaNs are invalid (UCOMIS, CMPEQ); otherwise every NaN is (COMIS, CMPLT). */
  floatCompare(bits: 32 | 64, a: Int, b: Int, quiet: boolean): { less: Bool; equal: Bool; unordered: Bool };
  vecFloat(op: FloatBinary, bits: 32 | 64, a: Vec, b: Vec): Vec;
  vecFloat1(op: FloatUnary, bits: 32 | 64, a: Vec): Vec;
}
