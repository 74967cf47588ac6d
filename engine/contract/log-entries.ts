/**
 * The log of a machine of the library: what its process says about itself, one entry a line, `2026-01-31T12:00:00.000Z warn  TEXT`. Lines
 * that begin with blanks go on with the entry before.
 */
import * as z from 'zod';

export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export const LogLevel = z.enum(logLevels);
export type LogLevel = z.output<typeof LogLevel>;

export const LogEntry = z.strictObject({
  /** ISO 8601 in UTC; absent for what was said without a time. */
  at: z.string().optional(),
  /** Absent for what did not come from the program itself, such as a warning of its runtime. */
  level: LogLevel.optional(),
  text: z.string(),
});
export type LogEntry = z.output<typeof LogEntry>;

const CONTINUED = '    ';
const ENTRY = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (error|warn|info|debug) +(.*)$/;
/** How the program refuses a command line, before there is a log. */
const REFUSED = /^rootmode: (.*)$/;

/** With its line feed. */
export function logLine({ at, level, text }: { readonly at: string; readonly level: LogLevel; readonly text: string }): string {
  return `${at} ${level.padEnd(5)} ${text.trim().replaceAll('\n', `\n${CONTINUED}`)}\n`;
}

export function parseLog(lines: readonly string[]): LogEntry[] {
  const entries: { at?: string; level?: LogLevel; text: string }[] = [];
  for (const line of lines) {
    const last = entries.at(-1);
    const [, at, level, text = ''] = ENTRY.exec(line) ?? [];
    const refused = REFUSED.exec(line)?.[1];
    if (at !== undefined) entries.push({ at, level: level as LogLevel, text });
    else if (refused !== undefined) entries.push({ level: 'error', text: refused });
    else if (last?.at !== undefined && line.startsWith(CONTINUED)) last.text += `\n${line.slice(CONTINUED.length)}`;
    else if (line.trim() !== '') entries.push({ text: line });
  }
  return entries;
}
