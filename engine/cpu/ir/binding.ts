/** What an emitter does not know by itself of the instruction it describes. */
import type { Operand } from '../../isa/emitter.ts';
import type { Node } from './node.ts';

/** How operands, the instruction pointer and slow routines are reached. */
export interface Binding {
  /** Host address and constant offset of a register operand's bytes. */
  register(op: Operand): { address: Node; offset: number };
  /** Register number of an operand as an i64. */
  registerNumber(op: Operand): Node;
  /** Immediate, already sign-extended and truncated as its form says. */
  immediate(op: Operand): Node;
  /** Offset of a memory operand, truncated to the address size. */
  memoryOffset(op: Operand): Node;
  addressMask(op: Operand): Node;
  /** Segment of the memory operand or of a string source: number (i32), linear base (i64), and whether limits must be checked (i32). */
  segment(): { number: Node; base: Node; checked: Node };
  /** Is it known that a segment needs no checks and begins at 0? */
  isFlat?(segment: number): boolean;
  nextIp(): Node;
  relTarget(op: Operand): Node;
  /** Second argument of a slow routine: the record, or what stands for it. */
  record(): Node;
}
