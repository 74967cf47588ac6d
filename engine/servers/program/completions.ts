/** Completion scripts for bash, zsh and fish. Names of machines are asked of the program itself when they are needed. */
import { type CommandShape, type Completion, everyCommand, type OptionShape } from './shape.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

export function completionScript(shell: Shell, program: CommandShape): string {
  switch (shell) {
    case 'bash':
      return bash(program);
    case 'zsh':
      return zsh(program);
    case 'fish':
      return fish(program);
  }
}

/** Prints the names of the machines in the library, a line each. */
const NAMES = "rootmode list 2>/dev/null | sed '1d; s/[[:space:]].*//'";

function bash(program: CommandShape): string {
  const commands = everyCommand(program);
  const verbs = commands.filter(({ commands: below }) => below.length > 0);
  return `# bash completion for rootmode
_rootmode() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= operands=0 index word
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    case "$command/$word" in
${verbs.map(({ path, commands: below }) => below.map(({ path: [...own] }) => `      ${key(path)}/${own.at(-1)}) command='${key(own)}' ;;`).join('\n')).join('\n')}
      */-*) ;;
      *) operands=$((operands + 1)) ;;
    esac
  done
  case "$command $previous" in
${commands.map(bashValues).filter(Boolean).join('\n')}
  esac
  case "$command $current" in
${commands.map((command) => `    '${key(command.path)} '-*) COMPREPLY=($(compgen -W '${command.options.map(({ long }) => long).join(' ')}' -- "$current")); return ;;`).join('\n')}
  esac
  case "$command" in
${commands.map(bashOperands).join('\n')}
  esac
}
complete -F _rootmode rootmode
`;
}

function key(path: readonly string[]): string {
  return path.join(' ');
}

function bashValues({ path, options }: CommandShape): string {
  return options
    .filter(({ takesValue }) => takesValue)
    .map(({ long, completion }) => `    '${key(path)} ${long}') ${bashReply(completion)}; return ;;`)
    .join('\n');
}

function bashOperands({ path, operands, commands }: CommandShape): string {
  if (commands.length > 0) {
    return `    '${key(path)}') COMPREPLY=($(compgen -W '${commands.map(({ path: own }) => own.at(-1)).join(' ')}' -- "$current")) ;;`;
  }
  const cases = operands.map(({ completion }, index) => `${index}) ${bashReply(completion)} ;;`).join(' ');
  return `    '${key(path)}') ${cases === '' ? ':' : `case $operands in ${cases} esac`} ;;`;
}

function bashReply(completion: Completion): string {
  switch (completion.kind) {
    case 'files':
      return 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$current"))';
    case 'machines':
      return `COMPREPLY=($(compgen -W "$(${NAMES})" -- "$current"))`;
    case 'words':
      return `COMPREPLY=($(compgen -W '${completion.words.join(' ')}' -- "$current"))`;
    case 'none':
      return 'COMPREPLY=()';
  }
}

function zsh(program: CommandShape): string {
  const functions = everyCommand(program).map((command) =>
    command.commands.length > 0 ? zshVerbs(command) : zshCommand(command),
  );
  return `#compdef rootmode
_rootmode_machines() {
  local -a names
  names=(\${(f)"$(${NAMES})"})
  compadd -a names
}
${functions.join('')}${zshName(program.path)} "$@"
`;
}

function zshName(path: readonly string[]): string {
  return ['_rootmode', ...path].join('_').replaceAll('-', '_');
}

function zshVerbs({ path, commands }: CommandShape): string {
  const list = commands.map(({ path: own, text }) => `    '${own.at(-1)}:${zshText(text)}'`).join('\n');
  const cases = commands.map(({ path: own }) => `    ${own.at(-1)}) ${zshName(own)} ;;`).join('\n');
  return `${zshName(path)}() {
  local line state
  local -a commands
  commands=(
${list}
  )
  _arguments -C '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest) case $line[1] in
${cases}
    esac ;;
  esac
}
`;
}

function zshCommand({ path, options, operands, operandText }: CommandShape): string {
  const lines = options.map(
    ({ long, text, takesValue, completion }) =>
      `'*${long}[${zshText(text).replaceAll(/[[\]]/g, '\\$&')}]${takesValue ? `:value:${zshAction(completion)}` : ''}'`,
  );
  const places = operands.map(({ name, completion }, index) => {
    const place = operandText.includes(`${name}...`) ? '*' : `${index + 1}`;
    return `'${place}:${name}:${zshAction(completion)}'`;
  });
  return `${zshName(path)}() {\n  _arguments \\\n    ${[...lines, ...places].join(' \\\n    ')}\n}\n`;
}

function zshText(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(':', '\\:');
}

function zshAction(completion: Completion): string {
  switch (completion.kind) {
    case 'files':
      return '_files';
    case 'machines':
      return '_rootmode_machines';
    case 'words':
      return `(${completion.words.join(' ')})`;
    case 'none':
      return ' ';
  }
}

function fish(program: CommandShape): string {
  const lines = everyCommand(program).flatMap((command) => [
    ...command.commands.map(({ path, text }) => fishLine(command, ['-f', '-a', `'${path.at(-1)}'`, '-d', fishText(text)])),
    ...command.options.map((option) => fishLine(command, fishOption(option))),
    ...[...new Set(command.operands.map(({ completion }) => fishValue(completion)))]
      .filter((value) => value !== '-f')
      .map((value) => fishLine(command, [value])),
  ]);
  return `# fish completion for rootmode\nfunction __rootmode_machines; ${NAMES}; end\ncomplete -c rootmode -f\n${lines.join('\n')}\n`;
}

function fishLine({ path, commands }: CommandShape, words: readonly string[]): string {
  return `complete -c rootmode -n '${fishCondition(path, commands)}' ${words.join(' ')}`;
}

function fishCondition(path: readonly string[], commands: readonly CommandShape[]): string {
  if (path.length === 0) return '__fish_use_subcommand';
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const below = commands.map(({ path: own }) => own.at(-1)).join(' ');
  return [...seen, ...(below === '' ? [] : [`not __fish_seen_subcommand_from ${below}`])].join('; and ');
}

function fishOption({ long, text, takesValue, completion }: OptionShape): string[] {
  return ['-l', long.replace(/^-+/, ''), '-d', fishText(text), ...(takesValue ? ['-r', fishValue(completion)] : [])];
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function fishValue(completion: Completion): string {
  switch (completion.kind) {
    case 'files':
      return '-F';
    case 'machines':
      return "-f -a '(__rootmode_machines)'";
    case 'words':
      return `-f -a '${completion.words.join(' ')}'`;
    case 'none':
      return '-f';
  }
}
