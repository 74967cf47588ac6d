/** Calls of the exact routine from packed definitions: parts are calculated first, exceptions reported once, then results written. */
import type { Emitter, Int, Vec } from '../emitter.ts';
import { COLLECT, type SseOp, sseIndex } from './ops.ts';

/** One operation with its own exceptions reported at once. */
export function exact(e: Emitter, op: SseOp, a: Int, more: { b?: Int; imm?: Int } = {}): Int {
  const zero = e.const(0);
  return e.slow('sse', e.const(sseIndex(op)), a, more.b ?? zero, more.imm ?? zero)[0];
}

/** One part of a packed instruction. */
export interface Part {
  readonly op: SseOp;
  readonly a: Int;
  readonly b?: Int;
  readonly imm?: Int;
}

/** Values of all parts, after the exceptions of all have been reported together. */
export function exactParts(e: Emitter, parts: readonly Part[]): Int[] {
  const zero = e.const(0);
  let flags = zero;
  const values = parts.map((part) => {
    const [value, found] = e.slow('sse', e.const(sseIndex(part.op) | COLLECT), part.a, part.b ?? zero, part.imm ?? zero);
    flags = e.or(flags, found);
    return value;
  });
  e.slow('sse', e.const(sseIndex('commit')), flags, zero, zero);
  return values;
}

/** The same operation on both halves. */
export function exactHalves(e: Emitter, op: SseOp, a: Vec, more: { b?: Vec; imm?: Int } = {}): Vec {
  const part = (half: 0 | 1): Part => ({
    op,
    a: e.vecLane(64, a, half),
    ...(more.b === undefined ? {} : { b: e.vecLane(64, more.b, half) }),
    ...(more.imm === undefined ? {} : { imm: more.imm }),
  });
  const [low, high] = exactParts(e, [part(0), part(1)]) as [Int, Int];
  return e.vecFromInts(low, high);
}
