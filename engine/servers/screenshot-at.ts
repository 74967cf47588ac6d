/** `--screenshot-at text:REGEX=FILE`: a picture of the screen once its text matches. */
import { writeFileSync } from 'node:fs';
import { EngineError } from '../contract/errors.ts';
import { printable } from '../contract/problem-text.ts';
import { reasonOf } from '../host/files.ts';
import { encodePng } from '../host/png.ts';
import { checkOutputFile } from '../host/streams.ts';
import type { Coordinator } from '../machine/coordinator.ts';

export interface ScreenshotAt {
  readonly pattern: RegExp;
  /** The pattern as typed. */
  readonly word: string;
  readonly file: string;
}

const OPTION = '--screenshot-at';
/** How often the screen is looked at, in milliseconds. */
const LOOK = 200;

/** Fails with `setting-invalid` or `file-unwritable`. The last `=` parts pattern and file. */
export function parseScreenshots(words: readonly string[]): ScreenshotAt[] {
  return words.map((word) => {
    const parts = /^text:(.+)=([^=]+)$/s.exec(word);
    const refuse = (reason: string) => new EngineError('setting-invalid', { setting: OPTION, value: printable(word), reason });
    if (parts === null) throw refuse("must be 'text:REGEX=FILE.png'");
    const [, source = '', file = ''] = parts;
    let pattern: RegExp;
    try {
      pattern = new RegExp(source, 'mu');
    } catch {
      throw refuse('must have a regular expression after text:');
    }
    checkOutputFile(file, 'picture');
    return { pattern, word: printable(`text:${source}`), file };
  });
}

export interface WatchOptions {
  readonly machine: Coordinator;
  readonly screenshots: readonly ScreenshotAt[];
  /** What went wrong, a line of text. The machine runs on. */
  report(text: string): void;
}

/** Look at the screen until every picture is taken, the last time when the machine has ended. What never came is reported. */
export function watchScreen({ machine, screenshots, report }: WatchOptions): { stop(): void } {
  let waiting = [...screenshots];
  let timer: NodeJS.Timeout | undefined;
  const look = async (last: boolean): Promise<void> => {
    try {
      if (last || machine.status === 'running') {
        const { text } = await machine.screen.ask({ kind: 'text' });
        const lines = text?.lines.map((line) => line.trimEnd()).join('\n');
        const due = waiting.filter(({ pattern }) => lines !== undefined && pattern.test(lines));
        if (due.length > 0) {
          const { picture } = await machine.screen.ask({ kind: 'picture' });
          for (const { file } of due) writePicture(file, encodePng(picture));
          waiting = waiting.filter((one) => !due.includes(one));
        }
      }
    } catch (failure) {
      if (!last && machine.status !== 'running') return;
      waiting = [];
      report(`\nrootmode: ${failure instanceof EngineError ? failure.message : String(failure)}\n`);
      return;
    }
    if (!last && waiting.length > 0) timer = setTimeout(() => void look(false), LOOK);
  };
  machine.lastLook = async () => {
    clearTimeout(timer);
    if (waiting.length > 0) await look(true);
    for (const { word, file } of waiting) report(`\nrootmode: The screen never had ${word}, so there is no picture ${file}.\n`);
  };
  void look(false);
  return { stop: () => clearTimeout(timer) };
}

/** Fails with `file-unwritable`. */
export function writePicture(file: string, png: Uint8Array): void {
  try {
    writeFileSync(file, png);
  } catch (cause) {
    throw new EngineError('file-unwritable', { what: 'picture', path: file, reason: reasonOf(cause) }, { cause });
  }
}
