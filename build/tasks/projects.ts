/**
 * The TypeScript projects, one per layer, computed from the table of layers on every run, so that they cannot be out of date.
 * A layer sees only the declarations of the layers it may import and only the globals of its platform; everything else does not compile.
 */
// As a whole: vitest.config.ts is loaded by the machine's own Node first, and Node 20 has no globSync that could be imported by name.
import * as fs from 'node:fs';
import { join, relative } from 'node:path';
import { importsOf, type Layer, layers, layersInside, type Platform, testFiles } from '../layers.ts';
import { root } from './run.ts';

/** Folder of the generated projects, from the root. */
export const projectFolder = '.out/typescript';

interface Project {
  readonly name: string;
  readonly platform: Platform;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly references: readonly string[];
  /** Tests run on Node, whatever they test. */
  readonly isTest?: true;
}

function projectName(layer: Layer): string {
  return layer.folder === 'engine' ? 'roots' : layer.folder.replaceAll('/', '-');
}

function sourcesOf(layer: Layer): Pick<Project, 'include' | 'exclude'> {
  // The roots say the program's version, which stands in package.json.
  const include =
    layer.folder === 'engine'
      ? ['engine/*.ts', 'package.json']
      : [`${layer.folder}/**/*.ts`, ...(layer.platform === 'page' ? [`${layer.folder}/**/*.vue`] : [])];
  const inner = layer.folder === 'engine' ? [] : layersInside(layer.folder).map((other) => `${other.folder}/**`);
  return { include, exclude: [...testFiles, ...inner] };
}

/** Projects of the folders that exist; an empty or missing folder is no project, and nobody refers to it. */
export function projects(base: string = root): readonly Project[] {
  const present = layers.filter((layer) => {
    const { include, exclude } = sourcesOf(layer);
    return fs.globSync([...include], { cwd: base, exclude: [...exclude] }).length > 0;
  });
  const program = present.map((layer) => ({
    name: projectName(layer),
    platform: layer.platform,
    ...sourcesOf(layer),
    references: importsOf(layer)
      .filter((other) => present.includes(other))
      .map(projectName),
  }));
  const engine = present.filter((layer) => layer.platform !== 'page').map(projectName);
  const tests = (folder: string) => testFiles.map((pattern) => pattern.replace('**/', `${folder}/**/`));
  const proof: Project = {
    name: 'tests-and-build',
    platform: 'node',
    include: ['build/**/*.ts', '*.ts', ...tests('engine'), ...tests('electron')],
    exclude: ['build/types/**'],
    references: engine,
  };
  const pages = present.filter(({ folder }) => folder === 'renderer').map(projectName);
  const proofOfPages: Project = {
    name: 'tests-of-pages',
    platform: 'page',
    isTest: true,
    include: tests('renderer'),
    exclude: [],
    references: [...engine, ...pages],
  };
  return [...program, proof, ...(pages.length > 0 ? [proofOfPages] : [])];
}

function compilerOptions(project: Project): Record<string, unknown> {
  return {
    rootDir: '../..',
    outDir: './declarations',
    tsBuildInfoFile: `./${project.name}.tsbuildinfo`,
    types: project.platform === 'node' || project.isTest ? ['node'] : [],
    // A page's modules are resolved by its bundler.
    ...(project.platform === 'page' && { module: 'esnext', moduleResolution: 'bundler' }),
    lib: project.platform === 'page' ? ['ES2024', 'DOM', 'DOM.Iterable'] : ['ES2024'],
  };
}

function globalTypes(platform: Platform): readonly string[] {
  if (platform === 'page') return ['build/types/page.d.ts'];
  return platform === 'node' ? ['build/types/webassembly.d.ts'] : ['build/types/webassembly.d.ts', 'build/types/encoding.d.ts'];
}

function writeIfChanged(path: string, text: string): void {
  let before = '';
  try {
    before = fs.readFileSync(path, 'utf8');
  } catch {
    // Not there yet: written below.
  }
  if (before !== text) fs.writeFileSync(path, text);
}

/** Write the projects and the one that refers to them all; returns the path of the latter. */
export function writeProjects(): string {
  const folder = join(root, projectFolder);
  fs.mkdirSync(folder, { recursive: true });
  const current = projects();
  const fromFolder = (path: string) => relative(projectFolder, path);
  for (const project of current) {
    const config = {
      extends: fromFolder('tsconfig.base.json'),
      compilerOptions: compilerOptions(project),
      files: globalTypes(project.platform).map(fromFolder),
      include: project.include.map(fromFolder),
      exclude: project.exclude.map(fromFolder),
      references: project.references.map((name) => ({ path: `./${name}.json` })),
    };
    writeIfChanged(join(folder, `${project.name}.json`), `${JSON.stringify(config, null, 2)}\n`);
  }
  const kept = new Set(current.map((project) => `${project.name}.json`));
  for (const file of fs.globSync('*.json', { cwd: folder })) {
    if (file !== 'tsconfig.json' && !kept.has(file)) fs.rmSync(join(folder, file));
  }
  const all = { files: [], references: current.map((project) => ({ path: `./${project.name}.json` })) };
  const solution = join(folder, 'tsconfig.json');
  writeIfChanged(solution, `${JSON.stringify(all, null, 2)}\n`);
  return solution;
}
