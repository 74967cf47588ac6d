/** From linear to host addresses: the page walk (SDM vol. 3, chapter 4) and the software TLB. */
import type { Bool, Int } from '../../isa/emitter.ts';
import { FIXED, PHYS } from '../../memory/index.ts';
import type { Node } from '../ir/node.ts';
import {
  CPU_SITES,
  CPU_TABLES,
  CPU_TLB,
  CPU_TLB2,
  LARGE_PAGES,
  SITES,
  TABLE_PAGE,
  TABLE_PAGE_BYTES,
  TABLE_PAGES,
  TLB_ENTRIES,
  TLB_ENTRY,
  TLB2_ENTRIES,
  WRITER,
} from '../regions.ts';
import { offsetOf } from '../state.ts';
import { EPT_RIGHTS } from './ept.ts';
import { ACCESS, logTableWrite, markDirty, physicalEntry, TRANSLATED } from './physical.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

export { ACCESS, TRANSLATED };

/** Accesses that are not by the rules of the present TLB context. */
const NO_ENTRY = ACCESS.fetch | ACCESS.implicit | ACCESS.uncached;
/** Bits of `walkFlags`. */
export const WALK = { writeProtect: 1, noExecute: 2, smep: 4, smap: 8, pageSize: 16 } as const;

const P = 1;
const RW = 2;
const US = 4;
const A = 0x20;
const D = 0x40;
const PS = 0x80;
const G = 0x100;
const CR4_PGE = 0x80;
const ADDRESS = 0x000ffffffffff000n;

/** `tableEntry` could not reach the entry: a VM exit is queued. No host address. */
const UNREACHED = -1;

/** (cpu, gpa, access, linear) → host address of a page-table entry, 0 when it is not in memory, UNREACHED. */
const tableEntry: RoutineDefinition = {
  name: 'tableEntry',
  parameters: ['i32', 'i64', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const gpa = r.parameterInt(1);
    const pa = r.var(gpa);
    r.if(r.ne(r.state('eptPointer'), r.const(0)), () => {
      const index = r.and(r.shr(64, gpa, r.const(12)), r.const(TABLE_PAGES - 1));
      const place = r.plus(r.cpu, r.wrap(r.shl(64, index, r.const(Math.log2(TABLE_PAGE_BYTES)))));
      const tag = r.or(r.and(gpa, r.const(~0xfffn)), r.stateElement('globalContexts', r.i32(0)));
      r.if(
        r.eq(r.hostLoad(64, place, CPU_TABLES + TABLE_PAGE.tag), tag),
        () => r.set(pa, r.hostLoad(64, place, CPU_TABLES + TABLE_PAGE.pa)),
        () => {
          const how = r.or(r.and(r.parameterInt(2), r.const(ACCESS.probe)), r.const(ACCESS.table));
          const reached = r.callInt('eptWalk', r.cpu, gpa, how, r.parameterInt(3));
          r.if(r.bit(reached, 63), () => r.returns(r.i32(UNREACHED)));
          r.if(r.bit(reached, 62), () => r.returns(r.i32(0)));
          r.set(pa, r.and(reached, r.const(ADDRESS)));
          r.hostStore(64, place, tag, CPU_TABLES + TABLE_PAGE.tag);
          r.hostStore(64, place, r.get(pa), CPU_TABLES + TABLE_PAGE.pa);
        },
      );
    });
    const entry = physicalEntry(r, r.get(pa));
    r.if(r.none(entry, PHYS.RAM | PHYS.ROM), () => r.returns(r.i32(0)));
    r.returns(r.wrap(r.or(r.and(entry, r.const(0xfffff000)), r.and(gpa, r.const(0xfff)))));
  },
};

/** The entry at a guest-physical address, for the walk whose parameters are (cpu, linear, access); leaves the walk when EPT refuses it. */
function reachEntry(r: Routine, at: Int): Node {
  const host = r.call('tableEntry', 'i32', r.cpu, at, r.parameterInt(2), r.parameterInt(1));
  r.if(r.truth(r.ir.numeric('i32.eq', host, r.i32(UNREACHED))), () => r.returns(r.const(TRANSLATED.fault)));
  return host;
}

