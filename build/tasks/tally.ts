/** Last line of `.ci/run`: the counts of the run that ended with the given status. A run without counts is one failure. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.ts';
import { type Summary, tally } from './summary.ts';

const status = Number(process.argv[2] ?? '1');
let counts: Pick<Summary, 'passed' | 'failed'> = { passed: 0, failed: 1 };
try {
  counts = JSON.parse(readFileSync(join(root, '.out/test-summary.json'), 'utf8')) as Summary;
} catch {
  // No summary: installing, building or the test runner itself failed, and said so above.
}
// A run that failed without a failed test (the runner crashed, the time was up) must not read like a success.
const failed = status !== 0 && counts.failed === 0 ? 1 : counts.failed;
process.stdout.write(`${tally({ passed: counts.passed, failed })}\n`);
process.exitCode = failed === 0 ? 0 : 1;
