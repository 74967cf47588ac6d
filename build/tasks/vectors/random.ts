/** Random numbers of the vector recorder: a seeded generator (sfc32), and values at which arithmetic changes its mind. */

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Equal seeds give equal sequences. */
  constructor(seed: string) {
    let hash = 0x811c9dc5;
    for (const character of seed) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
    this.#a = hash;
    this.#b = Math.imul(hash, 0x9e3779b1);
    this.#c = ~hash;
    for (let i = 0; i < 12; i++) this.word();
  }

  /** 32 random bits. */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** 0 to limit - 1. */
  below(limit: number): number {
    return Math.floor((this.word() / 0x1_0000_0000) * limit);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(from: readonly T[]): T {
    const value = from[this.below(from.length)];
    if (value === undefined) throw new Error('nothing to pick from');
    return value;
  }

  long(): bigint {
    return (BigInt(this.word()) << 32n) | BigInt(this.word());
  }

  /** 64 bits: half the time plain random, otherwise near a power of two, a repeated byte or small. */
  integer(): bigint {
    const kind = this.below(10);
    if (kind < 4) return this.long();
    const near = BigInt(this.below(5) - 2);
    if (kind < 8)
      return BigInt.asUintN(
        64,
        (1n << BigInt(this.pick([0, 4, 7, 8, 15, 16, 31, 32, 47, 63, this.below(64)]))) * (this.chance(50) ? 1n : -1n) + near,
      );
    if (kind === 8) return BigInt(this.below(256)) * 0x0101010101010101n;
    return BigInt.asUintN(64, near);
  }
}

const f32 = new Float32Array(1);
const f32Bits = new Uint32Array(f32.buffer);
const f64 = new Float64Array(1);
const f64Bits = new BigUint64Array(f64.buffer);

const SPECIAL32 = [
  0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff,
  0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f800001, 0xffa54321, 0x4f000000, 0xcf000000, 0x4effffff, 0x3f000000,
  0xbf000000, 0x3fc00000, 0x40200000, 0x5f000000, 0xdf000000, 0x33800000, 0x34000000,
];
const SPECIAL64 = [
  0x0000000000000000n,
  0x8000000000000000n,
  0x3ff0000000000000n,
  0xbff0000000000000n,
  0x0000000000000001n,
  0x8000000000000001n,
  0x000fffffffffffffn,
  0x0010000000000000n,
  0x7fefffffffffffffn,
  0xffefffffffffffffn,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0xfff8123456789abcn,
  0x7ff0000000000001n,
  0xfff4cba987654321n,
  0x41e0000000000000n,
  0xc1e0000000000000n,
  0x41dfffffffc00000n,
  0xc1e0000000200000n,
  0x43e0000000000000n,
  0xc3e0000000000000n,
  0x3fe0000000000000n,
  0xbfe0000000000000n,
  0x3ff8000000000000n,
  0x47efffffe0000000n,
  0x36a0000000000000n,
  0x3810000000000000n,
  0x380fffffffffffffn,
];
/** Sign and exponent, significand: all classes of the 80-bit format, the unsupported ones included. */
const SPECIAL80: readonly (readonly [number, bigint])[] = [
  [0x0000, 0n],
  [0x8000, 0n],
  [0x3fff, 1n << 63n],
  [0xbfff, 1n << 63n],
  [0x0000, 1n],
  [0x8000, 1n],
  [0x0000, (1n << 63n) - 1n],
  [0x0000, 1n << 63n],
  [0x0001, 1n << 63n],
  [0x7ffe, (1n << 64n) - 1n],
  [0xfffe, (1n << 64n) - 1n],
  [0x7fff, 1n << 63n],
  [0xffff, 1n << 63n],
  [0x7fff, 3n << 62n],
  [0xffff, 3n << 62n],
  [0x7fff, (1n << 63n) + 1n],
  [0xffff, (3n << 62n) + 0x1234567n],
  [0x7fff, 0n],
  [0x7fff, 1n],
  [0x4000, 1n << 62n],
  [0x3fff, 0n],
  [0x4000, 0xc90fdaa22168c235n],
  [0x3ffe, 0xb17217f7d1cf79acn],
  [0x403e, 1n << 63n],
  [0xc03e, 1n << 63n],
  [0x403d, (1n << 64n) - 1n],
  [0x401e, 1n << 63n],
  [0xc01e, (1n << 63n) + (1n << 31n)],
  [0x3ffe, 1n << 63n],
  [0xbffe, 1n << 63n],
  [0x3ffd, 0x8000000000000001n],
  [0x400c, 0xffff000000000000n],
  [0x3f80, 1n << 63n],
];

/** Bits of a binary32. */
export function single(random: Random): number {
  if (random.chance(35)) return random.pick(SPECIAL32);
  if (random.chance(20)) return random.word();
  f32[0] = (random.word() - 2 ** 31) * 2 ** (random.below(40) - 40);
  return f32Bits[0] ?? 0;
}

/** Bits of a binary64. */
export function double(random: Random): bigint {
  if (random.chance(35)) return random.pick(SPECIAL64);
  if (random.chance(20)) return random.long();
  f64[0] = (random.word() - 2 ** 31) * 2 ** (random.below(60) - 50) + random.below(1 << 30) * 2 ** (random.below(20) - 50);
  return f64Bits[0] ?? 0n;
}

/** An 80-bit value as 16 bytes of an FXSAVE slot (the upper six zero). */
export function extended(random: Random): [signExponent: number, significand: bigint] {
  if (random.chance(40)) return [...random.pick(SPECIAL80)];
  const sign = random.chance(50) ? 0x8000 : 0;
  const significand = random.long() | (1n << 63n);
  if (random.chance(20)) return [sign | random.below(0x7fff), significand];
  const exponent = 0x3fff + random.below(80) - 40;
  return [sign | exponent, random.chance(30) ? (significand >> 40n) << 40n : significand];
}
