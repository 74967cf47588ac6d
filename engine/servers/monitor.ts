/** The monitor: commands of the contract typed by a person. `machine-` may be left out, arguments follow as `name=value`. */
import type { Command, ResultOf } from '../contract/command.ts';
import { engineCommands, machineRegisters, monitorLine } from '../contract/commands.ts';
import { machineDisassemble, machineMemory, stopAdd } from '../contract/debug-commands.ts';
import { EngineError } from '../contract/errors.ts';
import { printable } from '../contract/problem-text.ts';
import type { Dispatcher } from '../contract/serve.ts';
import { codeText, memoryText } from './debug-text.ts';
import { registerText } from './register-text.ts';

const monitorPrompt = '(rootmode) ';

export interface MonitorOptions {
  readonly dispatcher: Pick<Dispatcher, 'call'>;
  print(text: string): void;
  /** Give the terminal back to the guest. */
  leave(): void;
}

export interface Monitor {
  /** Greet and prompt. */
  enter(): void;
  /** Carry out one line and prompt again. Never rejects. */
  line(text: string): Promise<void>;
}

const verbs = new Map<string, Command>(
  engineCommands.filter((command) => command !== monitorLine).map((command) => [verbOf(command), command]),
);
/** What only a terminal has. */
const LEAVE = ['continue', 'Return to the guest; the monitor stays a key away (Ctrl-A c).'] as const;

/** What a line of the monitor prints. Never rejects. */
export async function answerLine(
  dispatcher: MonitorOptions['dispatcher'],
  text: string,
  more: readonly (readonly [verb: string, doc: string])[] = [],
): Promise<string> {
  try {
    const [word = '', ...rest] = text.trim().split(/\s+/);
    if (word === '') return '';
    if (word === 'help') return helpText(more);
    const command = verbs.get(word) ?? [...verbs.values()].find(({ name }) => name === word);
    if (command === undefined) throw new EngineError('command-unknown', { command: printable(word) });
    const result: unknown = await dispatcher.call(command, wordsOf(command, argumentsOf(command, rest)) as never);
    return textOf(command, result);
  } catch (error) {
    return `${error instanceof EngineError ? error.message : String(error)}\n`;
  }
}

export function createMonitor({ dispatcher, print, leave }: MonitorOptions): Monitor {
  return {
    enter: () => print(`monitor: \`help\` shows commands, \`continue\` returns to the guest\n${monitorPrompt}`),
    line: async (text) => {
      if (text.trim() === LEAVE[0]) return leave();
      print(await answerLine(dispatcher, text, [LEAVE]));
      print(monitorPrompt);
    },
  };
}

function textOf(command: Command, result: unknown): string {
  if (command === machineRegisters) return registerText(result as ResultOf<typeof machineRegisters>);
  if (command === machineDisassemble) return codeText(result as ResultOf<typeof machineDisassemble>);
  if (command === machineMemory) return memoryText(result as ResultOf<typeof machineMemory>);
  return resultText(result);
}

/** `stop-add on=port from=0x3f8` says what it means without braces. */
function wordsOf(command: Command, words: Record<string, unknown>): Record<string, unknown> {
  if (command !== stopAdd || 'condition' in words) return words;
  const { vcpu, enabled, ...condition } = words;
  const plain = ['port', 'msr', 'cr', 'exception'].includes(String(condition.on));
  for (const [name, value] of Object.entries(condition)) {
    if (plain && typeof value === 'string' && /^0x[0-9a-f]+$/i.test(value)) condition[name] = Number(value);
    if (!plain && typeof value === 'number' && ['gva', 'from', 'to'].includes(name)) condition[name] = String(value);
  }
  return { condition, ...(vcpu !== undefined && { vcpu }), ...(enabled !== undefined && { enabled }) };
}

function verbOf(command: Command): string {
  return command.name.replace(/^machine-/, '');
}

function helpText(more: readonly (readonly [verb: string, doc: string])[]): string {
  const all = [...[...verbs].map(([verb, { doc }]) => [verb, doc] as const), ...more];
  const width = Math.max(...all.map(([verb]) => verb.length));
  return all.map(([verb, doc]) => `${verb.padEnd(width)}  ${doc}\n`).join('');
}

/** `vcpu=1` as the command's schema wants it: what reads as JSON is taken as that, anything else as text. */
function argumentsOf(command: Command, words: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      if (at <= 0) {
        throw new EngineError('arguments-invalid', { command: command.name, reason: `${printable(word)} is not name=value` });
      }
      const value = word.slice(at + 1);
      try {
        return [word.slice(0, at), JSON.parse(value) as unknown];
      } catch {
        return [word.slice(0, at), value];
      }
    }),
  );
}

function resultText(result: unknown, indent = ''): string {
  if (typeof result !== 'object' || result === null) return `${indent}${String(result)}\n`;
  return Object.entries(result)
    .map(([name, value]) =>
      typeof value === 'object' && value !== null
        ? `${indent}${name}:\n${resultText(value, `${indent}  `)}`
        : `${indent}${name}: ${String(value)}\n`,
    )
    .join('');
}
