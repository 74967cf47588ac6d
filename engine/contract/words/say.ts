/** An error as people read it, in their language, from its code and data. Everything that talks to people at a window says errors so. */
import { EngineError, type ErrorCode } from '../errors.ts';
import { errorOf, type Failure } from '../failure.ts';
import { germanErrors } from './errors-de.ts';
import { englishErrors } from './errors-en.ts';
import { germanPhrases } from './phrases-de.ts';

export const errorSentences = { en: englishErrors, de: germanErrors } as const;
export type ErrorLanguage = keyof typeof errorSentences;

/** Errors whose numbers are sizes in bytes. */
const SIZES: ReadonlySet<ErrorCode> = new Set([
  'memory-size',
  'memory-host',
  'boot-room',
  'boot-command-line',
  'image-size',
  'message-too-long',
]);

/** `value` in the units people use. */
function shownSize(value: number): string {
  if (value < 1024) return `${value} B`;
  const power = Math.min(4, Math.floor(Math.log2(value) / 10));
  return `${+(value / 2 ** (10 * power)).toFixed(2)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

/** What failed and what to do about it. Failures that are no `EngineError` say what they say. */
export function sayError(failure: unknown, language: ErrorLanguage): string {
  if (!(failure instanceof EngineError)) return sayPhrase(failure instanceof Error ? failure.message : String(failure), language);
  const { code, data } = failure as { readonly code: ErrorCode; readonly data: Readonly<Record<string, unknown>> };
  return errorSentences[language][code].replace(/\{(\w+)\}/g, (_slot, name: string) => {
    const cause = name === 'reason' ? causeOf(data) : undefined;
    if (cause !== undefined) return sayError(cause, language);
    return sayValue(data[name], { language, size: SIZES.has(code) });
  });
}

/** Of an error that carries why it happened: that error. */
function causeOf({ cause }: Readonly<Record<string, unknown>>): EngineError | undefined {
  return cause === undefined ? undefined : errorOf(cause as Failure);
}

function sayValue(value: unknown, { language, size }: { readonly language: ErrorLanguage; readonly size: boolean }): string {
  if (Array.isArray(value)) {
    const shown = value
      .slice(0, 5)
      .map((one) => (typeof one === 'object' && one !== null ? `${plain(one.path)} (${plain(one.by)})` : plain(one)));
    if (value.length > shown.length) shown.push('…');
    return shown.length === 0 ? '–' : shown.join(', ');
  }
  if (typeof value === 'number') return size ? shownSize(value) : String(value);
  return sayPhrase(plain(value ?? ''), language);
}

/** An object from a file may have anything as its `toString`. */
const plain = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));

interface Pattern {
  readonly matcher: RegExp;
  readonly german: string;
}
let patterns: readonly Pattern[] | undefined;
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function patternsOf(): readonly Pattern[] {
  patterns ??= Object.entries(germanPhrases)
    .filter(([english]) => english.includes('{}'))
    .map(([english, german]) => ({ matcher: new RegExp(`^${english.split('{}').map(escaped).join('(.+?)')}$`, 's'), german }));
  return patterns;
}

/** Words that an error carries, in the language where that is known, otherwise as they are. */
export function sayPhrase(text: string, language: ErrorLanguage): string {
  if (language === 'en') return text;
  if (Object.hasOwn(germanPhrases, text)) return germanPhrases[text] as string;
  for (const { matcher, german } of patternsOf()) {
    const found = matcher.exec(text);
    if (found === null) continue;
    let at = 0;
    return german.replace(/\{\}/g, () => sayPhrase(found[++at] as string, language));
  }
  // `cpus: must be a number`: what is wrong with a part of something.
  const [, part, rest] = /^([\w.]{1,64}): (.+)$/s.exec(text) ?? [];
  if (part === undefined || rest === undefined) return text;
  return `${part}: ${sayPhrase(rest, language)}`;
}
