/** What every MMX and SSE instruction does before and after its work. */
import type { Emitter, Int, Operand, Vec } from '../emitter.ts';
import { x87Index } from '../x87/ops.ts';

const CR0_EM = 4;
const CR0_TS = 8;
const CR4_OSFXSR = 0x200;

/** #UD unless the system has enabled SSE, #NM while a task switch is pending (SDM vol. 3, 13.1). */
export function requireSse(e: Emitter): void {
  const cr0 = e.and(e.field('cr0'), e.const(CR0_EM | CR0_TS));
  const missing = e.and(e.not(64, e.field('cr4')), e.const(CR4_OSFXSR));
  e.if(e.ne(e.or(cr0, missing), e.const(0)), () => {
    e.raiseIf(e.ne(e.or(e.and(cr0, e.const(CR0_EM)), missing), e.const(0)), 6);
    e.raise(7);
  });
}

/** An x87 exception left pending by an earlier instruction is taken now: #MF, or the external interrupt when CR0.NE is clear. */
export function takePendingException(e: Emitter): void {
  e.if(e.bit(e.field('fsw'), 7), () => {
    e.slow('x87', e.const(x87Index('pending')), e.const(0), e.const(0), e.const(0));
  });
}

/** #UD with CR0.EM, #NM with CR0.TS, then a pending x87 exception (SDM vol. 3, table 12-1). */
export function requireMmx(e: Emitter): void {
  const cr0 = e.and(e.field('cr0'), e.const(CR0_EM | CR0_TS));
  e.if(e.ne(cr0, e.const(0)), () => {
    e.raiseIf(e.bit(cr0, 2), 6);
    e.raise(7);
  });
  takePendingException(e);
}

/** Every MMX instruction but EMMS: TOP becomes 0 and all registers valid. Call it when nothing can fault any more. */
export function enterMmx(e: Emitter): void {
  e.setField('ftop', e.const(0));
  e.setField('ftag', e.const(0xff));
}

/** Checks of an instruction that exists for MMX and XMM operands. */
export function requireFor(e: Emitter, op: Operand): void {
  if (op.kind === 'mmx') requireMmx(e);
  else requireSse(e);
}

/** A whole operand as a vector: 128 bits with the alignment rule of SSE, or 64 (or fewer) bits zero-extended. */
export function readPacked(e: Emitter, op: Operand): Vec {
  if (op.kind !== 'mmx' && op.width === 128) return e.readVec(op, true);
  return e.vecFromInts(e.read(op), e.const(0));
}

/** Write a whole MMX or XMM register. */
export function writePacked(e: Emitter, op: Operand, value: Vec): void {
  if (op.kind === 'mmx') writeMmx(e, op, e.vecLane(64, value, 0));
  else e.writeVec(op, value, true);
}

export function writeMmx(e: Emitter, op: Operand, value: Int): void {
  enterMmx(e);
  e.write(op, value);
}
