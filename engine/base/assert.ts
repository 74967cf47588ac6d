/** A broken invariant of the engine: a defect of ours, never the answer to guest or host input. The machine stops with a report. */
class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
}

/** Stop the machine when `holds` is false. `what` says the invariant in the positive. */
export function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new BrokenInvariant(`Broken invariant: ${what}`);
}

/** The end of an exhaustive `switch`: a new case does not compile until it is served. */
export function assertNever(value: never): never {
  throw new BrokenInvariant(`Broken invariant: unexpected case ${String(value)}`);
}
