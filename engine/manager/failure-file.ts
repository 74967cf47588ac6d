/** Why the last run of a machine failed, by its parts: its log has the sentence, in one language, this file the error itself. */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import { Failure, failureOf } from '../contract/failure.ts';

const MOST_BYTES = 64 * 1024;
const pathIn = (folder: string): string => join(folder, 'logs', 'failure.json');

/** Best effort: a full disk costs this, and the log still says it. */
export function writeFailure(folder: string, failure: unknown): void {
  if (!(failure instanceof EngineError)) return;
  try {
    writeFileSync(pathIn(folder), `${JSON.stringify(failureOf(failure))}\n`, { mode: 0o644 });
  } catch {
    rmSync(pathIn(folder), { force: true });
  }
}

/** Of the last run, when it failed and said so. The file is hostile as everything in a machine folder. */
export function readFailure(folder: string): Failure | undefined {
  try {
    if (statSync(pathIn(folder)).size > MOST_BYTES) return undefined;
    return Failure.safeParse(JSON.parse(readFileSync(pathIn(folder), 'utf8'))).data;
  } catch {
    return undefined;
  }
}

export function forgetFailure(folder: string): void {
  rmSync(pathIn(folder), { force: true });
}
