/**
 * Operations of the `sse` slow routine: `slow('sse', index, a, b, imm)`. Operands are raw bits; 32-bit operands and results sit in the
 * low half of the argument, other bits are ignored and zero in results. `x2` operations work on both 32-bit lanes of their arguments.
 *
 * Without `COLLECT` the exceptions found are added to MXCSR, and an unmasked one raises #XM (#UD while CR4.OSXMMEXCPT is clear); the
 * result is [value, exceptions]. With it MXCSR is only read: packed instructions calculate all parts, OR the exceptions of each and
 * hand them to `commit` before they write anything.
 */
export const SSE_OPS = [
  // a op b
  'add32',
  'sub32',
  'mul32',
  'div32',
  'min32',
  'max32',
  'add64',
  'sub64',
  'mul64',
  'div64',
  'min64',
  'max64',
  'add32x2',
  'sub32x2',
  'mul32x2',
  'div32x2',
  'min32x2',
  'max32x2',
  // low lane a - b, high lane a + b
  'addsub32x2',
  // of a
  'sqrt32',
  'sqrt64',
  'sqrt32x2',
  // approximations of 1/a and 1/sqrt(a), no exceptions
  'rcp32',
  'rcp32x2',
  'rsqrt32',
  'rsqrt32x2',
  // of a; imm as in ROUNDSS: bits 1:0 mode, bit 2 mode of MXCSR instead, bit 3 no PE
  'round32',
  'round64',
  'round32x2',
  // all ones or zeros; imm: predicate of CMPSS, 0 to 7
  'cmp32',
  'cmp64',
  'cmp32x2',
  // bit 0 less, bit 1 equal, bit 2 unordered; compareQuiet: a quiet NaN is no exception (UCOMISS)
  'compare32',
  'compare64',
  'compareQuiet32',
  'compareQuiet64',
  // conversions of a, named to.from as in FloatConvert
  'f32.i32',
  'f32.i64',
  'f64.i32',
  'f64.i64',
  'i32.f32.trunc',
  'i64.f32.trunc',
  'i32.f64.trunc',
  'i64.f64.trunc',
  'i32.f32.round',
  'i64.f32.round',
  'i32.f64.round',
  'i64.f64.round',
  'f64.f32',
  'f32.f64',
  'f32x2.i32x2',
  'i32x2.f32x2.trunc',
  'i32x2.f32x2.round',
  // a: exceptions collected by a packed instruction
  'commit',
  // a: new value of MXCSR; #GP(0) when it has bits the processor has not
  'loadMxcsr',
  // all earlier stores are visible to other processors before any later load (MFENCE)
  'fence',
  // PCMPxSTRx; the index carries more (STRING), a: register number of the first operand, b, imm: halves of the second; returns
  // [index, status flags at their RFLAGS positions]; with STRING.mask the mask is written to XMM0
  'compareStrings',
] as const;

export type SseOp = (typeof SSE_OPS)[number];

/** Bit positions above the index of `compareStrings`; lengths are 0 to 16 elements, 31 where a null element ends the string. */
export const STRING = { imm: 16, firstLength: 24, secondLength: 29, mask: 34 } as const;

/** Operations that work on the state and are not arithmetic. */
export type SseStateOp = 'loadMxcsr' | 'fence' | 'compareStrings';

/** Added to the index: return [value, exceptions] and leave MXCSR alone. */
export const COLLECT = 0x100;

const INDEX = new Map<SseOp, number>(SSE_OPS.map((name, index) => [name, index]));

/** Argument of the slow routine for an operation. */
export const sseIndex = (op: SseOp): number => INDEX.get(op) as number;
