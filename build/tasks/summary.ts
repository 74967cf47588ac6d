/** What a test run found, in the form that `.ci/run` and people read. */

export interface Summary {
  readonly passed: number;
  readonly failed: number;
  /** Full names and reasons of what did not run. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/** The last line of a run. */
export function tally({ passed, failed }: Pick<Summary, 'passed' | 'failed'>): string {
  return `${passed} passed, ${failed} failed`;
}

/** Skips grouped by reason: one line per reason, with the tests it concerns. */
export function skipLines({ skipped }: Summary): readonly string[] {
  const byReason = new Map<string, string[]>();
  for (const { name, reason } of skipped) byReason.set(reason, [...(byReason.get(reason) ?? []), name]);
  return [...byReason].map(([reason, names]) => {
    const shown = names.slice(0, 3).join('; ');
    return `skipped ${names.length}: ${reason} (${shown}${names.length > 3 ? '; …' : ''})`;
  });
}
