/** Ends of a region that several places go to: what has to be stored there is stored once, after all other code. */
import type { Code } from '../../wasm/code.ts';
import type { LeavePoint, Spill } from '../ir/node.ts';
import { LEAVING } from '../regions.ts';

/** A place that is left to a routine, which knows where the region was entered. */
export type NearPoint = LeavePoint & { readonly how: 'skip' | 'chain'; readonly rip: number };

interface End {
  readonly top: number;
  readonly spills: readonly Spill[];
}

export class Ends {
  readonly #code: Code;
  /** Offset of the region's first instruction. */
  readonly #entry: number;
  readonly #ends: End[] = [];

  constructor(code: Code, entry: number) {
    this.#code = code;
    this.#entry = entry;
  }

  /** Go to the end where this is stored. The first to come there has its code made, by `make`: what is on the stack says where (`LEAVING`). */
  leave(point: NearPoint, make: () => void): void {
    const code = this.#code;
    const { top } = point;
    const spills = point.spills();
    let number = this.#ends.length - 1;
    while (number >= 0 && !isSame(this.#ends[number] as End, top, spills)) number--;
    if (number < 0) {
      number = this.#ends.push({ top, spills }) - 1;
      code.after('i64', make);
    }
    code.i64(this.placeOf(point));
    code.brAfter(number);
  }

  /** As `LEAVING` says. */
  placeOf({ how, faulted, rip, retired }: NearPoint): number {
    const bits = (how === 'chain' ? LEAVING.chain : 0) + (faulted ? LEAVING.faulted : 0);
    return (rip - this.#entry) * 2 ** LEAVING.shift + bits + retired;
  }
}

function isSame(end: End, top: number, spills: readonly Spill[]): boolean {
  if (end.top !== top || end.spills.length !== spills.length) return false;
  for (let i = 0; i < spills.length; i++) {
    const [a, b] = [end.spills[i] as Spill, spills[i] as Spill];
    if (a.value !== b.value || a.offset !== b.offset || a.turned !== b.turned) return false;
  }
  return true;
}
