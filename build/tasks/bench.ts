/**
 * `npm run bench [-- NAME...] [--runs N]`: measures what SPECIFICATION.md promises and compares with build/budgets.json.
 * Every figure is the median of N runs (default 3) with the spread beside it. Exit status 1 when one is above its budget.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measurements } from '../benches/measurements.ts';
import { root } from './run.ts';

interface Budget {
  readonly atMost: number;
  readonly unit: string;
  readonly what: string;
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { runs: { type: 'string', default: '3' } } });
const budgets = JSON.parse(readFileSync(join(root, 'build/budgets.json'), 'utf8')) as Record<string, Budget>;
const runs = Number(values.runs);
const unknown = positionals.filter((name) => budgets[name] === undefined);
if (unknown.length > 0 || !(runs >= 1)) {
  process.stderr.write(`usage: npm run bench [-- --runs N] [${Object.keys(budgets).join('|')}]...\n`);
  process.exit(2);
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

process.stdout.write(`${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.versions.node}\n`);
let over = 0;
for (const [name, { atMost, unit, what }] of Object.entries(budgets)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const measure = measurements[name];
  if (measure === undefined) throw new Error(`budgets.json names ${name}, which nothing measures`);
  const found: number[] = [];
  let skip: string | undefined;
  for (let run = 0; run < runs && skip === undefined; run += 1) {
    const result = await measure();
    if (typeof result === 'string') skip = result;
    else found.push(result);
  }
  if (skip !== undefined) {
    process.stdout.write(`skipped  ${name}: ${skip}\n`);
    continue;
  }
  found.sort((one, other) => one - other);
  const value = median(found);
  const ok = value <= atMost;
  if (!ok) over += 1;
  const spread = `${(found[0] ?? 0).toFixed(2)} to ${(found.at(-1) ?? 0).toFixed(2)}`;
  process.stdout.write(
    `${ok ? 'ok      ' : 'TOO HIGH'} ${name}: ${value.toFixed(2)} ${unit} (${spread}; budget ${atMost}) - ${what}\n`,
  );
}
process.exitCode = over > 0 ? 1 : 0;