/** Queue #PF unless the access is a probe: error code bits in `code` besides W, U and I/D, which come from the access. */
const pageFault: RoutineDefinition = {
  name: 'pageFault',
  parameters: ['i32', 'i64', 'i64', 'i64'],
  result: 'i64',
  build(r) {
    const [linear, access, code] = [r.parameterInt(1), r.parameterInt(2), r.parameterInt(3)];
    r.if(r.none(access, ACCESS.probe), () => {
      const flags = r.state('walkFlags');
      const paging = r.state('paging');
      const nx = r.andB(r.any(flags, WALK.noExecute), r.ltU(r.const(1), paging));
      const fetchShown = r.orB(nx, r.any(flags, WALK.smep));
      const fetch = r.select(r.andB(r.any(access, ACCESS.fetch), fetchShown), r.const(0x10), r.const(0));
      const write = r.shl(64, r.and(access, r.const(ACCESS.write)), r.const(1));
      const user = r.and(access, r.const(ACCESS.user));
      r.queue(14, r.or(r.or(code, fetch), r.or(write, user)));
      r.setState('excAddress', linear);
    });
    r.returns(r.const(TRANSLATED.fault));
  },
};

/** Rights gathered on the way down and the entries whose accessed bit is due. */
interface Walk {
  readonly table: ReturnType<Routine['var']>;
  readonly writable: ReturnType<Routine['var']>;
  readonly user: ReturnType<Routine['var']>;
  readonly noExecute: ReturnType<Routine['var']>;
  readonly found: ReturnType<Routine['var']>;
  readonly pa: ReturnType<Routine['var']>;
  readonly large: ReturnType<Routine['var']>;
  readonly leaf: ReturnType<Routine['var']>;
  readonly leafEntry: ReturnType<Routine['var']>;
  /** Guest-physical address of that entry. */
  readonly leafAt: ReturnType<Routine['var']>;
}

/** Accessed and dirty flags of an entry at a guest-physical address, for the walk whose parameters are (cpu, linear, access): a write. */
function setAccessed(r: Routine, at: { readonly host: Int; readonly gpa: Int; readonly entry: Int }, bits: Int): void {
  const { host, gpa, entry } = at;
  r.if(r.ne(r.and(entry, bits), bits), () => {
    const pa = r.var(gpa);
    r.if(r.ne(r.state('eptPointer'), r.const(0)), () => {
      const how = r.or(r.and(r.parameterInt(2), r.const(ACCESS.probe)), r.const(ACCESS.table | ACCESS.write));
      const reached = r.callInt('eptWalk', r.cpu, gpa, how, r.parameterInt(1));
      r.if(r.bit(reached, 63), () => r.returns(r.const(TRANSLATED.fault)));
      r.set(pa, r.and(reached, r.const(0x000fffffffffffffn)));
    });
    logTableWrite(r, r.get(pa));
    r.ir.atomic('i32.atomic.rmw.or', 0, 'i32', r.wrap(host), r.wrap(bits));
  });
}

