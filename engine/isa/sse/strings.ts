/** String comparison of SSE4.2 (SDM vol. 2, 4.1): lengths come from registers or from null elements, the work is a slow routine's. */
import { defineInstruction } from '../define.ts';
import type { Emitter, Int, Operand } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { requireSse } from '../mmx/state.ts';
import { STRING, sseIndex } from './ops.ts';
import { minimum } from './vectors.ts';

const IMPLICIT = 31;

/** Magnitude of a length register, at most 16. Word lengths are limited to 8 by the routine. */
function explicitLength(e: Emitter, width: 32 | 64, register: number): Int {
  const value = e.reg(width, register);
  return minimum(e, e.select(e.bit(value, width - 1), e.neg(width, value), value), e.const(16));
}

function stringCompare(name: string, opcode: string, what: { explicit: boolean; mask: boolean }): Definition {
  return defineInstruction({
    name,
    forms: [`66 0F 3A ${opcode} Vx,Wx,Ib feature:sse42`],
    flags: { reads: '', writes: 'OSZAPC' },
    run(e, { dst, src, operands, width }) {
      requireSse(e);
      const b = e.readVec(src, false);
      const lengthOf = (register: number): Int =>
        what.explicit ? explicitLength(e, width === 64 ? 64 : 32, register) : e.const(IMPLICIT);
      const at = (value: Int, position: number): Int => e.shl(64, value, e.const(position));
      const lengths = e.or(at(lengthOf(0), STRING.firstLength), at(lengthOf(2), STRING.secondLength));
      const control = e.or(at(e.read(operands[2] as Operand), STRING.imm), lengths);
      const fixed = BigInt(sseIndex('compareStrings')) | (what.mask ? 1n << BigInt(STRING.mask) : 0n);
      const [index, status] = e.slow(
        'sse',
        e.or(e.const(fixed), control),
        e.registerNumber(dst),
        e.vecLane(64, b, 0),
        e.vecLane(64, b, 1),
      );
      if (!what.mask) e.setReg(32, 1, index);
      e.setStatus(status);
    },
  });
}

export const stringCompares: readonly Definition[] = [
  stringCompare('pcmpestrm', '60', { explicit: true, mask: true }),
  stringCompare('pcmpestri', '61', { explicit: true, mask: false }),
  stringCompare('pcmpistrm', '62', { explicit: false, mask: true }),
  stringCompare('pcmpistri', '63', { explicit: false, mask: false }),
];
