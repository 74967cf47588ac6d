/** What is wrong with something from outside, in words. Apart from everything that builds schemas: who starts a machine asks for it. */
import type * as z from 'zod';

/** The first thing wrong, as `path: what`, for a sentence. */
export function firstProblem(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'it does not have the expected form';
  const path = issue.path.map(String).join('.');
  return path === '' ? issue.message : `${printable(path)}: ${issue.message}`;
}

/** Text from outside made safe for a terminal: control characters escaped, at most 64 characters. */
export function printable(text: string): string {
  const short = text.length > 64 ? `${text.slice(0, 64)}...` : text;
  return JSON.stringify(short)
    .slice(1, -1)
    .replace(/[\x7f-\x9f]/g, '?');
}
