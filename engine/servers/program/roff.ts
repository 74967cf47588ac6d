/** Text of manual pages, with the macros of man(7). */
export interface PageFacts {
  readonly version: string;
  /** ISO date, for the page's foot. */
  readonly date: string;
}

export function entry(name: string, text: string, { ready = false } = {}): string[] {
  return ['.TP', `.B ${escaped(name).replaceAll('"', '\\(dq')}`, ready ? text : escaped(text)];
}

export function sentence(text: string): string {
  // A word that is typed keeps its letters.
  const isWord = /^[a-z]+[\s,:;]/.test(text);
  const whole = escaped(isWord ? `${text.charAt(0).toUpperCase()}${text.slice(1)}` : text);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** Text as roff prints it: the escape character, hyphens that are typed, and lines that would be requests. */
export function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1');
}

/** The same inside the quotes of a macro's argument. */
export function quoted(text: string): string {
  return escaped(text).replaceAll('"', '""');
}
