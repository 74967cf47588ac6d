/** What every command line of this program has in common: its name, and how a mistake is said. */
import type { Writable } from 'node:stream';
import { Command, CommanderError } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { EngineError } from './base/errors.ts';

/** Exit status of every refusal: the command was not carried out, and nothing was left behind. */
const REFUSED = 2;

export function newProgram(): Command {
  return (
    new Command('rootmode')
      .description('Runs virtual machines on a software x86-64 processor.')
      .version(manifest.version)
      .helpCommand(false)
      .exitOverride()
      // Mistakes are said in one sentence by `carryOut`.
      .configureOutput({ writeErr: () => undefined, outputError: () => undefined })
  );
}

/** Its options of help, once its commands are there. */
export function addHelp(program: Command): void {
  for (const command of program.commands) command.helpOption('-h, --help', 'show this help').copyInheritedSettings(program);
  program.helpOption('-h, --help', 'show this help');
}

interface CommandLine {
  /** Without the program's name. */
  readonly words: readonly string[];
  /** Commands that there are. */
  readonly verbs: readonly string[];
  describe(finish: (status: number) => void): Command;
}

/** Carry out one command line. Returns the exit status; never rejects. */
export async function carryOut({ words, verbs, describe }: CommandLine): Promise<number> {
  let status = 0;
  const program = describe((then) => {
    status = then;
  });
  try {
    await program.parseAsync(words, { from: 'user' });
    return status;
  } catch (failure) {
    if (failure instanceof CommanderError && failure.exitCode === 0) return 0;
    await write(process.stderr, `${said(refusal(failure, words, verbs))}\n`);
    return REFUSED;
  }
}

/** One error for whatever went wrong. */
function refusal(failure: unknown, words: readonly string[], verbs: readonly string[]): EngineError {
  if (failure instanceof CommanderError) {
    const verb = words[0] !== undefined && verbs.includes(words[0]) ? `rootmode ${words[0]}` : 'rootmode';
    const reason = failure.message
      .replace(/^error: /, '')
      .replace(/\.?(\s*\n.*)?$/s, '')
      .replace('. Expected', ': expected');
    return new EngineError('usage', { command: verb, reason: sentenceCase(reason) });
  }
  if (failure instanceof EngineError) return failure;
  return new EngineError('internal', { reason: failure instanceof Error ? (failure.stack ?? failure.message) : String(failure) });
}

/** For people, or by its parts for a program that says it in another language (`ROOTMODE_ERRORS=json`). */
function said({ code, message, data }: EngineError): string {
  if (process.env['ROOTMODE_ERRORS'] !== 'json') return `rootmode: ${message}`;
  return JSON.stringify({ class: code, desc: message, data });
}

function sentenceCase(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Resolves when the text is out, also into a pipe: ending the process earlier would lose it. False: nobody reads any more. */
export function write(stream: Writable, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const fail = (): void => resolve(false);
    stream.once('error', fail);
    stream.write(text, (failure) => {
      if (failure) return;
      stream.off('error', fail);
      resolve(true);
    });
  });
}
