/**
 * Our own guests: assembles assets/guests/*.asm with nasm and keeps the built bytes beside them, so that no machine needs nasm.
 * `node build/tasks/assets.ts` builds, `--check` only says whether the bytes are current. Without nasm, `--check` still compares the
 * checksums of sources and bytes with assets/guests/built.json, which a build writes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const GUESTS = join(import.meta.dirname, '../../assets/guests');
const BUILT = join(GUESTS, 'built.json');

interface Built {
  readonly origin: string;
  readonly licence: string;
  readonly assembler: string;
  /** SHA-256 of every source and of every guest, by file name. */
  readonly files: Readonly<Record<string, string>>;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const sources = (): string[] => readdirSync(GUESTS).filter((name) => /\.(asm|inc)$/.test(name));
const guests = (): string[] => sources().filter((name) => name.endsWith('.asm'));
const binary = (source: string): string => source.replace(/\.asm$/, '.bin');

/** nasm's own version line, undefined where it is not installed. */
export function assembler(): string | undefined {
  try {
    return execFileSync('nasm', ['-v'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .replace(/ compiled.*/, '');
  } catch {
    return undefined;
  }
}

/** Each guest's bytes, freshly assembled. */
export function assemble(): ReadonlyMap<string, Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-guests-'));
  try {
    return new Map(
      guests().map((source) => {
        const out = join(folder, binary(source));
        execFileSync('nasm', ['-f', 'bin', '-Werror', '-o', out, source], { cwd: GUESTS });
        return [binary(source), readFileSync(out)];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What is not as built.json says; empty when everything is current. */
export function staleFiles(): string[] {
  const { files } = JSON.parse(readFileSync(BUILT, 'utf8')) as Built;
  const present = readdirSync(GUESTS).filter((name) => /\.(asm|inc|bin)$/.test(name));
  const changed = present.filter((name) => files[name] !== sha256(readFileSync(join(GUESTS, name))));
  return [...changed, ...Object.keys(files).filter((name) => !present.includes(name))];
}

function build(): void {
  const version = assembler();
  if (version === undefined) throw new Error('nasm is not installed; on Debian: apt-get install nasm');
  const files: Record<string, string> = {};
  for (const [name, bytes] of assemble()) {
    writeFileSync(join(GUESTS, name), bytes);
    files[name] = sha256(bytes);
  }
  for (const name of sources()) files[name] = sha256(readFileSync(join(GUESTS, name)));
  const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
  const built: Built = { origin: 'written for Rootmode', licence: 'Apache-2.0', assembler: version, files: sorted };
  writeFileSync(BUILT, `${JSON.stringify(built, null, 2)}\n`);
}

if (import.meta.main) {
  if (!process.argv.includes('--check')) build();
  const stale = staleFiles();
  if (stale.length > 0) {
    console.error(`Not current: ${stale.join(', ')}; run node build/tasks/assets.ts where nasm is installed.`);
    process.exitCode = 1;
  }
}
