import type { Code, ValueType } from '../../wasm/code.ts';
import type { GuestFrame } from '../ir/lower.ts';
import type { Exit } from '../ir/node.ts';

/** A routine of the processor: it reaches guest memory only through other routines and leaves by returning its value, or what a region does. */
export class RoutineFrame implements GuestFrame {
  readonly code: Code;
  readonly functionIndex: (name: string) => number;
  readonly #regionType: number;

  constructor(code: Code, functionIndex: (name: string) => number, regionType: number) {
    this.code = code;
    this.functionIndex = functionIndex;
    this.#regionType = regionType;
  }

  local(type: ValueType): number {
    return this.code.local(type);
  }

  guestLoad(): void {
    throw new TypeError('routines call load8 … load128');
  }

  guestStore(): void {
    throw new TypeError('routines call store8 … store128');
  }

  guestRef(): void {
    throw new TypeError('routines call reference8 … reference64');
  }

  exit(exit: Exit): void {
    if (exit.exit === 'instead') return this.code.returnCallIndirect(this.#regionType, 0);
    if (exit.exit !== 'return') throw new TypeError(`a routine cannot leave by ${exit.exit}`);
    this.code.return();
  }
}
