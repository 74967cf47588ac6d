/** What is wrong with a value that a capability MSR judges. */
interface Compared {
  readonly value: string;
  readonly ones?: string | undefined;
  readonly may?: string | undefined;
}

/** Numbers of the bits that must be 1 and are not, and of those that are 1 and must not be. */
export function wrongBits({ value, ones, may }: Compared): { readonly missing: number[]; readonly surplus: number[] } {
  if (ones === undefined || may === undefined) return { missing: [], surplus: [] };
  return { missing: numbersOf(BigInt(ones) & ~BigInt(value)), surplus: numbersOf(BigInt(value) & ~BigInt(may)) };
}

export function numbersOf(bits: bigint): number[] {
  return Array.from({ length: 64 }, (_, at) => at).filter((at) => ((bits >> BigInt(at)) & 1n) !== 0n);
}
