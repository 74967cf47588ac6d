/** What failed, in the language of the window. */
import type * as z from 'zod';
import { errorOf, type Failure } from '../../engine/contract/failure.ts';
import { problemText } from '../../engine/contract/problem-text.ts';
import { sayError, sayPhrase } from '../../engine/contract/words/say.ts';
import { texts } from './texts.ts';

export const said = (failure: unknown): string => sayError(failure, texts.global.locale.value);

/** Of something that tells of its failure by its parts, or only in words. */
export function saidOf({
  failure,
  problem,
}: {
  readonly failure?: Failure | undefined;
  readonly problem?: string | undefined;
}): string {
  const error = failure && errorOf(failure);
  return error === undefined ? (problem ?? '') : said(error);
}

/** Words of the engine, in the language of the window where they are known. */
export const saidPhrase = (text: string): string => sayPhrase(text, texts.global.locale.value);

/** Words that the contract has for what is wrong with a value, as a sentence of their own. */
export function saidProblem(text: string): string {
  const words = saidPhrase(text);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What is wrong with a part of a form, by the name of that part; empty when nothing is. */
export function saidIssue(error: z.ZodError | undefined, field?: string): string {
  const issue = error?.issues.find(({ path }) => field === undefined || path[0] === field);
  return issue === undefined ? '' : saidProblem(problemText(issue));
}
