/**
 * Who may import whom: the one table behind the import rules, the TypeScript projects and the diagram in ARCHITECTURE.md.
 *
 * An edge to a folder covers everything below that folder. A folder inside another one (`engine/hypervisor/bare`) is a layer of
 * its own: it may import its parent, the parent may not import it.
 */

/** What the code of a layer may know of its surroundings: nothing, Node, or a browser page. */
export type Platform = 'none' | 'node' | 'page';

export interface Layer {
  /** Folder from the root of the checkout. `engine` itself means the composition roots directly in it. */
  readonly folder: string;
  readonly platform: Platform;
  /** Folders it may import. */
  readonly imports: readonly string[];
  /** npm packages it may import. */
  readonly packages: readonly string[];
}

interface Edges {
  readonly imports?: readonly string[];
  readonly packages?: readonly string[];
  readonly platform?: Platform;
}

function engineLayer(name: string, { imports = [], packages = [], platform = 'none' }: Edges = {}): Layer {
  return { folder: `engine/${name}`, platform, imports: imports.map((to) => `engine/${to}`), packages };
}

const engineFolders: readonly Layer[] = [
  engineLayer('contract', { imports: ['base'], packages: ['zod'] }),
  engineLayer('base'),
  engineLayer('state', { imports: ['base'] }),
  engineLayer('wasm'),
  engineLayer('isa', { imports: ['base'] }),
  engineLayer('memory', { imports: ['base', 'state'] }),
  engineLayer('cpu', { imports: ['base', 'state', 'memory', 'wasm', 'isa'] }),
  engineLayer('hypervisor', { imports: ['base', 'state', 'memory'] }),
  engineLayer('hypervisor/processor', { imports: ['base', 'state', 'memory', 'hypervisor', 'cpu'] }),
  engineLayer('hypervisor/bare', { imports: ['base', 'state', 'memory', 'hypervisor', 'hypervisor/processor', 'cpu'] }),
  engineLayer('hypervisor/software', { imports: ['base', 'state', 'memory', 'hypervisor', 'hypervisor/processor', 'cpu'] }),
  engineLayer('hypervisor/kvm', { imports: ['base', 'state', 'memory', 'hypervisor', 'host'] }),
  engineLayer('devices', { imports: ['base', 'state', 'memory'] }),
  engineLayer('block', { imports: ['base'] }),
  engineLayer('net', { imports: ['base'] }),
  engineLayer('firmware', { imports: ['base', 'memory'] }),
  engineLayer('board', { imports: ['base', 'state', 'memory', 'devices', 'hypervisor', 'block', 'net', 'firmware'] }),
  engineLayer('machine', { imports: ['base', 'state', 'memory', 'hypervisor', 'board', 'contract'] }),
  engineLayer('host', { imports: ['base'], platform: 'node' }),
  engineLayer('servers', {
    imports: ['base', 'state', 'isa', 'contract', 'machine', 'host'],
    packages: ['zod', 'commander', 'ws'],
    platform: 'node',
  }),
  engineLayer('manager', { imports: ['base', 'contract', 'host'], packages: ['zod', 'tar'], platform: 'node' }),
];

export const layers: readonly Layer[] = [
  ...engineFolders,
  {
    folder: 'engine',
    platform: 'node',
    imports: engineFolders.map((layer) => layer.folder),
    packages: ['commander', 'zod'],
  },
  {
    folder: 'electron/main',
    platform: 'node',
    imports: ['engine/contract', 'engine/manager', 'engine/servers'],
    packages: ['electron', 'electron-updater'],
  },
  { folder: 'electron/preload', platform: 'page', imports: ['engine/contract'], packages: ['electron'] },
  {
    folder: 'renderer',
    platform: 'page',
    imports: ['engine/contract'],
    packages: [
      ...['vue', 'pinia', 'zod', 'vue-i18n', 'reka-ui', '@xterm/xterm', '@xterm/addon-fit'],
      ...['dockview-vue', 'uplot', '@tanstack/vue-virtual'],
    ],
  },
];

/** Tests and what exists only for tests: not part of the program, so free to import Node, vitest and any layer of the engine. */
export const testFiles = ['**/*.test.ts', '**/conformance/**/*.ts', '**/testing/**/*.ts'] as const;

/** The same as a pattern on paths from the root. */
export const testPattern = '(\\.test\\.ts$|/(conformance|testing)/)';

/** The layers whose folders lie directly or deeper inside `folder`; their files do not belong to `folder` itself. */
export function layersInside(folder: string): readonly Layer[] {
  return layers.filter((layer) => layer.folder.startsWith(`${folder}/`));
}

/** The layer a file belongs to, by the longest matching folder; `undefined` for build, assets and top-level files. */
export function layerOf(path: string): Layer | undefined {
  let found: Layer | undefined;
  for (const layer of layers) {
    const inside = layer.folder === 'engine' ? /^engine\/[^/]+$/.test(path) : path.startsWith(`${layer.folder}/`);
    if (inside && (found === undefined || layer.folder.length > found.folder.length)) found = layer;
  }
  return found;
}

/** Every layer that `layer` may import, sub-folders that are layers of their own included. */
export function importsOf(layer: Layer): readonly Layer[] {
  const reached = layers.filter(
    (other) =>
      other !== layer && layer.imports.some((folder) => other.folder === folder || other.folder.startsWith(`${folder}/`)),
  );
  // A sub-folder sees its parent, and of its siblings those it names: two back ends must not know each other.
  return reached.filter((other) => layer.imports.includes(other.folder) || !isSibling(layer, other));
}

function isSibling(one: Layer, other: Layer): boolean {
  const parent = layers.find((candidate) => candidate.folder !== 'engine' && one.folder.startsWith(`${candidate.folder}/`));
  return parent !== undefined && other.folder.startsWith(`${parent.folder}/`);
}
