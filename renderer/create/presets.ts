/** What people make machines for, with everything sensible filled in. */
import type { FileKind } from '../../engine/contract/image-commands.ts';

export const presetIds = ['linux', 'bsd', 'dos', 'windows9x', 'hobby', 'kernel', 'bootSector'] as const;
export type PresetId = (typeof presetIds)[number];

/** What the machine starts from. */
export const sources = ['iso', 'disk', 'floppy', 'kernel', 'bootSector'] as const;
export type Source = (typeof sources)[number];

export interface Preset {
  readonly source: Source;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** Size of the empty disk that is made; 0: none. */
  readonly diskGiB: number;
  readonly order: readonly ('disk' | 'cdrom' | 'floppy')[];
  readonly append: string;
}

const installed = ['disk', 'cdrom', 'floppy'] as const;

export const presets: Readonly<Record<PresetId, Preset>> = {
  linux: { source: 'iso', memoryMiB: 1024, cpus: 2, diskGiB: 16, order: installed, append: '' },
  bsd: { source: 'iso', memoryMiB: 768, cpus: 1, diskGiB: 16, order: installed, append: '' },
  dos: { source: 'floppy', memoryMiB: 32, cpus: 1, diskGiB: 0.5, order: ['floppy', 'disk', 'cdrom'], append: '' },
  windows9x: { source: 'iso', memoryMiB: 128, cpus: 1, diskGiB: 2, order: ['disk', 'cdrom', 'floppy'], append: '' },
  hobby: { source: 'iso', memoryMiB: 128, cpus: 1, diskGiB: 0, order: ['cdrom', 'disk', 'floppy'], append: '' },
  kernel: { source: 'kernel', memoryMiB: 512, cpus: 1, diskGiB: 0, order: installed, append: 'console=ttyS0' },
  bootSector: { source: 'bootSector', memoryMiB: 16, cpus: 1, diskGiB: 0, order: installed, append: '' },
};

/** The preset for a file that somebody brought; `undefined` for one that starts nothing. */
export function presetFor(kind: FileKind): PresetId | undefined {
  const found: Partial<Record<FileKind, PresetId>> = {
    kernel: 'kernel',
    iso: 'linux',
    disk: 'hobby',
    floppy: 'dos',
    'boot-sector': 'bootSector',
  };
  return found[kind];
}

/** The source a file of this kind is for, whatever the preset. */
export function sourceFor(kind: FileKind): Source | undefined {
  const found: Partial<Record<FileKind, Source>> = {
    kernel: 'kernel',
    iso: 'iso',
    disk: 'disk',
    floppy: 'floppy',
    'boot-sector': 'bootSector',
  };
  return found[kind];
}

/** A name for a machine made from a file: that of the file, as far as names may have it, and free. */
export function nameFor(path: string, taken: (name: string) => boolean): string {
  const base =
    (path.split(/[/\\]/).at(-1) ?? '')
      .replace(/\.(iso|img|bin|qcow2|raw|gz|elf)$/i, '')
      .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9_]+/, '')
      .slice(0, 40) || 'machine';
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken(name)) return name;
  }
}
