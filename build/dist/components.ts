/** The npm packages that end up inside the application: who they are, under which licence, and whether that may be. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../tasks/run.ts';

export interface Component {
  readonly name: string;
  readonly version: string;
  /** SPDX licence expression. */
  readonly licence: string;
  /** Text of the licence as the package brings it. */
  readonly text: string;
  /** Subresource integrity from the lock file, `sha512-` and Base64. */
  readonly integrity: string | undefined;
}

/** Licences that may be bundled into a program under Apache-2.0: permissive ones, which ask for their notice at most. */
const compatible = new Set([
  'MIT',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'Zlib',
  'Unlicense',
]);

/**
 * Whether a package under `expression` may be bundled. Of alternatives joined by OR one has to be compatible, of those joined by AND all.
 * What is no SPDX expression of this kind is unknown, and unknown is no.
 */
export function isCompatible(expression: string): boolean {
  const words = expression.replace(/^\((.*)\)$/, '$1');
  if (words.includes(' OR ')) return words.split(' OR ').some(isCompatible);
  if (words.includes(' AND ')) return words.split(' AND ').every(isCompatible);
  return compatible.has(words);
}

/** Folders below node_modules that the source files `paths` (from the root) come from: the innermost package of each. */
export function packagesOf(paths: Iterable<string>): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path.replaceAll('\\', '/'))?.[0];
    if (folder !== undefined) found.add(folder);
  }
  return [...found].sort();
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: unknown;
}

/** What is known of the package in `folder`, from the root. Throws Error when it has no licence text, or one that may not be bundled. */
export function componentOf(folder: string): Component {
  const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
  const title = `${name} ${version}`;
  if (typeof license !== 'string') throw new Error(`${title}: its package.json names no licence`);
  if (!isCompatible(license))
    throw new Error(`${title}: licence ${license} is not known to be compatible; see build/dist/components.ts`);
  const file = readdirSync(join(root, folder)).find((entry) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(entry));
  const text = file === undefined ? licenceWithoutFile(title) : readFileSync(join(root, folder, file), 'utf8');
  return { name, version, licence: license, text: text.trim(), integrity: lockedPackages()[folder]?.integrity };
}

function lockedPackages(): Readonly<Record<string, { readonly integrity?: string }>> {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
}

function licenceWithoutFile(title: string): never {
  throw new Error(`${title}: brings no licence text, so its notice cannot be given; use another package or another version`);
}

/** All notices as one text. */
export function noticesText(components: readonly Component[]): string {
  const parts = components.map(
    ({ name, version, licence, text }) => `${name} ${version} (${licence})\n${'-'.repeat(72)}\n${text}\n`,
  );
  const heading = 'Rootmode contains the following packages, each under its own licence.\n';
  return [heading, ...parts].join('\n');
}
