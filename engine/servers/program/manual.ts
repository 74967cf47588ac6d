/** The manual page as roff for man(1), written with the macros of man(7). */
import { entry, escaped, type PageFacts, quoted, sentence } from './roff.ts';
import { type CommandShape, everyCommand, type OptionShape } from './shape.ts';

export function manualPage(program: CommandShape, { version, date }: PageFacts): string {
  return [
    `.TH ROOTMODE 1 "${date}" "Rootmode ${version}" "User Commands"`,
    '.SH NAME',
    'rootmode \\- runs virtual machines and looks into the hypervisor while they work',
    '.SH SYNOPSIS',
    '.B rootmode',
    '.I COMMAND',
    '[\\fIOPTION\\fR...] [\\fIARGUMENT\\fR...]',
    '.SH DESCRIPTION',
    `${escaped(program.text)}`,
    'It needs no privileges: the processor that runs the guests, VMX included, is part of the program.',
    '.PP',
    'Each command says what it takes with',
    '.BR \\-\\-help .',
    '.SH COMMANDS',
    ...everyCommand(program)
      .filter(({ path, commands }) => path.length > 0 && commands.length === 0)
      .flatMap(commandLines),
    '.SH ENVIRONMENT',
    ...entry('XDG_DATA_HOME', 'The library of machines is the folder rootmode/machines in it; otherwise in ~/.local/share.'),
    ...entry('XDG_RUNTIME_DIR', 'Sockets of running machines are in the folder rootmode in it.'),
    '.SH EXIT STATUS',
    ...entry('0', 'The command was carried out; for a run, the guest ended as it wanted.'),
    ...entry('1', 'The machine ended otherwise, and the program said how.'),
    ...entry('2', 'The command was refused with a reason; nothing was changed.'),
    '',
  ].join('\n');
}

function commandLines({ path, text, operandText, options }: CommandShape): string[] {
  const operands = operandText === '' ? '' : ` ${operandText}`;
  return [
    `.SS "rootmode ${path.join(' ')}${quoted(operands)}"`,
    sentence(text),
    ...options.filter(({ long }) => long !== '--help').flatMap(optionLines),
  ];
}

function optionLines({ flags, text, defaultText }: OptionShape): string[] {
  const fallback = defaultText === undefined ? '' : ` Default: ${defaultText}.`;
  return entry(flags, `${sentence(text)}${escaped(fallback)}`, { ready: true });
}
