/** The pre-commit check: format and lint of the staged files, and the compiler's findings in them. */
import { writeProjects } from './projects.ts';
import { run, tool } from './run.ts';

const { output: names } = await run('git', ['diff', '--cached', '--name-only', '--diff-filter=d', '-z']);
const staged = names.split('\0').filter((name) => name !== '');
let failed = false;

const formatted = staged.filter((name) => /\.(ts|js|json|vue)$/.test(name));
if (formatted.length > 0) {
  const biome = await tool('@biomejs/biome/bin/biome', [
    'check',
    '--error-on-warnings',
    '--no-errors-on-unmatched',
    '--files-ignore-unknown=true',
    ...formatted,
  ]);
  if (biome.code !== 0) {
    failed = true;
    process.stderr.write(biome.output);
  }
}

if (staged.some((name) => /\.(ts|vue)$/.test(name))) {
  const compiler = await tool('vue-tsc/bin/vue-tsc.js', ['--build', writeProjects(), '--pretty', 'false']);
  const own = compiler.output.split('\n').filter((line) => staged.includes(line.split('(', 1)[0] ?? ''));
  if (own.length > 0) {
    failed = true;
    process.stderr.write(`${own.join('\n')}\n`);
  }
}
process.exitCode = failed ? 1 : 0;
