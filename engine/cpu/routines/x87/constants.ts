/** Constants of the transcendental instructions, in units of 2^-128. */

const ONE = 1n << 128n;
/** Bits more than the constants have. */
const GUARD = 32n;

/** Sum over k of (sign)^k / ((2k+1) × n^(2k+1)): atanh(1/n) or atan(1/n), with the guard bits. */
function oddPowers(n: bigint, sign: 1n | -1n): bigint {
  let power = (ONE << GUARD) / n;
  let sum = 0n;
  for (let k = 1n; power !== 0n; k += 2n) {
    sum += power / k;
    power = (power / (n * n)) * sign;
  }
  return sum;
}

/** Machin's formula: up to 4, two bits before the point. */
export const PI = (4n * (4n * oddPowers(5n, -1n) - oddPowers(239n, -1n))) >> GUARD;
const LN2_GUARDED = 2n * oddPowers(3n, 1n);
export const LN2 = LN2_GUARDED >> GUARD;
/** Half of log2(e), which is above 1. */
export const LOG2E = (ONE << (GUARD + 127n)) / LN2_GUARDED;

/** atan(k/16). */
export const ARCTANGENTS: readonly bigint[] = arctangents();

function arctangents(): bigint[] {
  const list = [0n];
  for (let k = 1n; k <= 16n; k++) {
    // atan(k/16) - atan((k-1)/16) = atan(16 / (256 + k(k-1)))
    const [numerator, denominator] = [16n, 256n + k * (k - 1n)];
    let power = ((ONE << GUARD) * numerator) / denominator;
    let sum = 0n;
    for (let n = 1n; power !== 0n; n += 2n) {
      sum += power / n;
      power = (-power * numerator * numerator) / (denominator * denominator);
    }
    list.push((list.at(-1) as bigint) + sum);
  }
  return list.map((value) => value >> GUARD);
}
