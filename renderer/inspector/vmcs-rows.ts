/** A VMCS as the rows of a tree: areas, fields, bits. What changed is judged against another look at it. */
import type { ResultOf } from '../../engine/contract/command.ts';
import type { machineVmcs } from '../../engine/contract/observe.ts';

export type Vmcs = ResultOf<typeof machineVmcs>;
export type VmcsField = Vmcs['fields'][number];
export type About = NonNullable<VmcsField['about']>;

export const areas = ['control', 'read-only', 'guest', 'host'] as const;
export type Area = (typeof areas)[number];

export interface AreaRow {
  readonly kind: 'area';
  readonly id: string;
  readonly area: Area | 'pinned';
  readonly open: boolean;
  readonly count: number;
  readonly changed: number;
}

export interface FieldRow {
  readonly kind: 'field';
  readonly id: string;
  readonly field: VmcsField;
  /** The value it is compared with, where it differs. */
  readonly before: string | undefined;
  readonly pinned: boolean;
  readonly expandable: boolean;
  readonly open: boolean;
}

export interface BitRow {
  readonly kind: 'bit';
  readonly id: string;
  readonly at: number;
  readonly name: string;
  readonly text: string;
  readonly set: boolean;
  readonly changed: boolean;
  /** What the capability MSRs say; absent where they say nothing. */
  readonly rule: 'must-be-1' | 'must-be-0' | 'free' | undefined;
  /** The value breaks the rule. */
  readonly wrong: boolean;
}

export type Row = AreaRow | FieldRow | BitRow;

export interface Shown {
  readonly vmcs: Vmcs;
  /** Values to compare with, by field. */
  readonly before: ReadonlyMap<string, string>;
  readonly about: ReadonlyMap<string, About>;
  readonly filter: string;
  readonly changedOnly: boolean;
  readonly pinned: ReadonlySet<string>;
  /** Areas that are closed, fields that are open, by row id. */
  readonly closed: ReadonlySet<string>;
  readonly open: ReadonlySet<string>;
}

export const valuesOf = (vmcs: Vmcs): Map<string, string> => new Map(vmcs.fields.map(({ name, value }) => [name, value]));

/** Words of the filter must all stand in the name, the encoding, the value, or the meaning of the value. */
function matches(field: VmcsField, about: About | undefined, words: readonly string[]): boolean {
  const bits = about?.bits.map(({ name }) => name).join(' ') ?? '';
  const text = `${field.name} ${field.encoding} ${field.value} ${field.bits.join(' ')} ${bits}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

export function rowsOf(shown: Shown): Row[] {
  const { vmcs, before, about, changedOnly, pinned, closed } = shown;
  const words = shown.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const differs = ({ name, value }: VmcsField): boolean => before.has(name) && before.get(name) !== value;
  const visible = vmcs.fields.filter((field) => matches(field, about.get(field.name), words) && (!changedOnly || differs(field)));
  const rows: Row[] = [];
  const group = (area: AreaRow['area'], fields: readonly VmcsField[]): void => {
    if (fields.length === 0) return;
    const id = `area ${area}`;
    const open = !closed.has(id);
    rows.push({ kind: 'area', id, area, open, count: fields.length, changed: fields.filter(differs).length });
    if (open) for (const field of fields) rows.push(...fieldRows(shown, { field, area, differs: differs(field) }));
  };
  group(
    'pinned',
    visible.filter(({ name }) => pinned.has(name)),
  );
  for (const area of areas) {
    group(
      area,
      visible.filter((field) => field.area === area && !pinned.has(field.name)),
    );
  }
  return rows;
}

function fieldRows(shown: Shown, { field, area, differs }: { field: VmcsField; area: string; differs: boolean }): Row[] {
  const id = `${area} ${field.name}`;
  const about = shown.about.get(field.name);
  const before = differs ? shown.before.get(field.name) : undefined;
  const expandable = (about?.bits.length ?? 0) > 0 || field.ones !== undefined;
  const open = expandable && shown.open.has(id);
  const row: FieldRow = { kind: 'field', id, field, before, expandable, open, pinned: shown.pinned.has(field.name) };
  return open ? [row, ...bitRows(row, about)] : [row];
}

/** Bits with names, bits that are set without one, and bits that a capability MSR demands. */
function bitRows({ id, field, before }: FieldRow, about: About | undefined): BitRow[] {
  const value = BigInt(field.value);
  const then = before === undefined ? value : BigInt(before);
  const ones = field.ones === undefined ? 0n : BigInt(field.ones);
  const names = new Map(about?.bits.map((bit) => [bit.at, bit]));
  const bits = Array.from({ length: field.width === 'natural' ? 64 : field.width }, (_, at) => at);
  const has = (of: bigint, at: number): boolean => ((of >> BigInt(at)) & 1n) !== 0n;
  return bits
    .filter((at) => names.has(at) || has(value | then | ones, at))
    .map((at): BitRow => {
      const rule =
        field.may === undefined
          ? undefined
          : has(ones, at)
            ? 'must-be-1'
            : has(BigInt(field.may), at)
              ? 'free'
              : ('must-be-0' as const);
      const set = has(value, at);
      return {
        ...{ kind: 'bit', id: `${id} ${at}`, at, name: names.get(at)?.name ?? '', text: names.get(at)?.text ?? '', set, rule },
        changed: set !== has(then, at),
        wrong: (rule === 'must-be-1' && !set) || (rule === 'must-be-0' && set),
      };
    });
}
