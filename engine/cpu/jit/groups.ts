/** Guest accesses whose linear addresses differ by constants: the first of them asks the TLB for all. */
import type { AccessGroup, GroupMember, GuestPlace, Node, VarCell } from '../ir/node.ts';

/** Bytes of a group at most: the more, the more often they lie on two pages, where each access asks for itself. */
const MOST_BYTES = 512;
const FARTHEST = 1n << 30n;

export class OpenGroup implements AccessGroup {
  /** From the base to the first byte, and to the one after the last. */
  low: number;
  high: number;
  writes: boolean;
  members = 1;
  /** Something may come to pass after which an address found before means something else. */
  isClosed = false;
  /** Host address of the first byte; 0 where it is not known. */
  readonly host: VarCell = { type: 'i32', local: -1 };

  constructor(low: number, bytes: number, writes: boolean) {
    this.low = low;
    this.high = low + bytes;
    this.writes = writes;
  }

  /** Takes in another access, if it is near enough. */
  add(low: number, bytes: number, writes: boolean): boolean {
    const from = Math.min(low, this.low);
    const to = Math.max(low + bytes, this.high);
    if (this.isClosed || to - from > MOST_BYTES) return false;
    this.low = from;
    this.high = to;
    this.writes ||= writes;
    this.members++;
    return true;
  }
}

/** Part of a region that its first place reaches all of, with the groups whose first access is in it, by the base of their addresses. */
export interface GroupScope {
  groups: Map<Node, OpenGroup> | undefined;
  readonly outer: GroupScope | undefined;
}

export class Groups {
  readonly #open = new Set<OpenGroup>();

  /** Which accesses before have asked for this one as well, or may come and be asked for by it. */
  member(inner: GroupScope, linear: Node, { bytes, writes }: { bytes: number; writes: boolean }): GroupMember | undefined {
    const split = splitAddress(linear);
    if (split === undefined) return undefined;
    const { base, distance } = split;
    for (let scope: GroupScope | undefined = inner; scope; scope = scope.outer) {
      const group = scope.groups?.get(base);
      if (group?.add(distance, bytes, writes)) return { group, distance, isFirst: false };
    }
    const group = new OpenGroup(distance, bytes, writes);
    inner.groups ??= new Map();
    inner.groups.set(base, group);
    this.#open.add(group);
    return { group, distance, isFirst: true };
  }

  /** Host addresses found so far are not used any more. */
  close(): void {
    for (const group of this.#open) group.isClosed = true;
    this.#open.clear();
  }
}

/** An access that the first of its group has asked for. */
export const isFollower = (where: GuestPlace | undefined): boolean => where?.member?.isFirst === false;

/** An address as a value and a constant; undefined where the constant is too large to matter. */
function splitAddress(linear: Node): { readonly base: Node; readonly distance: number } | undefined {
  let base = linear;
  let distance = 0n;
  for (;;) {
    const { op, what, args } = base;
    const by = args[1];
    if (op !== 'numeric' || by?.op !== 'const64') break;
    const value = BigInt.asIntN(64, by.what.value);
    if (what.name === 'i64.add') distance += value;
    else if (what.name === 'i64.sub') distance -= value;
    else break;
    base = args[0] as Node;
  }
  return distance > -FARTHEST && distance < FARTHEST ? { base, distance: Number(distance) } : undefined;
}
