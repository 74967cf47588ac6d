/**
 * The build: generates the interpreter, then bundles the entries into the flat folder `.out/`.
 *
 * Programs find their workers, assets and built files by `new URL('PATH', import.meta.url)`. Bundling moves code, so the path,
 * which is the one from the source file, is rewritten to the place at run time. That a named worker is an entry is checked here.
 */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, parse, posix, relative } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { type Entry, entries } from '../entries.ts';
import { keepCode } from './keep-code.ts';
import { root, run, tool } from './run.ts';

const out = join(root, '.out');
const locator = /new URL\(\s*(['"])(\.{1,2}\/[^'"]+)\1,\s*import\.meta\.url,?\s*\)/g;

/**
 * Rewrite the locators of one source file for the flat folder of built programs.
 *
 * @param path of the file, from the root
 * @throws Error when a TypeScript file is named that is no entry
 */
export function relocate(source: string, path: string): string {
  return source.replace(locator, (_all, _quote, target: string) => {
    const file = posix.normalize(posix.join(posix.dirname(path), target));
    if (file.startsWith('.out/')) return located(`./${file.slice('.out/'.length)}`);
    if (!file.endsWith('.ts')) return located(`../${file}`);
    const entry = entries.find(({ source: known }) => known === file);
    if (entry === undefined) throw new Error(`${path}: names ${file}, which is not in build/entries.ts`);
    return located(`./${entry.output}`);
  });
}

function located(path: string): string {
  return `new URL('${path}', import.meta.url)`;
}

const relocation: Plugin = {
  name: 'relocate',
  setup({ onLoad, onResolve, resolve }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const fromRoot = relative(root, path);
      if (fromRoot.startsWith('node_modules') || !source.includes('import.meta.url')) return undefined;
      return { contents: relocate(source, fromRoot), loader: 'ts' };
    });
    // A module of ours acts by what it exports: of an index, a program takes only what it uses.
    onResolve({ filter: /^\.{1,2}\/.*\.ts$/ }, async ({ path, resolveDir, kind, importer, pluginData }) => {
      if (pluginData === 'resolving') return undefined;
      const resolved = await resolve(path, { resolveDir, kind, importer, pluginData: 'resolving' });
      return { ...resolved, sideEffects: false };
    });
    // Of the manifest, programs ask for the version; the rest is about development.
    onLoad({ filter: /[\\/]package\.json$/ }, ({ path }) => {
      if (path !== join(root, 'package.json')) return undefined;
      const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string };
      return { contents: JSON.stringify({ version }), loader: 'json' };
    });
  },
};

/** Where programs are bundled to, and whether with maps to their sources. */
interface Bundling {
  /** Folder, absolute. */
  readonly to: string;
  readonly sourceMaps: boolean;
}

/** In CommonJS form a file asks Node where it is. */
const hereOfFile = {
  define: { 'import.meta.url': '__here' },
  banner: { js: "'use strict'; const __here = require('node:url').pathToFileURL(__filename).href;" },
} satisfies BuildOptions;

/** The form that engine/host/kept-code.ts takes. */
const keptProgram = {
  define: { 'import.meta.url': '__program.here' },
  banner: { js: "(function (require, module, __program) { 'use strict';" },
  footer: { js: '})' },
} satisfies BuildOptions;

function loaderOf(name: string) {
  return {
    contents: `import { loadProgram } from './engine/host/kept-code.ts'; loadProgram(new URL('./${name}.program.cjs', import.meta.url));`,
    resolveDir: root,
    sourcefile: `${name}.loader.ts`,
    loader: 'ts',
  } satisfies BuildOptions['stdin'];
}