/** One level of tables with 64-bit entries; level 1 holds 4 KiB pages. */
function wideLevel(r: Routine, walk: Walk, level: 1 | 2 | 3 | 4): void {
  const linear = r.parameterInt(1);
  const access = r.parameterInt(2);
  const shift = 12 + 9 * (level - 1);
  const index = r.and(r.shr(64, linear, r.const(shift - 3)), r.const(0xff8));
  const gpa = r.or(r.get(walk.table), index);
  const host = reachEntry(r, gpa);
  const entryVar = r.var(r.const(-1n)); // what is read where nothing answers
  r.if(r.truth(host), () => r.set(entryVar, r.hostLoad(64, host)));
  const entry = r.get(entryVar);
  r.if(r.none(entry, P), () => r.returns(r.callInt('pageFault', r.cpu, linear, access, r.const(0))));
  const beyond = r.and(ADDRESS_BITS(r), r.shl(64, r.const(-1n), r.state('physicalBits')));
  const nxReserved = r.select(r.any(r.state('walkFlags'), WALK.noExecute), r.const(0), r.const(1n << 63n));
  // PAE has nothing in bits 62:52; 4-level paging leaves them to software (SDM vol. 3, 4.4.2 and 4.5).
  const paeReserved =
    level > 2 ? r.const(0) : r.select(r.eq(r.state('paging'), r.const(2)), r.const(0x7ff0000000000000n), r.const(0));
  const always = r.or(r.or(beyond, nxReserved), paeReserved);
  const large = level === 4 ? r.false() : level === 1 ? r.true() : r.any(entry, PS);
  const shape =
    level === 4
      ? r.const(PS)
      : level === 1
        ? r.const(0)
        : r.select(large, r.const(((1n << BigInt(shift)) - 1n) & ~0x1fffn), r.const(0));
  r.if(r.ne(r.and(entry, r.or(always, shape)), r.const(0)), () =>
    r.returns(r.callInt('pageFault', r.cpu, linear, access, r.const(9))),
  );
  r.set(walk.writable, r.and(r.get(walk.writable), entry));
  r.set(walk.user, r.and(r.get(walk.user), entry));
  r.set(walk.noExecute, r.or(r.get(walk.noExecute), entry));
  const isLeaf = (): void => {
    const inside = (1n << BigInt(shift)) - 1n;
    r.set(walk.pa, r.or(r.and(entry, r.const(ADDRESS & ~inside)), r.and(linear, r.const(inside))));
    r.set(walk.leaf, r.unsigned(host));
    r.set(walk.leafAt, gpa);
    r.set(walk.leafEntry, entry);
    r.set(walk.found, r.const(1));
    if (level > 1) r.set(walk.large, r.const(1));
  };
  const isTable = (): void => {
    setAccessed(r, { host: r.unsigned(host), gpa, entry }, r.const(A));
    r.set(walk.table, r.and(entry, r.const(ADDRESS)));
  };
  if (level === 1) isLeaf();
  else if (level === 4) isTable();
  else r.if(large, isLeaf, isTable);
}

const ADDRESS_BITS = (r: Routine): Int => r.const(0x000fffffffffffffn);

/** 32-bit paging: directory and table with 32-bit entries, 4 MiB pages with 40-bit addresses (PSE-36). */
function narrowLevels(r: Routine, walk: Walk): void {
  const linear = r.parameterInt(1);
  const access = r.parameterInt(2);
  const root = r.and(r.state('cr3'), r.const(0xfffff000));
  const read = (table: Int, index: Int): { host: Node; gpa: Int; entry: Int } => {
    const gpa = r.or(table, index);
    const host = reachEntry(r, gpa);
    const entry = r.var(r.const(0xffffffff)); // what is read where nothing answers
    r.if(r.truth(host), () => r.set(entry, r.hostLoad(32, host)));
    return { host, gpa, entry: r.get(entry) };
  };
  const directory = read(root, r.and(r.shr(64, linear, r.const(20)), r.const(0xffc)));
  const pde = directory.entry;
  r.if(r.none(pde, P), () => r.returns(r.callInt('pageFault', r.cpu, linear, access, r.const(0))));
  r.set(walk.writable, r.and(r.get(walk.writable), pde));
  r.set(walk.user, r.and(r.get(walk.user), pde));
  const found = ({ host, gpa, entry }: ReturnType<typeof read>, pa: Int): void => {
    r.set(walk.pa, pa);
    r.set(walk.leaf, r.unsigned(host));
    r.set(walk.leafAt, gpa);
    r.set(walk.leafEntry, entry);
    r.set(walk.found, r.const(1));
  };
  r.if(
    r.andB(r.any(pde, PS), r.any(r.state('walkFlags'), WALK.pageSize)),
    () => {
      r.if(r.any(pde, 0x200000), () => r.returns(r.callInt('pageFault', r.cpu, linear, access, r.const(9))));
      const upper = r.shl(64, r.and(r.shr(64, pde, r.const(13)), r.const(0xff)), r.const(32));
      const base = r.or(r.and(pde, r.const(0xffc00000)), upper);
      found(directory, r.or(base, r.and(linear, r.const(0x3fffff))));
      r.set(walk.large, r.const(1));
    },
    () => {
      const table = read(r.and(pde, r.const(0xfffff000)), r.and(r.shr(64, linear, r.const(10)), r.const(0xffc)));
      const pte = table.entry;
      setAccessed(r, { ...directory, host: r.unsigned(directory.host) }, r.const(A));
      r.if(r.none(pte, P), () => r.returns(r.callInt('pageFault', r.cpu, linear, access, r.const(0))));
      r.set(walk.writable, r.and(r.get(walk.writable), pte));
      r.set(walk.user, r.and(r.get(walk.user), pte));
      found(table, r.or(r.and(pte, r.const(0xfffff000)), r.and(linear, r.const(0xfff))));
    },
  );
}

