import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { writeProjects } from './build/tasks/projects.ts';
import { SummaryReporter } from './build/tasks/test-reporter.ts';

// Started by hand with an older node on PATH, vitest starts again on the pinned one: tests need Node 24 for .ts workers.
if (Number.parseInt(process.versions.node, 10) < 24) {
  const pinned = join(import.meta.dirname, 'node_modules/node/bin/node');
  const { status } = spawnSync(pinned, process.argv.slice(1), { stdio: 'inherit' });
  process.exit(status ?? 1);
}

// Two workers: the machines this runs on are small, and several suites start threads themselves.
// `*.long.test.ts` (booting kernels, all recorded vectors) run with `npm test` only; the others also with `npm run check`.
const folders = '{engine,electron,renderer,build}';
const shared = { environment: 'node', pool: 'forks', hookTimeout: 60_000 } as const;

// The transformer follows the references of tsconfig.json, which a fresh checkout does not have yet.
writeProjects();

const summary = process.env.ROOTMODE_TEST_SUMMARY;

export default defineConfig({
  test: {
    reporters: ['default', ...(summary === undefined ? [] : [new SummaryReporter({ path: summary })])],
    maxWorkers: 2,
    passWithNoTests: true,
    coverage: { reportsDirectory: 'coverage' },
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: [`${folders}/**/*.test.ts`],
          exclude: ['**/node_modules/**', '**/*.long.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'long',
          include: [`${folders}/**/*.long.test.ts`],
          testTimeout: 300_000,
          // What a page shows, on a machine that is busy with other tests.
          expect: { poll: { timeout: 15_000 } },
        },
      },
    ],
  },
});
