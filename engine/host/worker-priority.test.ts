import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

const module = new URL('./worker-priority.ts', import.meta.url).href;

/** In a process of its own: the nice values of V8's threads, and of all others. */
function priorities(before: number): { workers: number[]; others: number[] } {
  const text = `
    import { readdirSync, readFileSync } from 'node:fs';
    import { setPriority } from 'node:os';
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), ${before});
    (await import(${JSON.stringify(module)})).yieldOfWorkers();
    const found = { workers: [], others: [] };
    for (const thread of readdirSync('/proc/self/task')) {
      const stat = readFileSync('/proc/self/task/' + thread + '/stat', 'utf8');
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      (name === 'V8Worker' ? found.workers : found.others).push(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]));
    }
    console.log(JSON.stringify(found));
  `;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' }));
}

it.each([
  [0, 7],
  [5, 12],
  [15, 19],
])("V8's threads of a process at %i run at %i, no other thread does", (before, after) => {
  const { workers, others } = priorities(before);
  expect(workers.length).toBeGreaterThan(0);
  expect(new Set(workers)).toEqual(new Set([after]));
  expect(new Set(others)).toEqual(new Set([before]));
});
