/**
 * `npm test [-- FILTER...]`: every suite, after building, and after obtaining the guests that some boot and the programs that some ask. Ends
 * with what was skipped and why, and with `N passed, N failed`; exit status 1 unless all that ran passed and something ran.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildAll } from './bundle.ts';
import { obtainGuests } from './guests.ts';
import { root, tool } from './run.ts';
import { type Summary, skipLines, tally } from './summary.ts';
import { missingTools } from './test-tools.ts';

const results = join(root, '.out/test-summary.json');
rmSync(results, { force: true });
await buildAll();
const guests = obtainGuests();
process.stdout.write(typeof guests === 'string' ? `no guests: ${guests}\n` : `guests: ${guests.origin.join(', ')}\n`);

for (const line of missingTools()) process.stdout.write(`${line}\n`);

const filters = process.argv.slice(2);
const { code } = await tool('vitest/vitest.mjs', ['run', ...filters], { show: true, env: { ROOTMODE_TEST_SUMMARY: results } });

let summary: Summary = { passed: 0, failed: 1, skipped: [] };
try {
  summary = JSON.parse(readFileSync(results, 'utf8')) as Summary;
} catch {
  process.stdout.write('the test runner ended without a result\n');
}
for (const line of skipLines(summary)) process.stdout.write(`${line}\n`);
process.stdout.write(`${tally(summary)}\n`);
process.exitCode = code === 0 && summary.failed === 0 && summary.passed > 0 ? 0 : 1;
