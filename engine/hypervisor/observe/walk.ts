/**
 * The way from a guest-virtual to a host-physical address, every entry on it, for people: guest page tables (SDM vol. 3, chapter 4) and
 * below them EPT (28.2). Reads memory as it is and changes nothing: no accessed bit, no TLB entry.
 */
import type { KvmSregs } from '../registers.ts';

/** What lies below the guest's page tables. */
export interface Translation {
  /** The EPT pointer the guest runs under; absent: its physical addresses are the processor's. */
  readonly eptPointer?: bigint;
  /** Width of physical addresses in bits. */
  readonly physicalBits: number;
  /** Address in the machine's memory of a byte at a physical address; `undefined` where no memory answers. */
  hostAddress(pa: bigint): number | undefined;
}

export interface WalkRequest {
  readonly gva: bigint;
  readonly sregs: Pick<KvmSregs, 'cr0' | 'cr3' | 'cr4' | 'efer' | 'pdptrs'>;
  readonly translation: Translation;
  /** The machine's memory. */
  readonly memory: DataView;
}

/** One entry of a paging structure. */
export interface WalkEntry {
  /** As the manual calls it: PML4E, PDPTE, PDE, PTE, with `EPT ` before it for the lower half. */
  readonly name: string;
  /** Where it is: guest-physical for the guest's tables, physical for EPT; absent for a PDPTE register. */
  readonly at?: bigint;
  readonly value?: bigint;
  readonly flags: readonly string[];
  /** For an entry of the guest: how EPT led to it. */
  readonly ept: readonly WalkEntry[];
}

/** Where and why a walk ends without an address. */
export interface WalkFault {
  /** Name of the entry, or `linear address`, or `guest-physical address`. */
  readonly at: string;
  readonly reason: string;
}

export interface Walk {
  readonly gva: bigint;
  readonly paging: 'none' | '32-bit' | 'PAE' | '4-level';
  readonly ept: boolean;
  readonly entries: readonly WalkEntry[];
  readonly gpa?: bigint;
  /** EPT entries of the last guest-physical address. */
  readonly last: readonly WalkEntry[];
  /** Physical address for the processor. */
  readonly hpa?: bigint;
  /** Address in the machine's memory. */
  readonly hva?: number;
  /** Bytes of the page, the smaller of both. */
  readonly pageBytes?: number;
  /** What all entries together allow. */
  readonly rights?: { readonly write: boolean; readonly user: boolean; readonly execute: boolean };
  readonly fault?: WalkFault;
}

const ADDRESS = 0x000f_ffff_ffff_f000n;
const PG = 1n << 31n;
const NO_EXECUTE = 1n << 63n;
const PAGE = { present: 1n, write: 2n, user: 4n, large: 0x80n } as const;
const CR4 = { pse: 1n << 4n, pae: 1n << 5n } as const;
const EFER = { lma: 1n << 10n, nxe: 1n << 11n } as const;
const EPT = { read: 1n, write: 2n, execute: 4n, large: 0x80n } as const;
const NAMES = ['PTE', 'PDE', 'PDPTE', 'PML4E'] as const;
const MEMORY_TYPES: Readonly<Record<number, string>> = { 0: 'UC', 1: 'WC', 4: 'WT', 5: 'WP', 6: 'WB' };

class Fault {
  readonly at: string;
  readonly reason: string;

  constructor(at: string, reason: string) {
    this.at = at;
    this.reason = reason;
  }
}

export function walk(request: WalkRequest): Walk {
  return new Walker(request).walk();
}

class Walker {
  readonly #r: WalkRequest;
  readonly #entries: WalkEntry[] = [];
  #last: WalkEntry[] = [];
  #rights = { write: true, user: true, execute: true };
  #pageBytes = Number.POSITIVE_INFINITY;

  constructor(request: WalkRequest) {
    this.#r = request;
  }