/** Bundle all programs into one flat folder. Returns the source files that went in, from the root. Throws when a step fails. */
export async function bundlePrograms({ to, sourceMaps }: Bundling): Promise<readonly string[]> {
  const every = {
    metafile: true,
    absWorkingDir: root,
    outdir: to,
    bundle: true,
    external: ['electron'],
    legalComments: 'none',
    logLevel: 'warning',
  } satisfies BuildOptions;
  const onNode = {
    ...every,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    sourcemap: sourceMaps ? 'linked' : false,
    plugins: [relocation],
    // Packages in CommonJS form ask for Node's modules by require, which a module file does not have.
    banner: {
      js: "import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);",
    },
  } satisfies BuildOptions;
  const of = (alone: Entry['alone']) =>
    entries.filter((entry) => entry.alone === alone).map(({ source, output }) => ({ in: source, out: parse(output).name }));
  const alone = {
    ...onNode,
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    sourcemap: false,
    banner: {},
  } satisfies BuildOptions;
  const first = { ...alone, ...hereOfFile };
  const builds = await Promise.all([
    // What a command loads only when it needs it stays a file of its own, so that the command line starts at once.
    build({ ...onNode, entryPoints: of(undefined), splitting: true }),
    build({ ...first, entryPoints: of('start') }),
    ...of('kept').map((entry) => build({ ...alone, ...keptProgram, entryPoints: [entry] })),
    ...of('thread').map(({ in: source, out }) =>
      build({ ...alone, ...keptProgram, entryPoints: [{ in: source, out: `${out}.program` }] }),
    ),
    ...of('thread').map(({ out }) => build({ ...first, entryNames: out, stdin: loaderOf(out) })),
    build({
      ...every,
      entryPoints: of('page'),
      outExtension: { '.js': '.cjs' },
      platform: 'browser',
      target: 'chrome140',
      format: 'cjs',
    }),
  ]);
  const files = (side: 'inputs' | 'outputs') => new Set(builds.flatMap(({ metafile }) => Object.keys(metafile[side])));
  const inputs = files('inputs');
  // Chunks of an earlier build go last, so that a program started meanwhile finds what it loads.
  const written = new Set([...files('outputs')].map((path) => basename(path)));
  for (const file of globSync('*.{js,cjs}{,.map}', { cwd: to })) if (!written.has(file)) rmSync(join(to, file));
  return [...inputs].sort();
}

const generator = 'build/tasks/generate-interpreter.ts';
/** What the generated interpreter depends on: its generator with all that it imports. */
const generatorSources = [
  'engine/{base,state,memory,wasm,isa,cpu}/**/*.{ts,json}',
  'engine/host/{machine-code,v8-settings}.ts',
  generator,
  'build/tasks/interpreter*.{ts,json}',
];

function fingerprint(): string {
  const hash = createHash('sha256').update(process.version);
  const files = globSync(generatorSources, { cwd: root, exclude: ['**/*.test.ts'] });
  for (const path of files.sort()) hash.update(`${path}\0`).update(readFileSync(join(root, path)));
  return hash.digest('hex');
}

/** Generate the interpreter unless the one in `.out/` comes from these very sources. */
async function generate(): Promise<void> {
  if (!existsSync(join(root, generator))) return;
  const stamp = join(out, 'interpreter.stamp');
  const now = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === now) return;
  rmSync(stamp, { force: true });
  const { code } = await run(process.execPath, [generator], { show: true });
  if (code !== 0) throw new Error(`${generator} failed with status ${code}`);
  writeFileSync(stamp, now);
}

/** The window, by vite.config.ts. */
async function buildWindow(): Promise<void> {
  const { code } = await tool('vite/bin/vite.js', ['build'], { show: true, env: { NODE_ENV: 'production' } });
  if (code !== 0) throw new Error(`the window was not built: vite failed with status ${code}`);
}

/** Generate and bundle. Throws when a step fails; what was built before stays. */
export async function buildAll(): Promise<void> {
  mkdirSync(out, { recursive: true });
  await generate();
  await bundlePrograms({ to: out, sourceMaps: true });
  await keepCode(out);
  await buildWindow();
}
