/** XMM registers that a loop only reads: what is known of them before it holds in it. */
import type { RegionBlock } from './form.ts';

export interface LoopFloats {
  /** Registers by number that the loop does not write. */
  readonly kept: readonly number[];
  /** Those of them that scalar arithmetic of the loop reads, with the width of the format. */
  readonly operands: ReadonlyMap<number, 32 | 64>;
}

const COMPARES = /^u?comis[sd]$/;
const ARITHMETIC = /^(add|sub|mul|div)(s[sd])$/;
/** Write a register that they do not name. */
const WRITES_OTHERS = /^pcmp[ei]strm$/;

export function floatsOf(blocks: Iterable<RegionBlock>): LoopFloats {
  const written = new Set<number>();
  const operands = new Map<number, 32 | 64>();
  for (const block of blocks) {
    for (const { decoded } of block.instructions) {
      const { name } = decoded.definition;
      const scalar = ARITHMETIC.exec(name)?.[2];
      if (WRITES_OTHERS.test(name)) written.add(0);
      for (const [i, { kind, position }] of decoded.variant.operands.entries()) {
        if (kind !== 'xmm') continue;
        const register = decoded.register(position);
        if (i === 0 && !COMPARES.test(name)) written.add(register);
        else if (scalar !== undefined) operands.set(register, scalar === 'ss' ? 32 : 64);
      }
    }
  }
  for (const register of written) operands.delete(register);
  return { kept: Array.from({ length: 16 }, (_, i) => i).filter((i) => !written.has(i)), operands };
}
