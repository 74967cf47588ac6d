/** Which machines are shown, in which order and groups. */
import type { MachineSummary } from '../../engine/contract/library-commands.ts';

export type Sort = 'name' | 'state' | 'created' | 'memory';

export interface Arrangement {
  readonly search: string;
  readonly tag: string | undefined;
  readonly sort: Sort;
}

export interface MachineGroup {
  /** Empty for machines of no group, which come last. */
  readonly name: string;
  readonly machines: readonly MachineSummary[];
}

const shownName = ({ title, name }: MachineSummary): string => title ?? name;
const byName = (a: MachineSummary, b: MachineSummary): number =>
  shownName(a).localeCompare(shownName(b), undefined, { numeric: true });
/** Running ones first, damaged ones last. */
const stateRank = ({ pid, problem }: MachineSummary): number => (problem !== undefined ? 2 : pid === undefined ? 1 : 0);

const ORDERS: Readonly<Record<Sort, (a: MachineSummary, b: MachineSummary) => number>> = {
  name: byName,
  state: (a, b) => stateRank(a) - stateRank(b) || byName(a, b),
  created: (a, b) => (b.created ?? '').localeCompare(a.created ?? '') || byName(a, b),
  memory: (a, b) => (b.settings?.memoryKiB ?? 0) - (a.settings?.memoryKiB ?? 0) || byName(a, b),
};

/** Every word must stand in the name, title, group, notes or a tag. */
export function arrange(machines: readonly MachineSummary[], { search, tag, sort }: Arrangement): MachineGroup[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = machines
    .filter((machine) => tag === undefined || machine.tags?.includes(tag))
    .filter(({ name, title, group, notes, tags }) => {
      const text = [name, title, group, notes, ...(tags ?? [])].join(' ').toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort(ORDERS[sort]);
  const groups = new Map<string, MachineSummary[]>();
  for (const machine of shown) {
    const group = machine.group ?? '';
    groups.set(group, [...(groups.get(group) ?? []), machine]);
  }
  return [...groups]
    .map(([name, list]) => ({ name, machines: list }))
    .sort((a, b) => Number(a.name === '') - Number(b.name === '') || a.name.localeCompare(b.name));
}

/** Every tag there is, the most used first. */
export function tagsOf(machines: readonly MachineSummary[]): string[] {
  const counts = new Map<string, number>();
  for (const { tags = [] } of machines) for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => n - m || a.localeCompare(b)).map(([tag]) => tag);
}

/** What is chosen after a click: alone, with Ctrl one more or less, with Shift all between. */
export function choose(
  chosen: ReadonlySet<string>,
  order: readonly string[],
  click: { readonly name: string; readonly last: string | undefined; readonly more: boolean; readonly range: boolean },
): Set<string> {
  const { name, last, more, range } = click;
  if (range && last !== undefined && order.includes(last)) {
    const [from, to] = [order.indexOf(last), order.indexOf(name)].sort((a, b) => a - b) as [number, number];
    return new Set([...(more ? chosen : []), ...order.slice(from, to + 1)]);
  }
  if (!more) return new Set([name]);
  const next = new Set(chosen);
  if (!next.delete(name)) next.add(name);
  return next;
}

/** The first `count` machines of the groups in their order, in as many groups as they lie in. */
export function firstOf(groups: readonly MachineGroup[], count: number): MachineGroup[] {
  const found: MachineGroup[] = [];
  let left = count;
  for (const { name, machines } of groups) {
    if (left <= 0) break;
    found.push({ name, machines: machines.slice(0, left) });
    left -= machines.length;
  }
  return found;
}
