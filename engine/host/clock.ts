/** The host's clocks. */

/** The host's monotonic clock in nanoseconds, as an origin that other threads of this process can be given. */
export function monotonicOrigin(): bigint {
  return process.hrtime.bigint();
}

/** Nanoseconds since `origin`. A number: exact for 104 days. */
export function monotonicSince(origin: bigint): () => number {
  const [seconds, nanoseconds] = [Number(origin / 1_000_000_000n), Number(origin % 1_000_000_000n)];
  // A worker's `process` is behind a getter.
  const { hrtime } = process;
  return () => {
    // Not by `bigint`: what vCPUs ask at every system call allocates little.
    const [s, ns] = hrtime();
    return (s - seconds) * 1e9 + (ns - nanoseconds);
  };
}

/** The host's wall clock in milliseconds since 1970, UTC. */
export function wallClockMilliseconds(): number {
  return Date.now();
}

/** Civil time in microseconds since 1970, in UTC or in the host's zone as it is now: one that jumps with summer time would jump twice for a guest that does so itself. */
export function calendarOf(zone: 'utc' | 'local'): { microseconds(): number } {
  const ahead = zone === 'local' ? new Date().getTimezoneOffset() * -60_000 : 0;
  return { microseconds: () => (wallClockMilliseconds() + ahead) * 1000 };
}
