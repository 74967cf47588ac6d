/**
 * `npm run check [-- NAME...]`: build, format, lint, layers, types, unused exports, lock files and unit tests; with names, only those.
 * Builds first, because some unit tests run the installed command.
 * Prints one line per check and what the failed ones said; exit status 1 when one failed. Budget: 60 s on two cores.
 */
import { writeProjects } from './projects.ts';
import { type Finished, tool } from './run.ts';

interface Check {
  readonly name: string;
  run(): Promise<Finished>;
}

const vitest = 'vitest/vitest.mjs';
const biome = '@biomejs/biome/bin/biome';

const checks: readonly Check[] = [
  { name: 'build', run: () => tool('../build/tasks/build.ts', []) },
  { name: 'format', run: () => tool(biome, ['format', '--reporter=summary']) },
  { name: 'lint', run: () => tool(biome, ['lint', '--error-on-warnings', '--max-diagnostics=20']) },
  { name: 'layers', run: () => tool('../build/tasks/layers.ts', []) },
  { name: 'types', run: () => tool('vue-tsc/bin/vue-tsc.js', ['--build', writeProjects()]) },
  { name: 'unused', run: () => tool('knip/bin/knip.js', ['--no-progress', '--no-config-hints']) },
  { name: 'locks', run: () => tool('../build/tasks/locks.ts', []) },
  { name: 'unit', run: () => tool(vitest, ['run', '--project', 'unit', '--reporter', 'dot']) },
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !checks.some((check) => check.name === name));
if (unknown.length > 0) {
  process.stderr.write(`no such check: ${unknown.join(', ')}; there are ${checks.map(({ name }) => name).join(', ')}\n`);
  process.exit(2);
}

let failed = 0;
for (const check of checks) {
  if (wanted.length > 0 && !wanted.includes(check.name)) continue;
  const { code, output, seconds } = await check.run();
  process.stdout.write(`${code === 0 ? 'ok    ' : 'FAILED'} ${check.name.padEnd(8)} ${seconds.toFixed(1)} s\n`);
  if (code === 0) continue;
  failed += 1;
  process.stdout.write(`${output.trimEnd()}\n`);
}
process.exitCode = failed > 0 ? 1 : 0;
