/** What the command line consists of, read from its description: the one source of the manual pages and of the shells' completions. */
import type { Argument, Command, Option } from 'commander';

/** How the value of an option or argument is completed. */
export type Completion =
  | { readonly kind: 'files' }
  | { readonly kind: 'machines' }
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'none' };

export interface OptionShape {
  /** As it is typed: `--memory`. */
  readonly long: string;
  /** As the help shows it: `--memory <MiB>`. */
  readonly flags: string;
  readonly text: string;
  readonly takesValue: boolean;
  readonly completion: Completion;
  readonly defaultText: string | undefined;
}

export interface CommandShape {
  /** Words after `rootmode`; empty for the program itself. */
  readonly path: readonly string[];
  readonly text: string;
  readonly operands: readonly { readonly name: string; readonly text: string; readonly completion: Completion }[];
  /** As the help shows it: `<name>`, `[interval]`, `<keys...>`. */
  readonly operandText: string;
  readonly options: readonly OptionShape[];
  readonly commands: readonly CommandShape[];
}

export function shapeOf(command: Command, path: readonly string[] = []): CommandShape {
  const operands = path.length === 0 ? [] : command.registeredArguments;
  return {
    path,
    text: command.description(),
    operands: operands.map((operand) => ({
      name: operand.name(),
      text: operand.description,
      completion: completionOf(operand.name(), operand.description, operand.argChoices),
    })),
    operandText: operands.map(operandWords).join(' '),
    options: command.options.filter(({ hidden }) => !hidden).map(optionShape),
    commands: command.commands.map((child) => shapeOf(child, [...path, child.name()])),
  };
}

/** `command` and everything below it that can be carried out. */
export function everyCommand(command: CommandShape): readonly CommandShape[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function operandWords(operand: Argument): string {
  const name = `${operand.name()}${operand.variadic ? '...' : ''}`;
  return operand.required ? `<${name}>` : `[${name}]`;
}

function optionShape(option: Option): OptionShape {
  const { long, short, flags, description, defaultValue, argChoices } = option;
  const value = /[<[]([^>\]]+)/.exec(flags)?.[1] ?? '';
  const shown = typeof defaultValue === 'string' && defaultValue !== '' ? defaultValue : option.defaultValueDescription;
  return {
    long: long ?? short ?? flags,
    flags,
    text: description,
    takesValue: value !== '',
    completion: value === '' ? { kind: 'none' } : completionOf(value, description, argChoices),
    defaultText: shown,
  };
}

function completionOf(name: string, text: string, choices: readonly string[] | undefined): Completion {
  if (choices !== undefined) return { kind: 'words', words: choices };
  if (/name of (the|a) (running )?machine/.test(text)) return { kind: 'machines' };
  return /file|folder|path|image|iso|\.png/i.test(name) ? { kind: 'files' } : { kind: 'none' };
}
