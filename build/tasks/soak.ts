/**
 * `npm run test:soak [-- --minutes N] [--with "PROGRAM WORDS..."]`: a Linux guest under mixed load, an hour by default. Prints what the
 * machine takes as it goes on; exit status 1 when memory, compiled code or slots of the table of regions still grow after a third of the time,
 * or when the guest calculates something else than in its first round.
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

/** Samples of one run. */
const SAMPLES = 30;
/** What the last third may have above the second: of each figure, and besides. */
const SHARE = 1.05;
const MIB = 2 ** 20;
/** As the JIT has it: bytes of WebAssembly in use, and one turn of the compiler above it. */
const CODE_BYTES = 26 * MIB;
/** Slots of the table of regions. */
const SLOTS = 16_384;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' }, with: { type: 'string' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  process.stderr.write('usage: npm run test:soak [-- --minutes N] [--with "PROGRAM WORDS..."]\n');
  process.exit(2);
}

interface Sample {
  /** MiB of the process without the guest's memory. */
  readonly resident: number;
  readonly counters: Readonly<Record<string, number>>;
}

const FIGURES: readonly { readonly name: string; readonly of: (sample: Sample) => number; readonly besides: number }[] = [
  { name: 'resident MiB', of: ({ resident }) => resident, besides: 8 },
  { name: 'code KiB', of: ({ counters }) => (counters['jit-live-bytes'] ?? 0) / 1024, besides: 512 },
  { name: 'slots', of: ({ counters }) => counters['jit-live'] ?? 0, besides: 200 },
];

function countersOf(name: string): Record<string, number> {
  const text = execFileSync(join(root, 'build/cli/rootmode'), ['stat', '--jit', '--json'], { encoding: 'utf8' });
  const rows = text.split('\n').filter((line) => line !== '');
  const own = rows
    .map((line) => JSON.parse(line) as { name: string; values: Record<string, number> })
    .find((row) => row.name === name);
  if (own === undefined) throw new Error(`stat does not know ${name}`);
  return own.values;
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
const guest = startGuest(['--name', name, '--kernel', guests.kernel, '--initrd', initrd, '--append', append, '--memory', '512']);
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
  for (let i = 1; i <= SAMPLES; i++) {
    const until = start + (i / SAMPLES) * minutes * 60_000;
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
  const third = Math.floor(SAMPLES / 3);
  for (const figure of FIGURES) {
    const most = (part: readonly Sample[]) => Math.max(...part.map(figure.of));
    const [before, after] = [most(samples.slice(third, 2 * third)), most(samples.slice(2 * third))];
    process.stdout.write(`${figure.name}: at most ${before.toFixed(0)} in the second third, ${after.toFixed(0)} in the last\n`);
    if (after > before * SHARE + figure.besides)
      failures.push(`${figure.name} grow: ${before.toFixed(0)}, then ${after.toFixed(0)}`);
  }
  for (const { counters } of samples) {
    if ((counters['jit-live-bytes'] ?? 0) > CODE_BYTES) failures.push('there is more code than the budget allows');
    if ((counters['jit-live'] ?? 0) >= SLOTS) failures.push('the table of regions is full');
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
