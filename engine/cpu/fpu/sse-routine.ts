/** The `sse` slow routine: exact operations over the state's MXCSR, with #XM. Arguments: engine/isa/sse/ops.ts. */
import { COLLECT, SSE_OPS, type SseOp, STRING } from '../../isa/sse/ops.ts';
import { GuestFault, type SlowContext } from '../context.ts';
import { MXCSR_MASK, setMxcsr } from './mxcsr.ts';
import { exactSse } from './sse.ts';
import { compareStrings } from './string-compare.ts';

const CR4_OSXMMEXCPT = 1 << 10;

/** Add exceptions to MXCSR; an unmasked one raises #XM, or #UD when the system does not expect it (SDM vol. 1, 11.5.1). */
function report(c: SlowContext, flags: number): void {
  if (flags === 0) return;
  const { s } = c;
  const { mxcsr } = s;
  if ((mxcsr & flags) !== flags) setMxcsr(s, mxcsr | flags);
  if ((flags & ~(mxcsr >>> 7)) !== 0) throw new GuestFault((s.lo('cr4') & CR4_OSXMMEXCPT) === 0 ? 6 : 19);
}

function loadMxcsr(c: SlowContext, value: number): void {
  if ((value & ~MXCSR_MASK) !== 0) throw new GuestFault(13, 0);
  setMxcsr(c.s, value);
}

/** Index of half a register among the 64-bit words of memory. */
const xmmHalf = (c: SlowContext, register: number, half: 0 | 1): number => (c.s.xmm.byteOffset + register * 16 + half * 8) >>> 3;

/** Bits spread over the lanes of `count` elements, as the mask forms write them. */
function spread(bits: number, count: 8 | 16): [bigint, bigint] {
  const width = 128 / count;
  const ones = (1n << BigInt(width)) - 1n;
  const halves: [bigint, bigint] = [0n, 0n];
  for (let i = 0; i < count; i++) {
    if ((bits & (1 << i)) === 0) continue;
    const at = i * width;
    if (at < 64) halves[0] |= ones << BigInt(at);
    else halves[1] |= ones << BigInt(at - 64);
  }
  return halves;
}

function stringCompare(c: SlowContext, control: bigint, register: number, second: readonly [bigint, bigint]): readonly bigint[] {
  const field = (position: number, mask: bigint): number => Number((control >> BigInt(position)) & mask);
  const imm = field(STRING.imm, 0xffn);
  const words = c.s.views.u64;
  const first = {
    low: words[xmmHalf(c, register, 0)] as bigint,
    high: words[xmmHalf(c, register, 1)] as bigint,
    length: field(STRING.firstLength, 31n),
  };
  const result = compareStrings(first, { low: second[0], high: second[1], length: field(STRING.secondLength, 31n) }, imm);
  if (field(STRING.mask, 1n) !== 0) {
    const [low, high] = (imm & 0x40) !== 0 ? spread(result.bits, result.count) : [BigInt(result.bits), 0n];
    words[xmmHalf(c, 0, 0)] = low;
    words[xmmHalf(c, 0, 1)] = high;
  }
  return [BigInt(result.index), BigInt(result.status)];
}

export function sseRoutine(c: SlowContext, a0: bigint, a1: bigint, a2: bigint, a3: bigint): readonly bigint[] {
  const index = Number(a0 & 0xffffn);
  const op = SSE_OPS[index & (COLLECT - 1)] as SseOp;
  switch (op) {
    case 'loadMxcsr':
      loadMxcsr(c, Number(a1));
      return [0n, 0n];
    case 'fence':
      // An atomic exchange is a full barrier of the host processor.
      Atomics.exchange(c.s.views.i32, c.s.scratch.byteOffset >>> 2, 0);
      return [0n, 0n];
    case 'compareStrings':
      return stringCompare(c, a0, Number(a1), [a2, a3]);
  }
  const { result, flags } = exactSse(op, a1, a2, Number(a3) & 0xff, c.s.mxcsr);
  if ((index & COLLECT) === 0) report(c, flags);
  return [result, BigInt(flags)];
}
