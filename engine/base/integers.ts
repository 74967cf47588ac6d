/** The low 32 bits of a 64-bit value as a number. */
export function low32(value: bigint): number {
  return Number(value & 0xffffffffn);
}

/** Bits 63..32 of a 64-bit value as a number. */
export function high32(value: bigint): number {
  return Number((value >> 32n) & 0xffffffffn);
}

/** A 64-bit value of two 32-bit halves. */
export function join64(high: number, low: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** All ones in `size` bytes (1, 2 or 4): what a bus reads where nothing answers. */
export function allOnes(size: number): number {
  return size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff;
}
