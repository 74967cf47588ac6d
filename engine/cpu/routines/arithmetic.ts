import type { RoutineDefinition } from './routine.ts';

/** High half of the unsigned 128-bit product, from four 32-bit products. */
const mulHighU: RoutineDefinition = {
  name: 'mulHighU',
  parameters: ['i64', 'i64'],
  result: 'i64',
  build(r) {
    const [a, b] = [r.parameterInt(0), r.parameterInt(1)];
    const half = r.const(32);
    const [aLow, aHigh, bLow, bHigh] = [r.trunc(32, a), r.shr(64, a, half), r.trunc(32, b), r.shr(64, b, half)];
    const low = r.mul(64, aLow, bLow);
    const crossA = r.add(64, r.mul(64, aHigh, bLow), r.shr(64, low, half));
    const crossB = r.add(64, r.mul(64, aLow, bHigh), r.trunc(32, crossA));
    r.returns(r.add(64, r.add(64, r.mul(64, aHigh, bHigh), r.shr(64, crossA, half)), r.shr(64, crossB, half)));
  },
};

/**
 * Quotient of a 128-bit dividend (hi, lo) by d, known to fit 64 bits (hi < d). Long division in base 2^32 on the normalised divisor
 * (Knuth, The Art of Computer Programming, vol. 2, 4.3.1, algorithm D with two quotient digits).
 */
const divU128: RoutineDefinition = {
  name: 'divU128',
  parameters: ['i64', 'i64', 'i64'],
  result: 'i64',
  build(r) {
    const [hi, lo, d] = [r.parameterInt(0), r.parameterInt(1), r.parameterInt(2)];
    r.if(r.eq(hi, r.const(0)), () => r.returns(r.divU(lo, d)));
    const half = r.const(32);
    const shift = r.clz(d);
    const divisor = r.shl(64, d, shift);
    const spill = r.select(r.eq(shift, r.const(0)), r.const(0), r.shr(64, lo, r.sub(64, r.const(64), shift)));
    const top = r.or(r.shl(64, hi, shift), spill);
    const rest = r.shl(64, lo, shift);
    const [dHigh, dLow] = [r.shr(64, divisor, half), r.trunc(32, divisor)];
    const quotient = r.var(r.const(0));
    const remainder = r.var(top);
    for (const next of [r.shr(64, rest, half), r.trunc(32, rest)]) {
      const digit = r.var(r.divU(r.get(remainder), dHigh));
      const left = r.var(r.sub(64, r.get(remainder), r.mul(64, r.get(digit), dHigh)));
      r.while(
        () => {
          const small = r.eq(r.shr(64, r.get(left), half), r.const(0));
          const tooLarge = r.orB(
            r.ne(r.shr(64, r.get(digit), half), r.const(0)),
            r.ltU(r.or(r.shl(64, r.get(left), half), next), r.mul(64, r.get(digit), dLow)),
          );
          return r.andB(small, tooLarge);
        },
        () => {
          r.set(digit, r.sub(64, r.get(digit), r.const(1)));
          r.set(left, r.add(64, r.get(left), dHigh));
        },
      );
      r.set(remainder, r.sub(64, r.or(r.shl(64, r.get(remainder), half), next), r.mul(64, r.get(digit), divisor)));
      r.set(quotient, r.add(64, r.shl(64, r.get(quotient), half), r.get(digit)));
    }
    r.returns(r.get(quotient));
  },
};

/** (operands, result) → `flagAux` after a sum or difference. */
const carries = (['sum', 'difference'] as const).flatMap((of) =>
  ([8, 16, 32, 64] as const).map(
    (width): RoutineDefinition => ({
      name: `carries.${of}${width}`,
      parameters: ['i64', 'i64', 'i64'],
      result: 'i64',
      build(r) {
        r.returns(r.carriesOf(of, width, [r.parameterInt(0), r.parameterInt(1), r.parameterInt(2)]));
      },
    }),
  ),
);

export const arithmeticRoutines: readonly RoutineDefinition[] = [mulHighU, divU128, ...carries];
