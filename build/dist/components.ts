/** The npm packages that end up inside the application: who they are, under which licence, and whether that may be. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../tasks/run.ts';

const mit = `
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions: The above copyright notice and this permission notice shall be included in all copies or substantial portions
of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR
ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`;

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
  readonly author?: string | { readonly name: string };
}

/** What is known of the package in `folder`, from the root. Throws Error when it has no licence text, or one that may not be bundled. */
export function componentOf(folder: string): Component {
  const { name, version, license, author } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
  const title = `${name} ${version}`;
  if (typeof license !== 'string') throw new Error(`${title}: its package.json names no licence`);
  if (!isCompatible(license))
    throw new Error(`${title}: licence ${license} is not known to be compatible; see build/dist/components.ts`);
  const file = readdirSync(join(root, folder)).find((entry) => /^(licen[cs]e|copying)(\.(md|txt))?$/i.test(entry));
  const text = file === undefined ? writtenOut(title, license, author) : readFileSync(join(root, folder, file), 'utf8');
  return { name, version, licence: license, text: text.trim(), integrity: lockedPackages()[folder]?.integrity };
}

function lockedPackages(): Readonly<Record<string, { readonly integrity?: string }>> {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
}

/** The MIT licence of a package that names it and its author and brings no file: https://spdx.org/licenses/MIT.html. */
function writtenOut(title: string, licence: string, author: Manifest['author']): string {
  const holder = typeof author === 'object' ? author.name : author;
  if (licence !== 'MIT' || !holder) {
    throw new Error(`${title}: brings no licence text, so its notice cannot be given; use another package or another version`);
  }
  return `Copyright (c) ${holder}\n\n${mit.trim()}`;
}

/** All notices as one text. */
export function noticesText(components: readonly Component[]): string {
  const parts = components.map(
    ({ name, version, licence, text }) => `${name} ${version} (${licence})\n${'-'.repeat(72)}\n${text}\n`,
  );
  const heading = 'Rootmode contains the following packages, each under its own licence.\n';
  return [heading, ...parts].join('\n');
}
