/** The host's clocks. */

/** The host's monotonic clock in nanoseconds, as an origin that other threads of this process can be given. */
export function monotonicOrigin(): bigint {
  return process.hrtime.bigint();
}

/** Nanoseconds since `origin`. A number: exact for 104 days. */
export function monotonicSince(origin: bigint): () => number {
  return () => Number(process.hrtime.bigint() - origin);
}

/** How far the host's zone is ahead of UTC now, in milliseconds. */
export function zoneMilliseconds(): number {
  return new Date().getTimezoneOffset() * -60_000;
}

/** The host's wall clock in milliseconds since 1970, UTC. */
export function wallClockMilliseconds(): number {
  return Date.now();
}
