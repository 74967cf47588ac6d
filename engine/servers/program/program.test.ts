import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Argument, Command, Option } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { completionScript } from './completions.ts';
import { manualPage } from './manual.ts';
import { shapeOf } from './shape.ts';

function program(): Command {
  const top = new Command('rootmode').description('Runs machines.').version('1.2.3');
  top
    .command('run')
    .description("boot a machine's disk")
    .option('--kernel <file>', 'image to start')
    .option('--memory <MiB>', 'guest memory', '512')
    .addOption(new Option('--mode <mode>', 'how').choices(['fast', 'slow']));
  top.command('regs').description('show registers').argument('<name>', 'name of the machine');
  const image = top.command('image').description('disk images');
  image.command('create').description('make one').argument('<file>', 'where').option('--format <format>', 'kind');
  image
    .command('convert')
    .description('make one of another')
    .addArgument(new Argument('<how>', 'quality').choices(['small', 'quick']));
  return top;
}

const shape = shapeOf(program());

/** What bash offers for the last of `words`. */
function offered(...words: readonly string[]): string[] {
  const lines = [
    completionScript('bash', shape),
    "rootmode() { printf 'name state\\nalpha off\\nbeta off\\n'; }",
    'compopt() { :; }',
    `COMP_WORDS=(${['rootmode', ...words].map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}`,
    '_rootmode; for word in "$' + '{COMPREPLY[@]}"; do echo "$word"; done',
  ];
  const { stdout, stderr, status } = spawnSync('bash', ['-c', lines.join('\n')], { encoding: 'utf8', cwd: import.meta.dirname });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout.split('\n').filter(Boolean).sort();
}

const missing = (shell: string) => spawnSync(shell, ['--version']).error !== undefined;

describe('completion in bash', () => {
  it.each([
    { words: [''], expected: ['image', 'regs', 'run'] },
    { words: ['r'], expected: ['regs', 'run'] },
    { words: ['run', '--m'], expected: ['--memory', '--mode'] },
    { words: ['run', '--mode', ''], expected: ['fast', 'slow'] },
    { words: ['run', '--kernel', 'man'], expected: ['manual.ts'] },
    { words: ['run', '--memory', ''], expected: [] },
    { words: ['regs', ''], expected: ['alpha', 'beta'] },
    { words: ['regs', 'al'], expected: ['alpha'] },
    { words: ['image', ''], expected: ['convert', 'create'] },
    { words: ['image', 'create', '--f'], expected: ['--format'] },
    { words: ['image', 'create', 'shap'], expected: ['shape.ts'] },
    { words: ['image', 'convert', ''], expected: ['quick', 'small'] },
  ])('offers $expected after $words', ({ words, expected }) => {
    expect(offered(...words)).toEqual(expected);
  });
});

const folder = mkdtempSync(join(tmpdir(), 'rootmode-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(['zsh', 'fish'] as const)('completion in %s', (shell) => {
  const script = completionScript(shell, shape);
  const file = join(folder, shell);
  writeFileSync(file, script);

  it('is a script that the shell accepts', (context) => {
    if (missing(shell)) context.skip(`${shell} is not installed`);
    const { status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('names every command and every option', () => {
    for (const word of ['run', 'regs', 'image', 'create', 'convert', 'kernel', 'memory', 'mode', 'format']) {
      expect(script).toMatch(new RegExp(`\\b${word}\\b`));
    }
  });
});

it.for([
  { line: 'rootmode r', expected: ['regs', 'run'] },
  { line: 'rootmode run --m', expected: ['--memory', '--mode'] },
  { line: 'rootmode run --mode ', expected: ['fast', 'slow'] },
  { line: 'rootmode regs ', expected: ['alpha', 'beta'] },
  { line: 'rootmode image c', expected: ['convert', 'create'] },
  { line: 'rootmode image convert ', expected: ['quick', 'small'] },
])('fish offers $expected after "$line"', ({ line, expected }, context) => {
  if (missing('fish')) context.skip('fish is not installed');
  const script = [
    "function rootmode; printf 'name state\\nalpha off\\nbeta off\\n'; end",
    `source ${join(folder, 'fish')}`,
    `complete -C '${line}'`,
  ];
  const { stdout, stderr } = spawnSync('fish', ['-N', '-c', script.join('\n')], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(
    stdout
      .split('\n')
      .filter(Boolean)
      .map((found) => found.split('\t')[0])
      .sort(),
  ).toEqual(expected);
});

describe('manual page', () => {
  const page = manualPage(shape, { version: '1.2.3', date: '2026-11-28' });

  it('has every command with its options and defaults', () => {
    expect(page).toContain('.SS "rootmode run"');
    expect(page).toContain('.SS "rootmode image create <file>"');
    expect(page).toMatch(/\.B \\-\\-memory <MiB>\nGuest memory\. Default: 512\./);
  });

  it('is accepted by man without a warning', (context) => {
    if (missing('man')) context.skip('man is not installed');
    const { stdout, stderr } = spawnSync('man', ['--warnings', '--encoding=UTF-8', '--local-file', '-'], {
      input: page,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toContain("Boot a machine's disk.");
  });
});
