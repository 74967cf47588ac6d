/** A table without collisions for the targets of a computed jump: slot = offset * multiplier, its upper bits. */

const ATTEMPTS = 200;
const MOST_BITS = 9;

export interface Spread {
  /** Multiplied modulo 2^32. */
  readonly multiplier: number;
  /** Bits of the product's upper end that are the slot, at least 1. */
  readonly bits: number;
  /** Position in `offsets` by slot. */
  readonly slots: readonly (number | undefined)[];
}

/** Offsets are distinct and below 2^31; there are at most 32. */
export function spread(offsets: readonly number[]): Spread {
  const least = Math.max(1, Math.ceil(Math.log2(offsets.length)));
  for (let bits = least; bits <= MOST_BITS; bits++) {
    let multiplier = 0x9e3779b1;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const slots = new Array<number | undefined>(1 << bits).fill(undefined);
      if (offsets.every((offset, i) => take(slots, Math.imul(offset, multiplier) >>> (32 - bits), i)))
        return { multiplier, bits, slots };
      multiplier = (Math.imul(multiplier, 0x915f77f5) + 2) | 1;
    }
  }
  throw new RangeError('targets that no table holds');
}

function take(slots: (number | undefined)[], slot: number, position: number): boolean {
  if (slots[slot] !== undefined) return false;
  slots[slot] = position;
  return true;
}
