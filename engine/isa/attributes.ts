/** Words that may follow the operands in a form (define.ts). */

/** Attributes of a form. */
export const ATTRIBUTES = {
  lock: 'LOCK is allowed when the first operand is memory',
  long: 'exists in 64-bit mode only',
  legacy: 'does not exist in 64-bit mode',
  d64: 'operand size defaults to 64 bits in 64-bit mode',
  f64: 'operand size is 64 bits in 64-bit mode, whatever the prefixes',
  rep: 'F3 and F2 are repetition prefixes: `facts.rep` tells',
  protected: '#UD in real and virtual-8086 mode',
  mod3: 'register form only',
  modmem: 'memory form only',
  anymod: 'ModRM.mod is ignored: always the register form',
  popmem: 'POP to memory: rSP as base counts as already advanced; the decoder adds the operand size to the displacement',
  width8: 'operand size is 8 bits',
  width16: 'operand size is 16 bits',
  width32: 'operand size is 32 bits',
  width64: 'operand size is 64 bits',
} as const;

/** CPUID features that gate forms; the position is the bit in `DecodeMode.features`. */
export const FEATURES = [
  'fpu',
  'mmx',
  'sse',
  'sse2',
  'sse3',
  'ssse3',
  'sse41',
  'sse42',
  'popcnt',
  'cx16',
  'fsgsbase',
  'rdtscp',
  'monitor',
  'invpcid',
  'smap',
  'xsave',
  'xsaveopt',
  'clflush',
  'lahf',
  'sysenter',
  'cmov',
  'fxsr',
  'vmx',
] as const;
export type FeatureName = (typeof FEATURES)[number];

/** Bit set of features for `DecodeMode.features`. */
export const featureBits = (names: Iterable<FeatureName>): number =>
  [...names].reduce((bits, name) => bits | (1 << FEATURES.indexOf(name)), 0);
