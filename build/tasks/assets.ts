/**
 * Our own machine code: guests (assets/guests) and firmware (assets/firmware). Assembles *.asm with nasm and keeps the built bytes beside
 * them, so that no machine needs nasm. `node build/tasks/assets.ts` builds, `--check` only says whether the bytes are current. Without
 * nasm, `--check` still compares the checksums of sources and bytes with the folder's built.json, which a build writes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fontFiles } from './fonts.ts';
import { root } from './run.ts';

/** Folders below assets/, with files that are made of sources before assembling. */
export const folders = ['guests', 'firmware'] as const;
export type AssetFolder = (typeof folders)[number];
const GLYPHS = 'glyphs.txt';
const SOURCE = /\.(asm|inc|txt)$/;
const TRACKED = /\.(asm|inc|txt|bin)$/;

interface Built {
  readonly origin: string;
  readonly licence: string;
  readonly assembler: string;
  /** SHA-256 of every source and of every built file, by file name. */
  readonly files: Readonly<Record<string, string>>;
}

export const folderOf = (name: AssetFolder): string => join(root, 'assets', name);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const sources = (folder: string): string[] => readdirSync(folder).filter((name) => SOURCE.test(name));
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

/** Every built file of a folder, freshly made. */
export function assemble(name: AssetFolder): ReadonlyMap<string, Buffer> {
  const folder = folderOf(name);
  const scratch = mkdtempSync(join(tmpdir(), 'rootmode-assets-'));
  try {
    for (const source of sources(folder)) copyFileSync(join(folder, source), join(scratch, source));
    if (existsSync(join(folder, GLYPHS))) {
      for (const [file, bytes] of fontFiles(readFileSync(join(folder, GLYPHS), 'utf8')))
        writeFileSync(join(scratch, file), bytes);
    }
    return new Map(
      sources(folder)
        .filter((source) => source.endsWith('.asm'))
        .map((source) => {
          execFileSync('nasm', ['-f', 'bin', '-Werror', '-o', binary(source), source], { cwd: scratch });
          return [binary(source), readFileSync(join(scratch, binary(source)))];
        }),
    );
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** What is not as built.json says; empty when everything is current. */
export function staleFiles(name: AssetFolder): string[] {
  const folder = folderOf(name);
  const { files } = JSON.parse(readFileSync(join(folder, 'built.json'), 'utf8')) as Built;
  const present = readdirSync(folder).filter((file) => TRACKED.test(file));
  const changed = present.filter((file) => files[file] !== sha256(readFileSync(join(folder, file))));
  return [...changed, ...Object.keys(files).filter((file) => !present.includes(file))];
}

function build(name: AssetFolder): void {
  const version = assembler();
  if (version === undefined) throw new Error('nasm is not installed; on Debian: apt-get install nasm');
  const folder = folderOf(name);
  const files: Record<string, string> = {};
  for (const [file, bytes] of assemble(name)) {
    writeFileSync(join(folder, file), bytes);
    files[file] = sha256(bytes);
  }
  for (const file of sources(folder)) files[file] = sha256(readFileSync(join(folder, file)));
  const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
  const built: Built = { origin: 'written for Rootmode', licence: 'Apache-2.0', assembler: version, files: sorted };
  writeFileSync(join(folder, 'built.json'), `${JSON.stringify(built, null, 2)}\n`);
}

if (import.meta.main) {
  for (const name of folders) {
    if (!process.argv.includes('--check')) build(name);
    const stale = staleFiles(name);
    if (stale.length === 0) continue;
    console.error(`Not current in assets/${name}: ${stale.join(', ')}; run node build/tasks/assets.ts where nasm is installed.`);
    process.exitCode = 1;
  }
}
