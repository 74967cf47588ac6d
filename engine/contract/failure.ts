/** An error by its parts, as messages and files carry it: whoever shows it says it in the language of its reader (`words/say.ts`). */
import * as z from 'zod';
import { EngineError, isErrorCode } from './errors.ts';

export const Failure = z.strictObject({
  /** One of the codes of the contract. */
  class: z.string().max(64),
  data: z.record(z.string(), z.unknown()),
});
export type Failure = z.output<typeof Failure>;

export const failureOf = ({ code, data }: { readonly code: string; readonly data: object }): Failure => ({
  class: code,
  data: { ...data },
});

/** The error again; `undefined` when this version does not know it, or it carries something else: it may come from a hostile file. */
export function errorOf({ class: code, data }: Failure): EngineError | undefined {
  if (!isErrorCode(code)) return undefined;
  try {
    return new EngineError(code, data as never);
  } catch {
    return undefined;
  }
}
