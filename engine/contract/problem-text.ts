/** What is wrong with something from outside, in words. Apart from everything that builds schemas: who starts a machine asks for it. */
import type * as z from 'zod';

/** The first thing wrong, as `path: what`, for a sentence. */
export function firstProblem(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'does not have the expected form';
  const path = issue.path.map(String).join('.');
  const text = problemText(issue);
  return path === '' ? text : `${printable(path)}: ${text}`;
}

type Issue = z.ZodError['issues'][number];

const TYPES: Readonly<Record<string, string>> = {
  number: 'a number',
  int: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** What is wrong, to follow the name of the thing: `must be at most 16`. The schema's own words where it has some. */
export function problemText(issue: Issue): string {
  if (!/^(Too (big|small)|Invalid|Unrecognized)\b/.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'too_big':
      return amount(issue.origin, issue.maximum, 'at most');
    case 'too_small':
      return issue.origin === 'string' && issue.minimum === 1
        ? 'must not be empty'
        : amount(issue.origin, issue.minimum, 'at least');
    case 'invalid_type':
      if (issue.message.endsWith('received undefined')) return 'is missing';
      return `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.map(String).join(', ')}`;
    case 'unrecognized_keys':
      return `has ${issue.keys.map(printable).join(', ')}, which this version does not know`;
    default:
      return 'does not have the expected form';
  }
}

function amount(origin: string, limit: number | bigint, which: string): string {
  const unit = origin === 'string' ? ' characters' : origin === 'array' ? ' of them' : '';
  return `must be ${which} ${limit}${unit}`;
}

/** Text from outside made safe for a terminal: control characters escaped, at most 64 characters. */
export function printable(text: string): string {
  const short = text.length > 64 ? `${text.slice(0, 64)}...` : text;
  return JSON.stringify(short)
    .slice(1, -1)
    .replace(/[\x7f-\x9f]/g, '?');
}
