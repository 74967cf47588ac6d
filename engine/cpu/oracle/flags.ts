/**
 * Status flags as the oracle computes them: from the two lazy words of the state to the six bits and back (meaning of the words: state.ts),
 * and from operands and results by the manual's rules (SDM vol. 1, 3.4.3.1) on unbounded integers.
 */
import type { StatusFlag, Width } from '../../isa/emitter.ts';

/** RFLAGS positions. */
export const FLAG_BIT: Readonly<Record<StatusFlag, bigint>> = { C: 1n, P: 4n, A: 0x10n, Z: 0x40n, S: 0x80n, O: 0x800n };
export const STATUS_MASK = 0x8d5n;

export interface FlagWords {
  flagResult: bigint;
  flagAux: bigint;
}

function evenParity(value: bigint): boolean {
  let ones = 0;
  for (let rest = value & 0xffn; rest !== 0n; rest >>= 1n) ones += Number(rest & 1n);
  return ones % 2 === 0;
}

/** The six status flags at their RFLAGS positions. */
export function readStatus(words: FlagWords): bigint {
  const { flagResult: result, flagAux: aux } = words;
  const carry = (aux >> 63n) & 1n;
  let status = carry;
  if (evenParity(result ^ (aux >> 8n))) status |= FLAG_BIT.P;
  if ((aux >> 3n) & 1n) status |= FLAG_BIT.A;
  if (result === 0n) status |= FLAG_BIT.Z;
  if ((result >> 63n) ^ (aux & 1n)) status |= FLAG_BIT.S;
  if (carry ^ ((aux >> 62n) & 1n)) status |= FLAG_BIT.O;
  return status;
}

export function writeStatus(words: FlagWords, status: bigint): void {
  const carry = status & 1n;
  const overflow = (status >> 11n) & 1n;
  const zero = (status & FLAG_BIT.Z) !== 0n;
  const result = zero ? 0n : 1n;
  // The parity byte of a zero result is even and of 1 odd; one extra bit turns either round.
  const parity = ((status & FLAG_BIT.P) !== 0n) === zero ? 0n : 1n;
  words.flagResult = result;
  words.flagAux = (carry << 63n) | ((carry ^ overflow) << 62n) | (parity << 8n) | ((status >> 1n) & 8n) | ((status >> 7n) & 1n);
}

/** S, Z and P of a result. */
export function ofResult(width: Width, result: bigint): bigint {
  const value = BigInt.asUintN(width, result);
  let status = 0n;
  if (evenParity(value)) status |= FLAG_BIT.P;
  if (value === 0n) status |= FLAG_BIT.Z;
  if (value >> BigInt(width - 1)) status |= FLAG_BIT.S;
  return status;
}

/**
 * Flags of a + b (sign 1) or a - b (sign -1), with the carry or borrow that came in deduced from the result: an unbounded sum shows
 * carry, a signed sum overflow and the low digits the auxiliary carry.
 */
export function ofSum(width: Width, sign: 1n | -1n, operands: { a: bigint; b: bigint; result: bigint }): bigint {
  const { a, b, result } = operands;
  const carryIn = BigInt.asUintN(width, (result - a - sign * b) * sign);
  const unsigned = a + sign * (b + carryIn);
  const exact = BigInt.asIntN(width, a) + sign * (BigInt.asIntN(width, b) + carryIn);
  const digit = (a & 15n) + sign * ((b & 15n) + carryIn);
  let status = ofResult(width, result);
  if (unsigned < 0n || unsigned >> BigInt(width)) status |= FLAG_BIT.C;
  if (exact !== BigInt.asIntN(width, exact)) status |= FLAG_BIT.O;
  if (digit < 0n || digit > 15n) status |= FLAG_BIT.A;
  return status;
}

/** Condition code of Jcc, SETcc, CMOVcc (SDM vol. 2, B.1.4) on the six flags. */
export function condition(code: number, status: bigint): boolean {
  const has = (flag: StatusFlag): boolean => (status & FLAG_BIT[flag]) !== 0n;
  const base = [
    () => has('O'),
    () => has('C'),
    () => has('Z'),
    () => has('C') || has('Z'),
    () => has('S'),
    () => has('P'),
    () => has('S') !== has('O'),
    () => has('Z') || has('S') !== has('O'),
  ][code >> 1];
  return base !== undefined && base() !== ((code & 1) === 1);
}