/** PAE: the page-directory pointers were loaded with CR3. */
function paePointer(r: Routine, walk: Walk): void {
  const linear = r.parameterInt(1);
  const pdpte = r.stateElement('pdpte', r.wrap(r.and(r.shr(64, linear, r.const(30)), r.const(3))));
  r.if(r.none(pdpte, P), () => r.returns(r.callInt('pageFault', r.cpu, linear, r.parameterInt(2), r.const(0))));
  r.set(walk.table, r.and(pdpte, r.const(ADDRESS)));
}

function allowed(r: Routine, walk: Walk): Bool {
  const access = r.parameterInt(2);
  const flags = r.state('walkFlags');
  const user = r.any(access, ACCESS.user);
  const fetch = r.any(access, ACCESS.fetch);
  const pageUser = r.any(r.get(walk.user), US);
  const pageWritable = r.any(r.get(walk.writable), RW);
  const userOk = r.orB(r.notB(user), pageUser);
  const writeOk = r.orB(
    r.none(access, ACCESS.write),
    r.orB(pageWritable, r.andB(r.notB(user), r.none(flags, WALK.writeProtect))),
  );
  const nxOk = r.notB(r.andB(fetch, r.andB(r.any(flags, WALK.noExecute), r.any(r.get(walk.noExecute), 1n << 63n))));
  const supervisorOnUser = r.andB(r.notB(user), pageUser);
  const smepOk = r.notB(r.andB(r.andB(fetch, supervisorOnUser), r.any(flags, WALK.smep)));
  const strict = r.orB(r.any(access, ACCESS.implicit), r.none(r.state('sysFlags'), 1 << 18));
  const smapOk = r.notB(r.andB(r.andB(r.andB(r.notB(fetch), supervisorOnUser), r.any(flags, WALK.smap)), strict));
  return r.andB(r.andB(userOk, writeOk), r.andB(nxOk, r.andB(smepOk, smapOk)));
}

/**
 * Walk the page tables for one access: (cpu, linear, access) → host address, or TRANSLATED. Sets accessed and dirty bits, and makes TLB
 * entries for ordinary data accesses.
 */
