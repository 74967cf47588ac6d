/**
 * `npm run kvm-unit-tests -- FOLDER [--all] [ENTRY...]`: runs built programs of kvm-unit-tests, which lie in FOLDER (a checkout that the
 * user built), and reports against build/kvm-unit-tests.md. Without names the entries that must pass; with `--all` every one.
 * `--accel software` runs them there (default: bare). `--slow N` multiplies the time limits (default 10: an interpreter is no hardware). Exit status 1 when a claim does not hold.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ClaimRow, type KvmUnitEntry, type Outcome, outcomeOf, parseClaims, parseEntries } from './kvm-unit-entries.ts';
import { root } from './run.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    slow: { type: 'string', default: '10' },
    verbose: { type: 'boolean', default: false },
    accel: { type: 'string', default: 'bare' },
  },
});

function refuse(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(2);
}

const [folder, ...names] = positionals;
const { accel } = values;
if (accel !== 'bare' && accel !== 'software') refuse('--accel is bare or software');
if (folder === undefined) refuse('name the folder of a built checkout of kvm-unit-tests');
const list = join(folder, 'x86/unittests.cfg');
if (!existsSync(list)) refuse(`${list} is not there: the folder is not a checkout of kvm-unit-tests`);

const claims = parseClaims(readFileSync(join(root, 'build/kvm-unit-tests.md'), 'utf8'));
const entries = parseEntries(readFileSync(list, 'utf8'));
for (const name of names) if (!entries.some((entry) => entry.name === name)) refuse(`there is no entry ${name}`);

interface Result {
  readonly outcome: Outcome | 'not built';
  readonly output: string;
  readonly seconds: number;
}

/** Models of ours that stand for the `-cpu` options of the entry; see the remarks in the table. */
function modelOf(entry: KvmUnitEntry, row: ClaimRow | undefined): string {
  if (entry.file === 'vmx.flat') return 'x86-64-v2-vmx';
  return row?.remark.includes('--cpu qemu64') === true ? 'qemu64' : 'x86-64-v2';
}

/** Arguments, without the tests that the remark leaves out: `without NAME`, each name in backquotes. The suite's list is shell text. */
function appendOf(entry: KvmUnitEntry, row: ClaimRow | undefined): string {
  const left = [...(row?.remark.matchAll(/without `(\w+)`/g) ?? [])].map(([, name]) => `-${name}`);
  return [entry.append.replace('`date +%s`', String(Math.floor(Date.now() / 1000))), ...left].join(' ');
}

const scratch = mkdtempSync(join(tmpdir(), 'rootmode-kvm-unit-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** The suite reads its environment from a module; ours says what the remark in the table says. */
function environmentOf(entry: KvmUnitEntry, row: ClaimRow | undefined): readonly string[] {
  // There the APIC's programs find the hypercalls that `bare` does not have.
  if (accel === 'software' && entry.file === 'apic.flat') return [];
  if (row?.remark.includes('TEST_DEVICE=0') !== true) return [];
  const file = join(scratch, 'environment');
  writeFileSync(file, 'TEST_DEVICE=0\n');
  return ['--initrd', file];
}

function runEntry(entry: KvmUnitEntry, row: ClaimRow | undefined): Result {
  const program = join(folder ?? '', 'x86', entry.file);
  if (!existsSync(program)) return { outcome: 'not built', output: '', seconds: 0 };
  const started = performance.now();
  const size = ['--memory', String(entry.memoryMiB), '--cpus', String(entry.vcpus), '--cpu', modelOf(entry, row)];
  const exit = ['--debug-exit', '--no-reboot', '--accel', accel];
  const { status, stdout, stderr, error } = spawnSync(
    join(root, 'build/cli/rootmode'),
    ['run', '--kernel', program, '--append', appendOf(entry, row), ...environmentOf(entry, row), ...size, ...exit],
    {
      timeout: Math.ceil(entry.timeout * Number(values.slow) * 1000),
      killSignal: 'SIGKILL',
      encoding: 'utf8',
      input: '',
      maxBuffer: 256 << 20,
    },
  );
  const seconds = (performance.now() - started) / 1000;
  const timedOut = error !== undefined && 'code' in error && error.code === 'ETIMEDOUT';
  return { outcome: timedOut ? 'timeout' : outcomeOf({ status, stderr }), output: stdout + stderr, seconds };
}

const counts = { held: 0, broken: 0, passing: 0 };
for (const entry of entries) {
  const row = claims.get(entry.name);
  const claim = row?.[accel] ?? 'not in the table';
  const chosen = names.length > 0 ? names.includes(entry.name) : values.all || claim === 'must pass';
  if (!chosen) continue;
  const { outcome, output, seconds } = runEntry(entry, row);
  process.stdout.write(`${outcome.padEnd(9)} ${entry.name.padEnd(42)} ${seconds.toFixed(1).padStart(6)} s  ${claim}\n`);
  if (values.verbose) process.stdout.write(output);
  else if (outcome !== 'passed') {
    const failures = output.split('\n').filter((line) => /^(FAIL|ABORT|Unhandled)|rootmode:/.test(line));
    for (const line of failures.slice(0, 8)) process.stdout.write(`          ${line}\n`);
  }
  if (claim === 'must pass') counts[outcome === 'passed' ? 'held' : 'broken'] += 1;
  else if (outcome === 'passed') counts.passing += 1;
}
process.stdout.write(
  `${counts.held} of ${counts.held + counts.broken} claims hold; ${counts.passing} entries pass that are not claimed\n`,
);
process.exitCode = counts.broken > 0 ? 1 : 0;
