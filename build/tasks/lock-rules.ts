/**
 * Lock files: what other versions of the program and stored files rely on, as one JSON value per name. A name that is gone stays in the
 * file as `null` (retired) and can never mean anything else again.
 */

export type LockText = Readonly<Record<string, unknown>>;

export interface LockRules {
  /** Whether the meaning of a name may change at all: never for what is stored, with review for what can carry a version. */
  readonly changes: 'refused' | 'reviewed';
}

export interface Comparison {
  /** What no rewriting of the lock file allows. */
  readonly refused: readonly string[];
  /** What `--write` brings into the lock file, for the reviewer to see. */
  readonly stale: readonly string[];
  /** The lock file as it should be. */
  readonly next: LockText;
}

/** Compare the lock file with what the sources declare now. */
export function compareLock(locked: LockText, current: LockText, { changes }: LockRules): Comparison {
  const refused: string[] = [];
  const stale: string[] = [];
  const next: Record<string, unknown> = {};
  for (const name of [...new Set([...Object.keys(locked), ...Object.keys(current)])].sort(byNumberInside)) {
    const before = locked[name];
    const now = current[name];
    next[name] = now ?? null;
    if (before === undefined) stale.push(`${name} is new`);
    else if (before === null && now !== undefined) refused.push(`${name} was retired and cannot be used again`);
    else if (before !== null && now === undefined) stale.push(`${name} is gone and becomes retired`);
    else if (before !== null && canonical(before) !== canonical(now)) {
      if (changes === 'refused') refused.push(`${name} changed from ${canonical(before)} to ${canonical(now)}`);
      else stale.push(`${name} changed`);
    }
  }
  return { refused, stale, next };
}

function byNumberInside(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}

/** JSON with the keys of every object in order, so that equal values have equal text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  );
}

/** The file's text: one line per name, so that differences read well. */
export function lockFileText(lock: LockText): string {
  const lines = Object.entries(lock).map(([name, value]) => `  ${JSON.stringify(name)}: ${canonical(value)}`);
  return `{\n${lines.join(',\n')}\n}\n`;
}
