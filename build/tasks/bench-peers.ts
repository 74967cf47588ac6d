/**
 * `npm run bench:peers [-- --runs N] [--clock host|cpu] [--write]`: the programs of assets/guests/peers.asm on Rootmode and on other
 * emulators, in turn, as a table of ratios; `--write` puts it into SPECIFICATION.md. A peer that is not there is named with the reason.
 * Exit status 1 when an emulator calculates something else than the others.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ProgramTime, runPeer } from '../benches/peer-run.ts';
import { peers } from '../benches/peers.ts';
import { root } from './run.ts';

/** A disk that every emulator takes: 4 cylinders, 16 heads, 63 sectors. */
const DISK_BYTES = 4 * 16 * 63 * 512;
const SECONDS = 400;
const [BEGIN, END] = ['<!-- peers: begin (npm run bench:peers -- --write) -->', '<!-- peers: end -->'];

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    clock: { type: 'string', default: 'host' },
    write: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
const clock = values.clock === 'cpu' ? 'processor' : 'host';
if (!(runs >= 1) || !['host', 'cpu'].includes(values.clock)) {
  process.stderr.write('usage: npm run bench:peers [-- --runs N] [--clock host|cpu] [--write]\n');
  process.exit(2);
}

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
};

/** By peer and program, one entry per run. */
const found = new Map<string, Map<string, ProgramTime[]>>();
const skipped: string[] = [];

async function measure(folder: string): Promise<void> {
  const disk = join(folder, 'disk.img');
  const bytes = new Uint8Array(DISK_BYTES);
  bytes.set(readFileSync(join(root, 'assets/guests/peers.bin')));
  writeFileSync(disk, bytes);
  const commands = peers.map((peer) => ({ name: peer.name, command: peer.command({ disk, folder }) }));
  for (const { name, command } of commands) if ('missing' in command) skipped.push(`${name}: ${command.missing}`);
  for (let run = 1; run <= runs; run++) {
    for (const { name, command } of commands) {
      if ('missing' in command) continue;
      try {
        const times = await runPeer(command, SECONDS);
        const kept = found.get(name) ?? new Map<string, ProgramTime[]>();
        found.set(name, kept);
        for (const [program, time] of times) kept.set(program, [...(kept.get(program) ?? []), time]);
        process.stderr.write(`${name}, run ${run} of ${runs}\n`);
      } catch (failure) {
        skipped.push(`${name}, run ${run}: ${(failure as Error).message}`);
      }
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), 'rootmode-peers-'));
try {
  await measure(folder);
} finally {
  rmSync(folder, { recursive: true });
}

const [own] = peers;
const mine = found.get(own?.name ?? '');
if (mine === undefined) throw new Error(`Rootmode itself did not run: ${skipped.join('; ')}`);
const others = peers.slice(1).filter(({ name }) => found.has(name));
const seconds = (name: string, program: string): number =>
  median((found.get(name)?.get(program) ?? []).map((time) => time[clock]));
const rows: string[][] = [];
const ratios = new Map<string, number[]>(others.map(({ name }) => [name, []]));
let wrong = 0;
for (const [program, times] of mine) {
  const hash = times[0]?.hash;
  const time = seconds(own?.name ?? '', program);
  const cells = others.map(({ name }) => {
    const theirs = found.get(name)?.get(program);
    if (theirs === undefined) return '-';
    if (theirs.some((other) => other.hash !== hash)) {
      wrong++;
      return 'other result';
    }
    const ratio = time / seconds(name, program);
    // Processor time is counted in hundredths of a second.
    if (!Number.isFinite(ratio) || ratio <= 0) return 'too short';
    ratios.get(name)?.push(ratio);
    return ratio.toFixed(2);
  });
  rows.push([program, `${(time * 1000).toFixed(0)} ms`, ...cells]);
}
const means = others.map(({ name }) => {
  const list = ratios.get(name) ?? [];
  return Math.exp(list.reduce((sum, ratio) => sum + Math.log(ratio), 0) / list.length).toFixed(2);
});
rows.push(['geometric mean', '', ...means]);
const table = [
  `| program | Rootmode | ${others.map(({ name }) => `over ${name}`).join(' | ')} |`,
  `|---|---|${others.map(() => '---').join('|')}|`,
  ...rows.map((row) => `| ${row.join(' | ')} |`),
].join('\n');
const what = clock === 'host' ? "the host's clock" : 'processor time';
const text = `Time of Rootmode by ${what}, and over that of others (below 1: Rootmode is faster); medians of ${runs} run${runs === 1 ? '' : 's'} in turn.\n\n${table}\n`;
process.stdout.write(text);
for (const line of skipped) process.stdout.write(`skipped  ${line}\n`);
if (values.write) {
  const path = join(root, 'SPECIFICATION.md');
  const specification = readFileSync(path, 'utf8');
  const [before, rest] = specification.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`SPECIFICATION.md lacks ${BEGIN} and ${END}`);
  writeFileSync(path, `${before}${BEGIN}\n\n${text}\n${END}${after}`);
}
process.exitCode = wrong > 0 ? 1 : 0;
