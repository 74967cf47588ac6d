import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { importsOf, type Layer, layerOf, layers } from './layers.ts';
import { conventionFindings } from './tasks/conventions.ts';
import { violations } from './tasks/import-rules.ts';
import { projects } from './tasks/projects.ts';
import { root } from './tasks/run.ts';

const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true });
});

/** A checkout with only these files; packages are those of the real one. */
function checkout(files: Readonly<Record<string, string>>): string {
  const base = mkdtempSync(join(tmpdir(), 'rootmode-layers-'));
  made.push(base);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(base, path)), { recursive: true });
    writeFileSync(join(base, path), text);
  }
  symlinkSync(join(root, 'node_modules'), join(base, 'node_modules'));
  return base;
}

async function rulesBroken(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  return (await violations(checkout(files), ['engine'])).map(({ rule }) => rule);
}

const value = 'export const one = 1;\n';

describe('the table of layers', () => {
  it('names only folders that are in the table', () => {
    const known = new Set(layers.map((layer) => layer.folder));
    for (const layer of layers) for (const to of layer.imports) expect(known, `${layer.folder} imports ${to}`).toContain(to);
  });

  it('has no cycle', () => {
    const visit = (folder: string, path: readonly string[]): void => {
      expect(path, `cycle ${[...path, folder].join(' > ')}`).not.toContain(folder);
      const layer = layers.find((other) => other.folder === folder);
      for (const to of layer === undefined ? [] : importsOf(layer)) visit(to.folder, [...path, folder]);
    };
    for (const layer of layers) visit(layer.folder, []);
  });

  it('gives a file to the innermost folder', () => {
    expect(layerOf('engine/hypervisor/bare/run.ts')?.folder).toBe('engine/hypervisor/bare');
    expect(layerOf('engine/hypervisor/irqchip/pic.ts')?.folder).toBe('engine/hypervisor');
    expect(layerOf('engine/cli.ts')?.folder).toBe('engine');
    expect(layerOf('build/layers.ts')).toBeUndefined();
  });

  it('keeps back ends apart and their parent ignorant of them', () => {
    const nobody: Layer = { folder: '', platform: 'none', imports: [], packages: [] };
    const of = (folder: string) => importsOf(layers.find((layer) => layer.folder === folder) ?? nobody).map((to) => to.folder);
    expect(of('engine/hypervisor')).not.toContain('engine/hypervisor/bare');
    expect(of('engine/hypervisor/bare')).not.toContain('engine/hypervisor/kvm');
    expect(of('engine/machine')).toContain('engine/hypervisor/bare');
  });
});

describe('import rules', () => {
  it('accept a permitted import', async () => {
    const files = {
      'engine/base/a.ts': value,
      'engine/state/b.ts': "import { one } from '../base/a.ts';\nexport const two = one + 1;\n",
    };
    expect(await rulesBroken(files)).toEqual([]);
  });

  it.each([
    ['upwards', 'engine/base/a.ts', "import { two } from '../state/b.ts';\nexport const one = two;\n", /base: imports a folder/],
    [
      'a type upwards',
      'engine/base/a.ts',
      "import type { two } from '../state/b.ts';\nexport type T = typeof two;\n",
      /base: imports a folder/,
    ],
    ['Node', 'engine/base/a.ts', "import { sep } from 'node:path';\nexport const one = sep;\n", /base: imports Node/],
    ['a package', 'engine/base/a.ts', "import * as z from 'zod';\nexport const one = z;\n", /base: imports a package/],
    ['a test', 'engine/base/a.ts', "import { x } from './x.test.ts';\nexport const one = x;\n", /imports a test/],
    ['nothing there', 'engine/base/a.ts', "import { x } from './gone.ts';\nexport const one = x;\n", /leads nowhere/],
    ['itself through another', 'engine/base/a.ts', "import { c } from './c.ts';\nexport const one = c;\n", /cycle/],
  ])('refuse %s', async (_what, path, text, rule) => {
    const broken = await rulesBroken({
      [path]: text,
      'engine/base/c.ts': "import { one } from './a.ts';\nexport const c = () => one;\n",
      'engine/base/x.test.ts': 'export const x = 1;\n',
      'engine/state/b.ts': 'export const two = 2;\n',
    });
    expect(broken.some((name) => rule.test(name))).toBe(true);
  });

  it('refuse a file nobody needs', async () => {
    expect(await rulesBroken({ 'engine/base/alone.ts': value })).toEqual([expect.stringMatching(/imported by nothing/)]);
  });
});

describe('TypeScript projects', () => {
  it('exist for folders with code and refer to no others', () => {
    const made = projects(
      checkout({ 'engine/base/a.ts': value, 'engine/memory/m.ts': value, 'engine/state/only.test.ts': value }),
    );
    expect(made.map((project) => project.name)).toEqual(['engine-base', 'engine-memory', 'tests-and-build']);
    expect(made.find((project) => project.name === 'engine-memory')?.references).toEqual(['engine-base']);
  });

  it('give Node only to the layers of the table that have it', () => {
    const made = projects(checkout({ 'engine/base/a.ts': value, 'engine/host/h.ts': value }));
    expect(made.map(({ name, platform }) => `${name} ${platform}`)).toEqual([
      'engine-base none',
      'engine-host node',
      'tests-and-build node',
    ]);
  });
});

describe('house rules', () => {
  it.each([
    ['engine/base/utils.ts', value, /says nothing/],
    ['engine/base/clock.ts', 'export const now = () => Date.now();\n', /clock\.ts:1: time and randomness/],
    ['engine/base/README.md', '\n'.repeat(11).replaceAll('\n', 'line\n'), /11 lines, at most 10/],
  ])('find %s', (path, text, finding) => {
    const base = checkout({ 'engine/base/a.ts': value, 'engine/base/README.md': 'Contract.\n', [path]: text });
    expect(conventionFindings(base).filter((line) => finding.test(line))).toHaveLength(1);
  });

  it('allow the clock where the host is', () => {
    const base = checkout({
      'engine/host/clock.ts': 'export const now = () => Date.now();\n',
      'engine/host/README.md': 'Contract.\n',
    });
    expect(conventionFindings(base)).toEqual([]);
  });
});
