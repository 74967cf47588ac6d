/** XMM registers that a loop only reads: what is known of them before it holds in it. */
import type { VariantOperand } from '../../isa/variants.ts';
import type { RegionBlock } from './form.ts';

export interface LoopFloats {
  /** Registers by number that the loop writes. */
  readonly written: ReadonlySet<number>;
  /** Others that scalar arithmetic of the loop reads, with the width of the format. */
  readonly operands: ReadonlyMap<number, 32 | 64>;
}

const COMPARES = /^u?comis[sd]$/;
const ARITHMETIC = /^(add|sub|mul|div)(s[sd])$/;
/** Write a register that they do not name. */
const WRITES_OTHERS = /^pcmp[ei]strm$/;

const isXmm = ({ kind }: VariantOperand): boolean => kind === 'xmm';

export function floatsOf(blocks: Iterable<RegionBlock>): LoopFloats {
  const written = new Set<number>();
  const operands = new Map<number, 32 | 64>();
  for (const block of blocks) {
    for (const { decoded } of block.instructions) {
      const { operands: all } = decoded.variant;
      if (!all.some(isXmm)) continue;
      const { name } = decoded.definition;
      const scalar = ARITHMETIC.exec(name)?.[2];
      if (WRITES_OTHERS.test(name)) written.add(0);
      for (const operand of all) {
        const { position } = operand;
        if (!isXmm(operand)) continue;
        const register = decoded.register(position);
        if (operand === all[0] && !COMPARES.test(name)) written.add(register);
        else if (scalar !== undefined) operands.set(register, scalar === 'ss' ? 32 : 64);
      }
    }
  }
  for (const register of written) operands.delete(register);
  return { written, operands };
}