const walkPages: RoutineDefinition = {
  name: 'walkPages',
  parameters: ['i32', 'i64', 'i64'],
  result: 'i64',
  build(r) {
    const linear = r.parameterInt(1);
    const access = r.parameterInt(2);
    const zero = (): ReturnType<Routine['var']> => r.var(r.const(0));
    const walk: Walk = {
      table: zero(),
      writable: r.var(r.const(RW)),
      user: r.var(r.const(US)),
      noExecute: zero(),
      found: zero(),
      pa: zero(),
      large: zero(),
      leaf: zero(),
      leafEntry: zero(),
      leafAt: zero(),
    };
    const mayWrite = r.var(r.const(1));
    const paging = r.state('paging');
    r.setState('tlbMisses', r.add(64, r.state('tlbMisses'), r.const(1)));
    r.setState('walkGlobal', r.const(0));
    r.if(
      r.eq(paging, r.const(0)),
      () => r.set(walk.pa, linear),
      () => {
        r.if(
          r.eq(paging, r.const(1)),
          () => narrowLevels(r, walk),
          () => {
            r.if(
              r.eq(paging, r.const(3)),
              () => {
                r.set(walk.table, r.and(r.state('cr3'), r.const(ADDRESS)));
                wideLevel(r, walk, 4);
                wideLevel(r, walk, 3);
              },
              () => paePointer(r, walk),
            );
            r.if(r.eq(r.get(walk.found), r.const(0)), () => wideLevel(r, walk, 2));
            r.if(r.eq(r.get(walk.found), r.const(0)), () => wideLevel(r, walk, 1));
          },
        );
        r.if(r.notB(allowed(r, walk)), () => r.returns(r.callInt('pageFault', r.cpu, linear, access, r.const(1))));
        const dirty = r.select(r.any(access, ACCESS.write), r.const(A | D), r.const(A));
        setAccessed(r, { host: r.get(walk.leaf), gpa: r.get(walk.leafAt), entry: r.get(walk.leafEntry) }, dirty);
        const user = r.any(access, ACCESS.user);
        const rights = r.orB(
          r.any(r.get(walk.writable), RW),
          r.andB(r.notB(user), r.none(r.state('walkFlags'), WALK.writeProtect)),
        );
        r.if(r.andB(r.any(r.get(walk.leafEntry), G), r.any(r.state('cr4'), CR4_PGE)), () => r.setState('walkGlobal', r.const(1)));
        const isDirty = r.orB(r.any(r.get(walk.leafEntry), D), r.any(access, ACCESS.write));
        r.set(mayWrite, r.int(r.andB(rights, isDirty)));
        r.if(r.ne(r.get(walk.large), r.const(0)), () => r.call('noteLargePage', 'i32', r.cpu, linear));
      },
    );
    r.returns(r.callInt('fillEntry', r.cpu, linear, access, r.get(walk.pa), r.get(mayWrite)));
  },
};

/** Remember where large pages are met: INVLPG there has to drop more than one entry. */
const noteLargePage: RoutineDefinition = {
  name: 'noteLargePage',
  parameters: ['i32', 'i64'],
  result: 'i32',
  build(r) {
    const region = r.shr(64, r.parameterInt(1), r.const(LARGE_PAGES.shift));
    const hash = r.and(r.xor(region, r.shr(64, region, r.const(LARGE_PAGES.fold))), r.const(LARGE_PAGES.mask));
    const at = r.plus(r.cpu, r.wrap(r.shl(64, r.shr(64, hash, r.const(5)), r.const(2))));
    const word = r.hostLoad(32, at, offsetOf('largePages'));
    r.hostStore(32, at, r.or(word, r.shl(64, r.const(1), r.and(hash, r.const(31)))), offsetOf('largePages'));
    r.returns(r.i32(0));
  },
};

