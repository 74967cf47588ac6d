/** Looks for a text in lines, such as those of a terminal. */
export interface Lines {
  readonly count: number;
  line(at: number): string;
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** The next place after `from`, or before it when looking backwards; round the ends once. Upper and lower case are the same. */
export function findText(
  { count, line }: Lines,
  text: string,
  { from, backwards }: { readonly from: Place | undefined; readonly backwards: boolean },
): Place | undefined {
  const wanted = text.toLowerCase();
  if (wanted === '' || count === 0) return undefined;
  const start = from?.line ?? (backwards ? count - 1 : 0);
  for (let step = 0; step <= count; step++) {
    const at = (((start + (backwards ? -step : step)) % count) + count) % count;
    const content = line(at).toLowerCase();
    // In the line where it began, what lies on the other side of the beginning comes last.
    const edge = step === 0 ? from?.column : undefined;
    const column = backwards ? lastBefore(content, wanted, edge) : content.indexOf(wanted, edge === undefined ? 0 : edge + 1);
    if (column >= 0) return { line: at, column };
  }
  return undefined;
}

function lastBefore(content: string, wanted: string, edge: number | undefined): number {
  if (edge === 0) return -1;
  return content.lastIndexOf(wanted, edge === undefined ? Number.POSITIVE_INFINITY : edge - 1);
}
