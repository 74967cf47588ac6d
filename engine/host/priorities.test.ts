import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

/** In a process of its own: threads do not get their shares back. */
const PROGRAM = `
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
const { stepBehind } = await import(process.argv[1]);
const before = getPriority();
stepBehind();
const threads = readdirSync('/proc/self/task').map((task) => ({
  name: readFileSync('/proc/self/task/' + task + '/comm', 'utf8').trim(),
  behind: getPriority(Number(task)) - before,
}));
console.log(JSON.stringify(threads));
`;

describe.runIf(process.platform === 'linux')('threads of a process', () => {
  it('those of V8 step behind, the others stay', () => {
    const module = new URL('./priorities.ts', import.meta.url).href;
    const words = ['--input-type=module', '--eval', PROGRAM, module];
    const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
    expect(stderr).toBe('');
    const threads = JSON.parse(stdout) as { name: string; behind: number }[];
    const [helpers, others] = [true, false].map((helps) => threads.filter(({ name }) => (name === 'V8Worker') === helps));
    expect(helpers?.length).toBeGreaterThan(0);
    expect(new Set(helpers?.map(({ behind }) => behind))).toEqual(new Set([5]));
    expect(new Set(others?.map(({ behind }) => behind))).toEqual(new Set([0]));
  });
});