/** (cpu, linear, access, gpa, may be written in this context) → what `translate` returns; fills both TLB levels where that is allowed. */
const fillEntry: RoutineDefinition = {
  name: 'fillEntry',
  parameters: ['i32', 'i64', 'i64', 'i64', 'i64'],
  result: 'i64',
  build(r) {
    const [linear, access, gpa] = [r.parameterInt(1), r.parameterInt(2), r.parameterInt(3)];
    const mayWriteVar = r.var(r.parameterInt(4));
    const paVar = r.var(gpa);
    r.if(r.ne(r.state('eptPointer'), r.const(0)), () => {
      const reached = r.callInt('eptWalk', r.cpu, gpa, access, linear);
      r.if(r.orB(r.bit(reached, 63), r.bit(reached, 62)), () => r.returns(reached));
      r.set(paVar, r.and(reached, r.const(0x000fffffffffffffn)));
      const rights = r.shr(64, reached, r.const(EPT_RIGHTS.shift));
      const writable = r.eq(r.and(rights, r.const(EPT_RIGHTS.write | EPT_RIGHTS.clean)), r.const(EPT_RIGHTS.write));
      r.if(r.notB(writable), () => r.set(mayWriteVar, r.const(0)));
    });
    const pa = r.get(paVar);
    const mayWrite = r.get(mayWriteVar);
    const entry = r.var(physicalEntry(r, pa));
    const isWrite = r.any(access, ACCESS.write);
    r.if(r.andB(isWrite, r.any(r.get(entry), PHYS.LOG)), () => {
      r.call('markDirty', 'i32', pa, r.get(entry));
      r.set(entry, r.and(r.get(entry), r.const(~PHYS.LOG & 0xffffffff)));
    });
    const page = r.get(entry);
    const reachable = r.orB(r.any(page, PHYS.RAM), r.andB(r.any(page, PHYS.ROM), r.notB(isWrite)));
    r.if(r.notB(reachable), () => r.returns(r.or(r.const(TRANSLATED.bus), pa)));
    const hostPage = r.and(page, r.const(0xfffff000));
    const host = r.or(hostPage, r.and(linear, r.const(0xfff)));
    const uncached = r.orB(r.any(access, NO_ENTRY), r.orB(r.any(page, PHYS.WATCH), r.ne(r.state('slowData'), r.const(0))));
    r.if(uncached, () => r.returns(host));
    const tag = pageTag(r, linear, 'context');
    const info = r.wrap(r.shr(64, hostPage, r.const(8)));
    const isCode = r.ne(r.hostLoad(64, info, FIXED.pageInfo), r.const(0));
    const direct = r.andB(r.any(page, PHYS.RAM), r.none(page, PHYS.LOG));
    const writeTag = r.select(r.andB(r.ne(mayWrite, r.const(0)), r.andB(direct, r.notB(isCode))), tag, r.const(0));
    r.if(r.ne(writeTag, r.const(0)), () => {
      const mine = r.or(r.and(r.trunc(32, r.shr(64, linear, r.const(12))), r.const(WRITER.page)), r.const(WRITER.known));
      const before = r.hostLoad(32, info, FIXED.pageInfo + WRITER.at);
      const [first, second] = [r.and(before, r.const(0xffff)), r.shr(32, before, r.const(WRITER.half))];
      r.if(r.andB(r.ne(first, mine), r.ne(second, mine)), () => {
        const both = r.select(
          r.eq(second, r.const(0)),
          r.or(before, r.shl(32, mine, r.const(WRITER.half))),
          r.const(WRITER.several),
        );
        r.hostStore(32, info, r.select(r.eq(before, r.const(0)), mine, both), FIXED.pageInfo + WRITER.at);
      });
    });
    const addend = r.trunc(32, r.sub(64, hostPage, r.and(linear, r.const(~0xfffn))));
    const fill = (start: number, entries: number, tags: { read: Int; write: Int }): void => {
      const at = tlbSlot(r, linear, entries);
      r.hostStore(64, at, tags.read, start + TLB_ENTRY.readTag);
      r.hostStore(64, at, tags.write, start + TLB_ENTRY.writeTag);
      r.hostStore(64, at, addend, start + TLB_ENTRY.addend);
    };
    forgetSitesIfAny(r);
    fill(CPU_TLB, TLB_ENTRIES, { read: tag, write: writeTag });
    // The second level keeps global pages for all address spaces.
    const shared = r.ne(r.state('walkGlobal'), r.const(0));
    const read = r.select(shared, pageTag(r, linear, 'globalContext'), tag);
    fill(CPU_TLB2, TLB2_ENTRIES, { read, write: r.select(r.eq(writeTag, r.const(0)), r.const(0), read) });
    r.returns(host);
  },
};

