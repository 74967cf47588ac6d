/** SSE floating point of the oracle: every lane goes to the exact routine, exceptions of all lanes are then committed at once. */
import type { FloatConvert } from '../../isa/emitter.ts';
import { COLLECT, SSE_OPS, type SseOp } from '../../isa/sse/ops.ts';
import type { Frame } from './frame.ts';

function call(frame: Frame, op: SseOp, args: readonly bigint[]): [value: bigint, exceptions: bigint] {
  const [value = 0n, exceptions = 0n] = frame.slow('sse', [BigInt(SSE_OPS.indexOf(op) | COLLECT), ...args]) ?? [];
  return [value, exceptions];
}

/** Raises #XM, before anything is written, when an exception is unmasked. */
function commit(frame: Frame, exceptions: bigint): void {
  frame.slow('sse', [BigInt(SSE_OPS.indexOf('commit')), exceptions]);
}

/** One result per pair of operands. */
export function arithmetic(frame: Frame, op: string, pairs: readonly (readonly [bigint, bigint])[]): bigint[] {
  const results = pairs.map((pair) => call(frame, op as SseOp, pair));
  commit(
    frame,
    results.reduce((all, [, exceptions]) => all | exceptions, 0n),
  );
  return results.map(([value]) => value);
}

export function convert(frame: Frame, kind: FloatConvert, a: bigint): bigint {
  return arithmetic(frame, kind, [[a, 0n]])[0] ?? 0n;
}

export type Order = 'less' | 'equal' | 'unordered' | 'greater';

export function compare(frame: Frame, how: { bits: 32 | 64; quiet: boolean }, pair: readonly [bigint, bigint]): Order {
  const [order = 0n] = arithmetic(frame, `${how.quiet ? 'compareQuiet' : 'compare'}${how.bits}`, [pair]);
  if ((order & 1n) !== 0n) return 'less';
  if ((order & 2n) !== 0n) return 'equal';
  return (order & 4n) !== 0n ? 'unordered' : 'greater';
}
