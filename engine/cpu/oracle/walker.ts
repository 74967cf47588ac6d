/**
 * The oracle's page walk: one straight reading of SDM vol. 3, chapter 4, without a TLB. It judges the walk of the wasm tiers and is
 * written without looking at it.
 */

/** Everything outside memory that a translation depends on. */
export interface WalkState {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  /** PDPTE registers, used in PAE paging only (SDM 4.4.1). */
  readonly pdptes: readonly bigint[];
  /** MAXPHYADDR, 36 to 52. */
  readonly physicalBits: number;
  /** CPUID.80000001H:EDX bit 26. */
  readonly gigabytePages: boolean;
}

export interface WalkAccess {
  readonly kind: 'read' | 'write' | 'fetch';
  /** `user`: made at CPL 3 and not implicit; `supervisor`: explicit at CPL 0-2; `implicit`: descriptor tables, TSS (SDM 4.6). */
  readonly privilege: 'user' | 'supervisor' | 'implicit';
  /** EFLAGS.AC, which lifts SMAP for explicit supervisor accesses. */
  readonly ac: boolean;
}

/** Physical memory as the walk sees it. Reads where nothing answers give all ones. */
export interface PhysicalMemory {
  read(width: 32 | 64, address: bigint): bigint;
  write(width: 32 | 64, address: bigint, value: bigint): void;
}

export type WalkResult = { readonly physical: bigint } | { readonly errorCode: number };

const bit = (value: bigint, index: number): boolean => ((value >> BigInt(index)) & 1n) === 1n;
const field = (value: bigint, high: number, low: number): bigint => BigInt.asUintN(high - low + 1, value >> BigInt(low));

/** Bits `high` to `low`, both included, as a mask; empty when high is below low. */
const span = (high: number, low: number): bigint => (high < low ? 0n : ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low));

const ACCESSED = 0x20n;
const DIRTY = 0x40n;

interface Level {
  /** Index bits of the linear address. */
  readonly high: number;
  readonly low: number;
  /** What a large page here is: allowed, and which bits are then reserved. */
  readonly large: 'never' | 'reserved' | 'allowed';
}

interface Mode {
  readonly levels: readonly Level[];
  readonly entryBytes: 4 | 8;
  readonly root: bigint;
  readonly reserved: bigint;
}

function modeOf(state: WalkState, linear: bigint): Mode | undefined {
  const M = state.physicalBits;
  const noExecute = bit(state.efer, 11);
  if (!bit(state.cr4, 5)) {
    const large = bit(state.cr4, 4) ? 'allowed' : 'never';
    return {
      entryBytes: 4,
      root: state.cr3 & 0xfffff000n,
      reserved: 0n,
      levels: [
        { high: 31, low: 22, large },
        { high: 21, low: 12, large: 'never' },
      ],
    };
  }
  const executeReserved = noExecute ? 0n : 1n << 63n;
  if (!bit(state.efer, 10)) {
    const pdpte = state.pdptes[Number(field(linear, 31, 30))] ?? 0n;
    if (!bit(pdpte, 0)) return undefined;
    return {
      entryBytes: 8,
      root: pdpte & span(M - 1, 12),
      reserved: span(62, M) | executeReserved,
      levels: [
        { high: 29, low: 21, large: 'allowed' },
        { high: 20, low: 12, large: 'never' },
      ],
    };
  }
  return {
    entryBytes: 8,
    root: state.cr3 & span(M - 1, 12),
    reserved: span(51, M) | executeReserved,
    levels: [
      { high: 47, low: 39, large: 'reserved' },
      { high: 38, low: 30, large: state.gigabytePages ? 'allowed' : 'reserved' },
      { high: 29, low: 21, large: 'allowed' },
      { high: 20, low: 12, large: 'never' },
    ],
  };
}

/** Reserved bits of a large-page entry below the page's own address bits (bit 12 is PAT). */
function largeReserved(mode: Mode, level: Level, physicalBits: number): bigint {
  if (mode.entryBytes === 8) return span(level.low - 1, 13);
  return span(21, Math.min(40, physicalBits) - 19);
}

function largeBase(mode: Mode, level: Level, entry: bigint): bigint {
  if (mode.entryBytes === 8) return entry & span(51, level.low);
  return (entry & 0xffc00000n) | (field(entry, 20, 13) << 32n);
}

interface Rights {
  user: boolean;
  write: boolean;
  execute: boolean;
}

/** Section 4.6.1: what the rights of the whole path allow. */
function allowed(state: WalkState, rights: Rights, access: WalkAccess): boolean {
  if (access.privilege === 'user') {
    if (!rights.user) return false;
    if (access.kind === 'write') return rights.write;
    return access.kind === 'read' || rights.execute;
  }
  if (access.kind === 'fetch') return rights.execute && !(rights.user && bit(state.cr4, 20));
  if (rights.user && bit(state.cr4, 21) && (access.privilege === 'implicit' || !access.ac)) return false;
  return access.kind === 'read' || rights.write || !bit(state.cr0, 16);
}

/**
 * Translate one linear address. Every entry that led to another table gets its accessed flag, whatever comes after it; the last one its
 * accessed and dirty flags when the access is allowed (SDM 4.8: flags are set in entries that are used).
 */
export function walk(state: WalkState, linear: bigint, access: WalkAccess, memory: PhysicalMemory): WalkResult {
  if (!bit(state.cr0, 31)) return { physical: BigInt.asUintN(32, linear) };
  const fetchReported = bit(state.cr4, 20) || (bit(state.cr4, 5) && bit(state.efer, 11));
  const cause =
    (access.kind === 'write' ? 2 : 0) |
    (access.privilege === 'user' ? 4 : 0) |
    (access.kind === 'fetch' && fetchReported ? 16 : 0);
  const mode = modeOf(state, linear);
  if (mode === undefined) return { errorCode: cause };
  const width = mode.entryBytes === 8 ? 64 : 32;
  const rights: Rights = { user: true, write: true, execute: true };
  let table = mode.root;
  let physical = 0n;
  let leaf = 0n;
  const mark = (at: bigint, flags: bigint): void => {
    const entry = memory.read(width, at);
    if ((entry & flags) !== flags) memory.write(width, at, entry | flags);
  };
  for (const level of mode.levels) {
    const at = table + field(linear, level.high, level.low) * BigInt(mode.entryBytes);
    const entry = memory.read(width, at);
    if (!bit(entry, 0)) return { errorCode: cause };
    const last = level.low === 12;
    const large = !last && bit(entry, 7) && level.large !== 'never';
    let reserved = mode.reserved;
    if (large) reserved |= level.large === 'reserved' ? 1n << 7n : largeReserved(mode, level, state.physicalBits);
    if ((entry & reserved) !== 0n) return { errorCode: cause | 1 | 8 };
    rights.write &&= bit(entry, 1);
    rights.user &&= bit(entry, 2);
    if (mode.entryBytes === 8 && bit(state.efer, 11)) rights.execute &&= !bit(entry, 63);
    if (large || last) {
      const base = large ? largeBase(mode, level, entry) : entry & (mode.entryBytes === 8 ? span(51, 12) : 0xfffff000n);
      physical = base | (linear & span(level.low - 1, 0));
      leaf = at;
      break;
    }
    mark(at, ACCESSED);
    table = entry & (mode.entryBytes === 8 ? span(51, 12) : 0xfffff000n);
  }
  if (!allowed(state, rights, access)) return { errorCode: cause | 1 };
  mark(leaf, access.kind === 'write' ? ACCESSED | DIRTY : ACCESSED);
  return { physical };
}
