/**
 * The application as every edition carries it: a folder with `out/` (the programs, the interpreter, the window), the assets that the
 * programs name, package.json, the licence, the notices of others and the bill of materials. Nothing in it names a path of the builder.
 */
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { build as buildWindow } from 'vite';
import manifest from '../../package.json' with { type: 'json' };
import { buildAll, bundlePrograms } from '../tasks/bundle.ts';
import { root } from '../tasks/run.ts';
import { type Component, componentOf, noticesText, packagesOf } from './components.ts';
import { billOfMaterials } from './sbom.ts';

export const identity = {
  name: manifest.name,
  version: manifest.version,
  description: manifest.description,
  licence: manifest.license,
} as const;

/** Programs that only the desktop edition starts. */
export const desktopPrograms = ['electron-main.js', 'preload.cjs'];

/** Build the application into `folder`, which is emptied first. Returns what of others is inside. */
export async function stageApplication(folder: string, time: Date): Promise<readonly Component[]> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'out'), { recursive: true });
  await buildAll();
  const out = join(folder, 'out');
  const inputs = await bundlePrograms({ to: out, sourceMaps: false });
  for (const file of ['interpreter.wasm', 'interpreter.json', 'interpreter.code'])
    cpSync(join(root, '.out', file), join(out, file));
  // Made of the same programs, by the Node that the headless editions have.
  for (const file of globSync('*.cjs.code', { cwd: join(root, '.out') })) cpSync(join(root, '.out', file), join(out, file));
  const windowPackages = await stageWindow(join(out, 'renderer'));
  for (const asset of assetsNamedIn(out)) cpSync(join(root, asset), join(folder, asset), { recursive: true, filter: shipped });
  const components = [...new Set([...packagesOf(inputs), ...windowPackages])].sort().map(componentOf);
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  writeFileSync(join(folder, 'THIRD-PARTY-NOTICES.txt'), noticesText(components));
  writeFileSync(join(folder, 'sbom.cdx.json'), billOfMaterials({ ...identity, time }, components));
  const { name, version, description, licence: license } = identity;
  const shape = { name, productName: 'Rootmode', version, description, license, author: 'Rootmode', type: 'module' };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ ...shape, main: 'out/electron-main.js' }, undefined, 2)}\n`);
  return components;
}

/** The window, with the packages that are in it: Vite's own list, which knows what was left out. */
async function stageWindow(to: string): Promise<string[]> {
  const packages = new Set<string>();
  // Whoever starts this, a test as well: otherwise components name their source files.
  process.env['NODE_ENV'] = 'production';
  await buildWindow({
    configFile: join(root, 'vite.config.ts'),
    root: join(root, 'renderer'),
    build: { outDir: to },
    plugins: [
      {
        name: 'packages-of-the-window',
        generateBundle(_options, bundle) {
          for (const chunk of Object.values(bundle)) {
            if (chunk.type !== 'chunk') continue;
            for (const folder of packagesOf(chunk.moduleIds.map(fromRoot))) packages.add(folder);
          }
        },
      },
    ],
  });
  return [...packages];
}

function fromRoot(id: string): string {
  return id.startsWith(root) ? id.slice(root.length + 1) : id;
}

/** Sources of assets stay in the repository: what is shipped is what programs read. */
function shipped(source: string): boolean {
  return !/\.(asm|inc|md)$|built\.json$/.test(source);
}

/** Files and folders that the bundled programs in `out` find relative to themselves (see tasks/bundle.ts), from the root. */
function assetsNamedIn(out: string): string[] {
  const found = new Set<string>();
  for (const file of globSync('*.{js,cjs}', { cwd: out })) {
    const text = readFileSync(join(out, file), 'utf8');
    for (const [, path] of text.matchAll(
      /new URL\(\s*["']\.\.\/([^"']+)["'],\s*(?:import\.meta\.url|__here|__program\.here)\s*\)/g,
    )) {
      const asset = posix.normalize(path as string).replace(/\/$/, '');
      if (!existsSync(join(root, asset))) throw new Error(`${file} names ${asset}, which is not there`);
      found.add(asset);
    }
  }
  return [...found].sort();
}

/** All files below `folder`, sorted, with / between their parts. */
export function filesBelow(folder: string): string[] {
  return globSync('**/*', { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix.join(...fromFolder(folder, entry.parentPath), entry.name))
    .sort();
}

function fromFolder(folder: string, path: string): string[] {
  const rest = path.slice(folder.length).split(/[\\/]/).filter(Boolean);
  return rest.length === 0 ? ['.'] : rest;
}

/** Copy `from` to `to`, making the folders above. */
export function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true });
}