  walk(): Walk {
    const { gva, sregs, translation } = this.#r;
    const { cr0, cr4, efer } = sregs;
    const paging = (cr0 & PG) === 0n ? 'none' : (efer & EFER.lma) !== 0n ? '4-level' : (cr4 & CR4.pae) !== 0n ? 'PAE' : '32-bit';
    const linear = paging === '4-level' ? BigInt.asUintN(64, gva) : BigInt.asUintN(32, gva);
    const found: { gpa?: bigint; hpa?: bigint; hva?: number } = {};
    let fault: WalkFault | undefined;
    try {
      found.gpa = this.#guest(paging, linear);
      this.#last = [];
      found.hpa = this.#physical(found.gpa, this.#last);
      const hva = translation.hostAddress(found.hpa);
      if (hva === undefined) throw new Fault('physical address', 'no memory is there: accesses go to the bus');
      found.hva = hva;
    } catch (failure) {
      if (!(failure instanceof Fault)) throw failure;
      fault = { at: failure.at, reason: failure.reason };
    }
    return {
      gva: linear,
      paging,
      ept: translation.eptPointer !== undefined,
      entries: this.#entries,
      last: this.#last,
      ...found,
      ...(found.gpa !== undefined && this.#pageBytes !== Number.POSITIVE_INFINITY ? { pageBytes: this.#pageBytes } : {}),
      ...(found.gpa === undefined ? {} : { rights: this.#rights }),
      ...(fault && { fault }),
    };
  }

  #guest(paging: Walk['paging'], linear: bigint): bigint {
    const { cr3, pdptrs } = this.#r.sregs;
    switch (paging) {
      case 'none':
        return linear;
      case '32-bit':
        return this.#narrow(linear);
      case 'PAE': {
        const value = pdptrs[Number(linear >> 30n)] ?? 0n;
        this.#entries.push({ name: 'PDPTE', value, flags: guestFlags(value, { large: false }), ept: [] });
        if ((value & PAGE.present) === 0n) throw new Fault('PDPTE', 'not present');
        return this.#wide(linear, { table: value & ADDRESS, level: 2, pae: true });
      }
      case '4-level':
        if (BigInt.asUintN(64, BigInt.asIntN(48, linear)) !== linear) throw new Fault('linear address', 'not canonical');
        return this.#wide(linear, { table: cr3 & ADDRESS, level: 4, pae: false });
    }
  }

  /** Tables of 64-bit entries; level 1 is the page table. */
  #wide(linear: bigint, from: { readonly table: bigint; readonly level: number; readonly pae: boolean }): bigint {
    const { efer } = this.#r.sregs;
    let { table } = from;
    for (let level = from.level; ; level--) {
      const shift = BigInt(12 + 9 * (level - 1));
      const name = NAMES[level - 1] as string;
      const mask = (1n << shift) - 1n;
      const at = table | ((linear >> (shift - 3n)) & 0xff8n);
      const large = (value: bigint): boolean => level === 1 || (level < 4 && (value & PAGE.large) !== 0n);
      const value = this.#entry({ name, at, bytes: 8, flags: (entry) => guestFlags(entry, { large: large(entry), level }) });
      if ((value & PAGE.present) === 0n) throw new Fault(name, 'not present');
      let reserved = this.#beyond(ADDRESS) | ((efer & EFER.nxe) === 0n ? NO_EXECUTE : 0n);
      if (from.pae) reserved |= 0x7ff0_0000_0000_0000n;
      if (level === 4) reserved |= PAGE.large;
      else if (level > 1 && large(value)) reserved |= mask & ~0x1fffn;
      this.#reserved(name, value, reserved);
      this.#allow(value);
      if (!large(value)) {
        table = value & ADDRESS;
        continue;
      }
      this.#pageBytes = Number(mask) + 1;
      return (value & ADDRESS & ~mask) | (linear & mask);
    }
  }

  #narrow(linear: bigint): bigint {
    const { cr3, cr4 } = this.#r.sregs;
    const isLarge = (value: bigint): boolean => (value & PAGE.large) !== 0n && (cr4 & CR4.pse) !== 0n;
    const read = (name: string, at: bigint, level: number): bigint => {
      const flags = (entry: bigint) => guestFlags(entry, { large: level === 1 || isLarge(entry), level });
      const value = this.#entry({ name, at, bytes: 4, flags });
      if ((value & PAGE.present) === 0n) throw new Fault(name, 'not present');
      this.#allow(value);
      return value;
    };
    const pde = read('PDE', (cr3 & 0xffff_f000n) | ((linear >> 20n) & 0xffcn), 2);
    if (isLarge(pde)) {
      this.#reserved('PDE', pde, 0x20_0000n);
      this.#pageBytes = 2 ** 22;
      return (((pde >> 13n) & 0xffn) << 32n) | (pde & 0xffc0_0000n) | (linear & 0x3f_ffffn);
    }
    const pte = read('PTE', (pde & 0xffff_f000n) | ((linear >> 10n) & 0xffcn), 1);
    this.#pageBytes = 4096;
    return (pte & 0xffff_f000n) | (linear & 0xfffn);
  }

