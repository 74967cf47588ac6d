/** Repeatable random numbers for fuzzing: xorshift32 from a seed that the failing test prints. */
export interface RandomSource {
  /** An integer in 0..limit-1. */
  below(limit: number): number;
  /** 32 bits; often a value with few bits or all bits set, where registers keep their surprises. */
  word(): number;
}

export function randomSource(seed: number): RandomSource {
  let x = seed | 0 || 1;
  const next = () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
  const below = (limit: number) => next() % limit;
  const shapes = [() => next(), () => 0, () => 0xffffffff, () => 1 << below(32), () => below(256), () => ~(1 << below(32))];
  return { below, word: () => (shapes[below(shapes.length)] as () => number)() >>> 0 };
}
