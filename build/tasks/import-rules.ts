/**
 * The table of layers as rules of dependency-cruiser, and the run of it. There is no list of exempted files.
 */
import { cruise, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';
import { entries } from '../entries.ts';
import { importsOf, type Layer, layers, layersInside, testPattern } from '../layers.ts';

function escaped(path: string): string {
  return path.replaceAll('.', '\\.');
}

/** Pattern of the layer's own files. */
function filesOf(layer: Layer): string {
  if (layer.folder === 'engine') return '^engine/[^/]+$';
  const inner = layersInside(layer.folder).map((other) => `${escaped(other.folder.slice(layer.folder.length + 1))}/`);
  return `^${escaped(layer.folder)}/${inner.length > 0 ? `(?!${inner.join('|')})` : ''}`;
}

function layerRules(layer: Layer): IFlattenedRuleSet['forbidden'] {
  const from = { path: filesOf(layer), pathNot: testPattern };
  const own = [layer, ...importsOf(layer)].map(filesOf);
  const packages = layer.packages.map((name) => `(^|/)node_modules/${name}/`);
  return [
    {
      name: `${layer.folder}: imports a folder it may not know`,
      severity: 'error',
      from,
      to: { path: '^(engine|electron|renderer|build|assets)/', pathNot: own },
    },
    {
      name: `${layer.folder}: imports a package it may not use`,
      severity: 'error',
      from,
      to: { path: '(^|/)node_modules/', pathNot: packages },
    },
    ...(layer.platform === 'node'
      ? []
      : [
          {
            name: `${layer.folder}: imports Node, which only host, servers, manager and the roots may`,
            severity: 'error' as const,
            from,
            to: { dependencyTypes: ['core' as const] },
          },
        ]),
  ];
}

/** All rules. Exported for the tests of the rules themselves. */
export function importRules(): IFlattenedRuleSet {
  const entry = entries.map(({ source }) => `^${escaped(source)}$`);
  return {
    forbidden: [
      { name: 'a cycle of imports', severity: 'error', from: {}, to: { circular: true } },
      {
        name: 'a file that imports nothing and is imported by nothing',
        severity: 'error',
        from: { orphan: true, pathNot: ['\\.d\\.ts$', '^build/', testPattern, ...entry] },
        to: {},
      },
      { name: 'an import that leads nowhere', severity: 'error', from: {}, to: { couldNotResolve: true } },
      {
        name: 'the program imports a test',
        severity: 'error',
        from: { path: '^(engine|electron|renderer)/', pathNot: testPattern },
        to: { path: testPattern },
      },
      {
        name: 'the program or a test of it imports build',
        severity: 'error',
        from: { path: '^(electron|renderer)/' },
        to: { path: '^build/' },
      },
      ...layers.flatMap((layer) => layerRules(layer) ?? []),
    ],
  };
}

export interface Violation {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
}

/** Check the folders below `base` (those of the program and `build`) that exist. */
export async function violations(base: string, folders: readonly string[]): Promise<readonly Violation[]> {
  const { output } = await cruise([...folders], {
    baseDir: base,
    ruleSet: importRules(),
    validate: true,
    tsPreCompilationDeps: true,
    doNotFollow: { path: '(^|/)node_modules/' },
    exclude: { path: '^(build/types|\\.out)/' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.d.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'types'],
    },
  });
  const found = (output as ICruiseResult).summary.violations;
  return found.map(({ rule, from, to }) => ({ rule: rule.name, from, to }));
}