  #allow(value: bigint): void {
    const { write, user, execute } = this.#rights;
    this.#rights = {
      write: write && (value & PAGE.write) !== 0n,
      user: user && (value & PAGE.user) !== 0n,
      execute: execute && (value & NO_EXECUTE) === 0n,
    };
  }

  /** Read an entry of the guest's tables at a guest-physical address, and note it with the way to it. */
  #entry(what: { name: string; at: bigint; bytes: 4 | 8; flags: (value: bigint) => string[] }): bigint {
    const { name, at, bytes, flags } = what;
    const ept: WalkEntry[] = [];
    let value: bigint | undefined;
    try {
      value = this.#read(name, this.#physical(at, ept), bytes);
      return value;
    } finally {
      this.#entries.push({
        name,
        at,
        ...(value === undefined ? {} : { value }),
        flags: value === undefined ? [] : flags(value),
        ept,
      });
    }
  }

  #read(name: string, pa: bigint, bytes: 4 | 8): bigint {
    const { translation, memory } = this.#r;
    const hva = translation.hostAddress(pa);
    if (hva === undefined || hva + bytes > memory.byteLength) throw new Fault(name, 'no memory is where the entry should be');
    return bytes === 8 ? memory.getBigUint64(hva, true) : BigInt(memory.getUint32(hva, true));
  }

  /** The physical address behind a guest-physical one; EPT entries on the way go to `path`. */
  #physical(gpa: bigint, path: WalkEntry[]): bigint {
    const { eptPointer } = this.#r.translation;
    if (eptPointer === undefined) return gpa;
    let table = eptPointer & ADDRESS;
    for (let level = 4; ; level--) {
      const shift = BigInt(12 + 9 * (level - 1));
      const mask = (1n << shift) - 1n;
      const name = `EPT ${NAMES[level - 1]}`;
      const at = table | ((gpa >> (shift - 3n)) & 0xff8n);
      const value = this.#read(name, at, 8);
      const leaf = level === 1 || (level < 4 && (value & EPT.large) !== 0n);
      path.push({ name, at, value, flags: eptFlags(value, leaf), ept: [] });
      if ((value & 7n) === 0n) throw new Fault(name, 'EPT violation: not present');
      const type = Number((value >> 3n) & 7n);
      if ((value & EPT.write) !== 0n && (value & EPT.read) === 0n) throw misconfigured(name, 'writable but not readable');
      if (leaf && (type === 2 || type === 3 || type === 7)) throw misconfigured(name, `memory type ${type}`);
      const reserved = this.#beyond(ADDRESS) | (leaf ? mask & ~0xfffn : level === 4 ? 0xf8n : 0x78n);
      if ((value & reserved) !== 0n) throw misconfigured(name, `reserved bits 0x${(value & reserved).toString(16)}`);
      if (!leaf) {
        table = value & ADDRESS;
        continue;
      }
      if (path === this.#last) {
        this.#pageBytes = Math.min(this.#pageBytes, Number(mask) + 1);
        this.#rights.write &&= (value & EPT.write) !== 0n;
        this.#rights.execute &&= (value & EPT.execute) !== 0n;
      }
      return (value & ADDRESS & ~mask) | (gpa & mask);
    }
  }

  /** Address bits that this processor does not have. */
  #beyond(address: bigint): bigint {
    return address & (-1n << BigInt(this.#r.translation.physicalBits));
  }

  #reserved(name: string, value: bigint, reserved: bigint): void {
    if ((value & reserved) !== 0n) throw new Fault(name, `reserved bits 0x${(value & reserved).toString(16)} are set`);
  }
}

const misconfigured = (name: string, what: string): Fault => new Fault(name, `EPT misconfiguration: ${what}`);

const chosen = (value: bigint, names: readonly (readonly [bigint, string])[]): string[] =>
  names.filter(([bit]) => (value & bit) !== 0n).map(([, name]) => name);

/** Names of the flags that are set (SDM vol. 3, tables 4-14 to 4-19). */
function guestFlags(value: bigint, { large, level = 3 }: { readonly large: boolean; readonly level?: number }): string[] {
  return chosen(value, [
    [1n, 'P'],
    [2n, 'W'],
    [4n, 'U'],
    [8n, 'PWT'],
    [0x10n, 'PCD'],
    [0x20n, 'A'],
    ...(large ? ([[0x40n, 'D']] as const) : []),
    ...(level > 1 ? ([[0x80n, 'PS']] as const) : ([[0x80n, 'PAT']] as const)),
    ...(large ? ([[0x100n, 'G']] as const) : []),
    ...(large && level > 1 ? ([[0x1000n, 'PAT']] as const) : []),
    [NO_EXECUTE, 'XD'],
  ]);
}

/** The same for EPT (tables 28-1 to 28-6). */
function eptFlags(value: bigint, leaf: boolean): string[] {
  const type = Number((value >> 3n) & 7n);
  return [
    ...chosen(value, [
      [1n, 'R'],
      [2n, 'W'],
      [4n, 'X'],
    ]),
    ...(leaf ? [MEMORY_TYPES[type] ?? `type ${type}`] : []),
    ...chosen(value, [
      ...(leaf ? ([[0x40n, 'IPAT']] as const) : []),
      [0x80n, 'PS'],
      [0x100n, 'A'],
      ...(leaf ? ([[0x200n, 'D']] as const) : []),
    ]),
  ];
}
