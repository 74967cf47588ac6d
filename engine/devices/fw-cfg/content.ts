/** What the device offers on one machine: numbered items and named files. */
import { FEATURES, FILE_ENTRY_BYTES, FILE_NAME_BYTES, Key, SIGNATURE } from './spec.ts';

export interface FwCfgFacts {
  readonly cpus: number;
  readonly ramBytes: number;
  readonly uuid?: Uint8Array;
  /** Files by name, up to 55 characters. */
  /** Whether firmware offers a boot menu, and whether there is no screen. */
  readonly bootMenu?: boolean;
  readonly noScreen?: boolean;
  readonly files?: Readonly<Record<string, Uint8Array>>;
}

export type FwCfgItems = Pick<ReadonlyMap<number, Uint8Array>, 'get'>;

const number = (value: number, size: 2 | 4 | 8): Uint8Array => {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = Math.floor(value / 2 ** (8 * i)) & 0xff;
  return bytes;
};

/** The items of a machine, files in the order of their names behind the directory. */
export function fwCfgItems(facts: FwCfgFacts): FwCfgItems {
  const items = new Map<number, Uint8Array>([
    [Key.Signature, new TextEncoder().encode(SIGNATURE)],
    [Key.Id, number(FEATURES, 4)],
    [Key.Uuid, facts.uuid ?? new Uint8Array(16)],
    [Key.RamSize, number(facts.ramBytes, 8)],
    [Key.NoGraphic, number(facts.noScreen === false ? 0 : 1, 2)],
    [Key.Cpus, number(facts.cpus, 2)],
    [Key.BootMenu, number(facts.bootMenu ? 1 : 0, 2)],
    [Key.MaxCpus, number(facts.cpus, 2)],
  ]);
  const files = Object.entries(facts.files ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const directory = new Uint8Array(4 + FILE_ENTRY_BYTES * files.length);
  const view = new DataView(directory.buffer);
  view.setUint32(0, files.length);
  files.forEach(([name, bytes], i) => {
    const at = 4 + FILE_ENTRY_BYTES * i;
    view.setUint32(at, bytes.length);
    view.setUint16(at + 4, Key.FirstFile + i);
    directory.set(new TextEncoder().encode(name).subarray(0, FILE_NAME_BYTES - 1), at + 8);
    items.set(Key.FirstFile + i, bytes);
  });
  items.set(Key.FileDirectory, directory);
  return items;
}
