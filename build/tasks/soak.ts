/**
 * `npm run test:soak [-- --minutes N] [--code-mib N] [--with "PROGRAM WORDS..."]`: a Linux guest under mixed load, an hour by default.
 * Compiled code may take but 4 MiB of WebAssembly, so that all of it is dropped and made again many times an hour. Prints what the machine
 * takes as it goes on; exit status 1 when memory, compiled code or slots of the table of regions still grow after a third of the time, when
 * code was dropped too seldom to tell, or when the guest calculates something else than in its first round.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startGuest } from '../benches/guest-process.ts';
import { memoryOf, processorSeconds } from '../benches/process-group.ts';
import { ROUND, writeLoad } from '../benches/soak-load.ts';
import { obtainGuests } from './guests.ts';
import { userSpaceMark } from './initramfs.ts';
import { root } from './run.ts';

/** Lines of one run, and looks at the process for each of them. */
const LINES = 30;
const LOOKS = 10;
/** What the last third may have above the second: of each figure, and besides. */
const SHARE = 1.02;
const MIB = 2 ** 20;
/** What code may be beyond its budget: one turn of the compiler. */
const TURN = 2 * MIB;
/** Times that all code must have been dropped in each third. A twentieth of it kept each time is more than the figures above. */
const LEAST_RESETS = 3;
/** Slots of the table of regions. */
const SLOTS = 16_384;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '60' }, 'code-mib': { type: 'string', default: '4' }, with: { type: 'string' } },
});
const minutes = Number(values.minutes);
const codeBytes = Number(values['code-mib']) * MIB;
if (!(minutes > 0 && codeBytes > 0)) {
  process.stderr.write('usage: npm run test:soak [-- --minutes N] [--code-mib N] [--with "PROGRAM WORDS..."]\n');
  process.exit(2);
}

interface Sample {
  /** MiB of the process without the guest's memory. */
  readonly resident: number;
  readonly counters: Readonly<Record<string, number>>;
}

const most = (values: readonly number[]): number => Math.max(...values);
/** Of memory, which goes up and down with code and heaps, the greatest of many looks is a matter of luck. */
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

interface Figure {
  readonly name: string;
  readonly of: (sample: Sample) => number;
  readonly over: (values: readonly number[]) => number;
  readonly besides: number;
}

const FIGURES: readonly Figure[] = [
  { name: 'resident MiB', of: ({ resident }) => resident, over: mean, besides: 4 },
  { name: 'code KiB', of: ({ counters }) => (counters['jit-live-bytes'] ?? 0) / 1024, over: most, besides: 512 },
  { name: 'slots', of: ({ counters }) => counters['jit-live'] ?? 0, over: most, besides: 200 },
];

/** Times in a row that the machine may be too busy to answer. */
const PATIENCE = 5;
let unanswered = 0;
let latest: Record<string, number> = {};

/** Its counters, or those it had last while the host is too busy for it to answer. */
function countersOf(name: string): Record<string, number> {
  try {
    const text = execFileSync(join(root, 'build/cli/rootmode'), ['stat', '--kstat', name], { encoding: 'utf8', stdio: 'pipe' });
    latest = Object.fromEntries(
      [...text.matchAll(/^ +(jit-\S+) +(\d+)$/gm)].map(([, counter, value]) => [counter, Number(value)]),
    );
    unanswered = 0;
  } catch (failure) {
    if (++unanswered > PATIENCE) throw failure;
  }
  return latest;
}

const guests = obtainGuests();
if (typeof guests === 'string') {
  process.stdout.write(`skipped: ${guests}\n`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'rootmode-soak-'));
const initrd = join(folder, 'initrd');
writeLoad(initrd, guests.initrd, values.with);
const name = `soak-${process.pid}`;
const append = 'console=ttyS0 quiet panic=-1';
const guest = startGuest(['--name', name, '--kernel', guests.kernel, '--initrd', initrd, '--append', append, '--memory', '512'], {
  ROOTMODE_CODE_MIB: values['code-mib'],
});
const failures: string[] = [];
try {
  await guest.until(userSpaceMark, 300);
  await guest.until('guest# ', 300);
  guest.type('sh /soak\n');
  const samples: Sample[] = [];
  let rounds = 0;
  let hash: string | undefined;
  const print = (...cells: readonly (string | number)[]) =>
    process.stdout.write(`${cells.map((cell) => String(cell).padStart(9)).join(' ')}\n`);
  print('minute', 'rounds', 'CPU s', 'MiB', 'regions', 'in use', 'code KiB', 'modules', 'resets', 'in JIT %');
  const start = performance.now();
  for (let i = 1; i <= LINES * LOOKS; i++) {
    const until = start + (i / LINES / LOOKS) * minutes * 60_000;
    while (performance.now() < until) await sleep(Math.max(0, Math.min(1000, until - performance.now())));
    for (const [, number = '', found] of guest.heard().matchAll(ROUND)) {
      hash ??= found;
      if (found !== hash) failures.push(`round ${number} has the hash ${found}, the first had ${hash}`);
      rounds = Number(number);
    }
    const { resident, largest } = memoryOf(guest.group);
    const counters = countersOf(name);
    const sample = { resident: (resident - largest) / 1024, counters };
    samples.push(sample);
    if (i % LOOKS !== 0) continue;
    const of = (counter: string) => counters[`jit-${counter}`] ?? 0;
    print(
      ((performance.now() - start) / 60_000).toFixed(1),
      rounds,
      processorSeconds(guest.group).toFixed(0),
      sample.resident.toFixed(0),
      of('regions'),
      of('live'),
      (of('live-bytes') / 1024).toFixed(0),
      of('modules'),
      of('resets'),
      ((100 * of('retired')) / of('all-retired')).toFixed(1),
    );
  }
  const third = Math.floor(samples.length / 3);
  const thirds = [0, 1, 2].map((i) => samples.slice(i * third, (i + 1) * third));
  const [, second = [], last = []] = thirds;
  for (const figure of FIGURES) {
    const [first = 0, before = 0, after = 0] = thirds.map((part) => figure.over(part.map(figure.of)));
    const what = `${figure.name}, ${figure.over.name} of each third`;
    process.stdout.write(`${what}: ${first.toFixed(0)}, ${before.toFixed(0)}, ${after.toFixed(0)}\n`);
    if (after > before * SHARE + figure.besides)
      failures.push(`${figure.name} grow: ${before.toFixed(0)}, then ${after.toFixed(0)}`);
  }
  for (const { counters } of samples) {
    if ((counters['jit-live-bytes'] ?? 0) > codeBytes + TURN) failures.push('there is more code than the budget allows');
    if ((counters['jit-live'] ?? 0) >= SLOTS) failures.push('the table of regions is full');
  }
  for (const part of [second, last]) {
    const resets = (part.at(-1)?.counters['jit-resets'] ?? 0) - (part[0]?.counters['jit-resets'] ?? 0);
    if (resets < LEAST_RESETS) failures.push(`all code was dropped ${resets} times in ${part.length} looks: too seldom to tell`);
  }
  if (rounds < 3) failures.push(`${rounds} rounds in ${minutes} minutes: nothing was compared`);
} finally {
  guest.kill();
  await guest.ended();
  rmSync(folder, { recursive: true });
}
for (const failure of new Set(failures)) process.stdout.write(`FAILED ${failure}\n`);
process.stdout.write(failures.length === 0 ? 'nothing grows\n' : '');
process.exitCode = failures.length === 0 ? 0 : 1;
