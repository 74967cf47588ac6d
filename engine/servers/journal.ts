/** What a machine's process says about itself while it runs, by levels. */
import { type LogLevel, logLine } from '../contract/log-entries.ts';
import type { Dispatcher } from '../contract/serve.ts';

export type Journal = { readonly [L in LogLevel]: (text: string) => void };

export interface JournalParts {
  /** A log has every level with its time; a terminal only what a person must know. */
  readonly form: 'log' | 'terminal';
  write(text: string): void;
  /** Milliseconds since 1970. */
  now(): number;
}

export function createJournal({ form, write, now }: JournalParts): Journal {
  const say = (level: LogLevel) => (text: string) => {
    if (form === 'log') write(logLine({ at: new Date(now()).toISOString(), level, text }));
    else if (level === 'error' || level === 'warn') write(`\nrootmode: ${text}\n`);
  };
  return { error: say('error'), warn: say('warn'), info: say('info'), debug: say('debug') };
}

/** Commands that somebody gives rather than a window that looks. */
const GIVEN = new Set([
  ...['machine-power-button', 'machine-reset', 'machine-quit', 'machine-medium', 'machine-cont', 'machine-pause', 'machine-step'],
  ...['machine-run-to', 'machine-registers-set', 'machine-memory-set', 'stop-add', 'stop-change', 'stop-remove', 'serial-log'],
  ...['machine-trace-start', 'machine-trace-stop'],
]);

/** The same dispatcher; what it is told to do stands in the journal, with what became of it. */
export function journaled(dispatcher: Dispatcher, journal: Journal): Dispatcher {
  return {
    ...dispatcher,
    dispatch: async (message) => {
      const answer = await dispatcher.dispatch(message);
      const name = (message as { readonly execute?: unknown } | undefined)?.execute;
      if (typeof name === 'string' && GIVEN.has(name)) {
        journal.debug('error' in answer ? `${name} was refused: ${answer.error.desc}` : `${name} was carried out.`);
      }
      return answer;
    },
  };
}
