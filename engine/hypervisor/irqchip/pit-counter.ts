/** What one counter of an 8254 shows, as arithmetic on ticks since its count was loaded (data sheet, "Mode definitions"). */
export interface Counter {
  /** 0..5. */
  readonly mode: number;
  /** 1..65536. */
  readonly count: number;
  readonly decimal: boolean;
  /** A count is loaded and, in modes 1 and 5, a trigger came. */
  readonly running: boolean;
  /** The gate is low. */
  readonly stopped: boolean;
  /** Ticks since the load, without those the gate held. */
  readonly ticks: number;
}

function encode(value: number, decimal: boolean): number {
  if (!decimal) return value & 0xffff;
  const digits = ((value % 10_000) + 10_000) % 10_000;
  return (
    (Math.floor(digits / 1000) << 12) |
    ((Math.floor(digits / 100) % 10) << 8) |
    ((Math.floor(digits / 10) % 10) << 4) |
    (digits % 10)
  );
}

/** The counting element as the guest reads it, 16 bits, decimal where programmed so. */
export function counterAt({ mode, count, decimal, running, stopped, ticks }: Counter): number {
  if (!running) return encode(count, decimal);
  if (mode === 2) return encode(stopped ? count : count - (ticks % count), decimal);
  // Mode 3 counts by two, twice per period; with an odd count the first half is one tick longer.
  if (mode === 3) return encode(stopped ? count : squareWave(count, ticks % count), decimal);
  return encode(count - ticks, decimal);
}

function squareWave(count: number, phase: number): number {
  const half = (count + 1) >> 1;
  const even = count & ~1;
  return phase < half ? even - 2 * Math.max(0, phase - (count & 1)) : even - 2 * (phase - half);
}

/** Level of the output. */
export function outputAt({ mode, count, running, stopped, ticks }: Counter): boolean {
  switch (mode) {
    case 0:
      return running && ticks >= count;
    case 1:
      return !running || ticks >= count;
    case 2:
      return !running || stopped || ticks % count !== count - 1;
    case 3:
      return !running || stopped || ticks % count < (count + 1) >> 1;
    default:
      return !running || ticks !== count;
  }
}

/** Ticks since the load at which the output next rises; undefined when it will not. */
export function risingAfter({ mode, count, running, stopped, ticks }: Counter): number | undefined {
  if (!running || (stopped && mode !== 1 && mode !== 5)) return undefined;
  if (mode === 2 || mode === 3) return (Math.floor(ticks / count) + 1) * count;
  // Modes 4 and 5 strobe low for one tick after the count.
  const rise = mode === 4 || mode === 5 ? count + 1 : count;
  return ticks < rise ? rise : undefined;
}