/** (cpu) → 0. An entry of the first level is replaced: generated code must walk for its page again where the interpreter would. */
const forgetSites: RoutineDefinition = {
  name: 'forgetSites',
  parameters: ['i32'],
  result: 'i32',
  build(r) {
    const none = r.vecConst(0n, 0n) as unknown as Node;
    for (let at = 0; at < SITES.addend; at += 16) r.ir.storeV(r.cpu, none, CPU_SITES + at);
    r.ir.store('i32.store', r.cpu, r.i32(0), CPU_SITES + SITES.known);
    r.returns(r.i32(0));
  },
};

function forgetSitesIfAny(r: Routine): void {
  r.if(r.ne(r.hostLoad(32, r.cpu, CPU_SITES + SITES.known), r.const(0)), () => r.call('forgetSites', 'i32', r.cpu));
}

const pageTag = (r: Routine, linear: Int, context: 'context' | 'globalContext'): Int =>
  r.or(r.and(linear, r.const(~0xfffn)), r.state(context));

/** Host address of the TLB slot of a linear address, less the start of the table. */
function tlbSlot(r: Routine, linear: Int, entries: number): Node {
  const index = r.and(r.shr(64, linear, r.const(7)), r.const((entries - 1) * 32));
  return r.plus(r.cpu, r.wrap(index));
}

/**
 * Translate one linear address for one access: (cpu, linear, access) → host address, or TRANSLATED. Looks into the second-level TLB
 * first. Outside 64-bit mode the address is taken modulo 2^32.
 */
const translate: RoutineDefinition = {
  name: 'translate',
  parameters: ['i32', 'i64', 'i64'],
  result: 'i64',
  build(r) {
    const access = r.parameterInt(2);
    const paging = r.state('paging');
    const linear = r.var(r.parameterInt(1));
    r.if(
      r.eq(paging, r.const(3)),
      () => {
        const canonical = r.sar(64, r.shl(64, r.get(linear), r.const(16)), r.const(16));
        r.if(r.ne(canonical, r.get(linear)), () => {
          r.if(r.none(access, ACCESS.probe), () => {
            r.queue(13, r.const(0));
            r.setState('excCanonical', r.const(1));
          });
          r.returns(r.const(TRANSLATED.fault));
        });
      },
      () => r.set(linear, r.trunc(32, r.get(linear))),
    );
    const at = r.get(linear);
    r.if(r.none(access, NO_ENTRY), () => {
      const second = tlbSlot(r, at, TLB2_ENTRIES);
      const tag = pageTag(r, at, 'context');
      const shared = pageTag(r, at, 'globalContext');
      const readTag = r.hostLoad(64, second, CPU_TLB2 + TLB_ENTRY.readTag);
      const writeTag = r.hostLoad(64, second, CPU_TLB2 + TLB_ENTRY.writeTag);
      const wanted = r.select(r.any(access, ACCESS.write), writeTag, readTag);
      r.if(r.orB(r.eq(wanted, tag), r.eq(wanted, shared)), () => {
        forgetSitesIfAny(r);
        const first = tlbSlot(r, at, TLB_ENTRIES);
        const addend = r.hostLoad(64, second, CPU_TLB2 + TLB_ENTRY.addend);
        r.hostStore(64, first, tag, CPU_TLB + TLB_ENTRY.readTag);
        r.hostStore(64, first, r.select(r.eq(writeTag, wanted), tag, r.const(0)), CPU_TLB + TLB_ENTRY.writeTag);
        r.hostStore(64, first, addend, CPU_TLB + TLB_ENTRY.addend);
        r.returns(r.trunc(32, r.add(64, at, addend)));
      });
    });
    r.returns(r.callInt('walkPages', r.cpu, at, access));
  },
};

export const pagingRoutines = [
  forgetSites,
  tableEntry,
  pageFault,
  noteLargePage,
  fillEntry,
  markDirty,
  walkPages,
  translate,
] as const;
