/**
 * Extended page tables (SDM vol. 3, 28.2): guest-physical to host-physical addresses while a guest runs under EPT. Without EPT
 * (`eptPointer` 0) a guest-physical address is the machine's physical address.
 */
import type { Bool, Int } from '../../isa/emitter.ts';
import { PHYS } from '../../memory/index.ts';
import type { Node } from '../ir/node.ts';
import { ACCESS, logTableWrite, physicalEntry, TRANSLATED } from './physical.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

/** Bits of an EPT entry and of the EPT pointer. */
const EPT = { read: 1, write: 2, execute: 4, large: 0x80, accessed: 0x100, dirty: 0x200, flags: 1 << 6 } as const;
const ADDRESS = 0x000ffffffffff000n;
/** What a translation allows, in the top byte of `eptWalk`'s result: R, W, X as in the entry; `clean`: not marked dirty although that is kept. */
export const EPT_RIGHTS = { shift: 56n, read: 1, write: 2, execute: 4, clean: 8 } as const;
/**
 * Bit 57, which EPT leaves to software: writes to this page go to the bus. While the bus is open (`busOpen`), what is misconfigured, and
 * writes that these entries refuse, reach the bus instead of exiting. For a monitor, writes to a misconfigured page of these always do:
 * what its devices let wait costs no exit.
 */
const EPT_BUS_WRITES = 1n << 57n;
/** Exit reasons queued with `excPending` 2 (SDM vol. 3, appendix C). */
const EPT_EXIT = { violation: 48, misconfiguration: 49, logFull: 62 } as const;
/** Entries of a page-modification log. */
const LOG_ENTRIES = 512;
/** `excPending` when what is queued is a VM exit. */
export const PENDING_EXIT = 2;
/** Nothing the guest sees: the instruction was left undone to be run again by itself. */
export const PENDING_ALONE = 3;

/** While the bus is open: the answer for an address that belongs to it. */
function toBus(r: Routine, when: Bool): void {
  r.if(r.andB(r.ne(r.state('busOpen'), r.const(0)), when), () => r.returns(r.or(r.const(TRANSLATED.bus), r.parameterInt(1))));
}

/** Queue the VM exit for a guest-physical address; `qualification` as the manual has it (table 27-7). */
function queueExit(r: Routine, reason: Int, qualification: Int): void {
  const [gpa, access, linear] = [r.parameterInt(1), r.parameterInt(2), r.parameterInt(3)];
  r.if(r.none(access, ACCESS.probe), () => {
    r.setState('eptReason', reason);
    r.setState('eptQualification', qualification);
    r.setState('eptAddress', gpa);
    r.setState('excAddress', linear);
    r.setState('excPending', r.const(PENDING_EXIT));
  });
  r.returns(r.const(TRANSLATED.fault));
}

/** Bits 2:0 what the access was, 5:3 what the entries allow, 7 there is a linear address, 8 it is the translation of that address. */
function violation(r: Routine, allowed: Int): void {
  const access = r.parameterInt(2);
  const kept = r.any(r.state('eptPointer'), EPT.flags);
  const table = r.any(access, ACCESS.table);
  const write = r.orB(r.any(access, ACCESS.write), r.andB(table, kept));
  const read = r.orB(r.none(access, ACCESS.write | ACCESS.fetch), table);
  const what = r.or(
    r.or(r.int(read), r.shl(64, r.int(write), r.const(1))),
    r.shl(64, r.int(r.any(access, ACCESS.fetch)), r.const(2)),
  );
  const rights = r.shl(64, r.and(allowed, r.const(7)), r.const(3));
  const linear = r.select(r.any(access, ACCESS.noLinear), r.const(0), r.select(table, r.const(0x80), r.const(0x180)));
  queueExit(r, r.const(EPT_EXIT.violation), r.or(r.or(what, rights), linear));
}

/** One level; 4 to 1. Leaves through `violation` or a misconfiguration, otherwise sets `leaf` once a page is found. */
function level(
  r: Routine,
  walk: { table: Walked; rights: Walked; leaf: Walked; host: Walked; at: Walked },
  depth: 1 | 2 | 3 | 4,
): void {
  const gpa = r.parameterInt(1);
  const shift = 12 + 9 * (depth - 1);
  const at = r.or(r.get(walk.table), r.and(r.shr(64, gpa, r.const(shift - 3)), r.const(0xff8)));
  const page = physicalEntry(r, at);
  const host = r.wrap(r.or(r.and(page, r.const(0xfffff000)), r.and(at, r.const(0xfff))));
  const read = r.var(r.const(0));
  r.if(r.any(page, PHYS.RAM | PHYS.ROM), () => r.set(read, r.hostLoad(64, host)));
  const entry = r.get(read);
  r.if(r.none(entry, 7), () => violation(r, r.const(0)));
  const isLeaf = depth === 1 ? r.true() : depth === 4 ? r.false() : r.any(entry, EPT.large);
  const beyond = r.and(r.const(0x000fffffffffffffn), r.shl(64, r.const(-1n), r.state('physicalBits')));
  const inside = (1n << BigInt(shift)) - 1n;
  const memoryType = r.and(r.shr(64, entry, r.const(3)), r.const(7));
  const badType = r.orB(r.eq(r.and(memoryType, r.const(6)), r.const(2)), r.eq(memoryType, r.const(7)));
  const leafBad = r.orB(badType, r.any(entry, inside & ~0xfffn));
  const tableBad = depth === 1 ? r.false() : r.any(entry, depth === 4 ? 0xf8 : 0x78);
  const writeOnly = r.andB(r.any(entry, EPT.write), r.none(entry, EPT.read));
  const shape = r.orB(r.andB(isLeaf, leafBad), r.andB(r.notB(isLeaf), tableBad));
  r.if(r.orB(r.orB(writeOnly, r.ne(r.and(entry, beyond), r.const(0))), shape), () => {
    toBus(r, r.true());
    const waits = r.andB(r.any(r.parameterInt(2), ACCESS.write), r.any(entry, EPT_BUS_WRITES));
    r.if(r.andB(r.ne(r.state('monitored'), r.const(0)), waits), () => r.returns(r.or(r.const(TRANSLATED.bus), gpa)));
    queueExit(r, r.const(EPT_EXIT.misconfiguration), r.const(0));
  });
  r.set(walk.rights, r.and(r.get(walk.rights), entry));
  const found = (): void => {
    r.set(walk.leaf, r.or(r.or(r.and(entry, r.const(ADDRESS & ~inside)), r.and(gpa, r.const(inside))), r.const(FOUND)));
    r.set(walk.host, r.unsigned(host));
    r.set(walk.at, at);
  };
  const descend = (): void => {
    r.set(walk.table, r.and(entry, r.const(ADDRESS)));
    mark(r, { host, pa: at, entry }, r.const(EPT.accessed));
  };
  if (depth === 1) found();
  else if (depth === 4) descend();
  else r.if(isLeaf, found, descend);
}

type Walked = ReturnType<Routine['var']>;
/** No physical address has this bit. */
const FOUND = 1n << 55n;

/** Accessed and dirty flags, where the EPT pointer asks for them. */
function mark(r: Routine, at: { readonly host: Node; readonly pa: Int; readonly entry: Int }, bits: Int): void {
  const { host, pa, entry } = at;
  r.if(r.andB(r.any(r.state('eptPointer'), EPT.flags), r.ne(r.and(entry, bits), bits)), () => {
    logTableWrite(r, pa);
    r.ir.atomic('i32.atomic.rmw.or', 0, 'i32', host, r.wrap(bits));
  });
}

/** (cpu, gpa) → 1 when the page-modification log is full: the VM exit is queued. Before a dirty flag is set (SDM vol. 3, 28.2.6). */
const logModification: RoutineDefinition = {
  name: 'logModification',
  parameters: ['i32', 'i64'],
  result: 'i32',
  build(r) {
    const index = r.state('pmlIndex');
    r.if(r.ltU(r.const(LOG_ENTRIES - 1), index), () => {
      r.setState('eptReason', r.const(EPT_EXIT.logFull));
      r.setState('eptQualification', r.const(0));
      r.setState('eptAddress', r.const(0));
      r.setState('excAddress', r.const(0));
      r.setState('excPending', r.const(PENDING_EXIT));
      r.returns(r.i32(1));
    });
    const page = physicalEntry(r, r.state('pmlAddress'));
    r.if(r.any(page, PHYS.RAM), () => {
      const at = r.or(r.and(page, r.const(0xfffff000)), r.shl(64, index, r.const(3)));
      r.hostStore(64, r.wrap(at), r.and(r.parameterInt(1), r.const(~0xfffn)));
    });
    r.setState('pmlIndex', r.and(r.sub(64, index, r.const(1)), r.const(0xffff)));
    r.returns(r.i32(0));
  },
};

/** (cpu, gpa, access, linear) → physical address with EPT_RIGHTS on top, TRANSLATED.bus, or TRANSLATED.fault with the VM exit queued. */
const eptWalk: RoutineDefinition = {
  name: 'eptWalk',
  parameters: ['i32', 'i64', 'i64', 'i64'],
  result: 'i64',
  build(r) {
    const access = r.parameterInt(2);
    const walk = {
      table: r.var(r.and(r.state('eptPointer'), r.const(ADDRESS))),
      rights: r.var(r.const(7)),
      leaf: r.var(r.const(0)),
      host: r.var(r.const(0)),
      at: r.var(r.const(0)),
    };
    for (const depth of [4, 3, 2, 1] as const) r.if(r.eq(r.get(walk.leaf), r.const(0)), () => level(r, walk, depth));
    const rights = r.and(r.get(walk.rights), r.const(7));
    const kept = r.any(r.state('eptPointer'), EPT.flags);
    const writes = r.orB(r.any(access, ACCESS.write), r.andB(r.any(access, ACCESS.table), kept));
    const reads = r.none(access, ACCESS.write | ACCESS.fetch);
    const refused = r.orB(
      r.orB(r.andB(writes, r.none(rights, EPT.write)), r.andB(reads, r.none(rights, EPT.read))),
      r.andB(r.any(access, ACCESS.fetch), r.none(rights, EPT.execute)),
    );
    const host = r.wrap(r.get(walk.host));
    r.if(refused, () => {
      toBus(r, r.andB(r.any(access, ACCESS.write), r.any(r.hostLoad(64, host), EPT_BUS_WRITES)));
      violation(r, rights);
    });
    const entry = r.hostLoad(64, host);
    const logged = r.andB(r.andB(writes, kept), r.andB(r.none(entry, EPT.dirty), r.ne(r.state('pmlAddress'), r.const(-1n))));
    r.if(r.andB(logged, r.none(access, ACCESS.probe)), () => {
      r.if(r.truth(r.call('logModification', 'i32', r.cpu, r.parameterInt(1))), () => r.returns(r.const(TRANSLATED.fault)));
    });
    mark(r, { host, pa: r.get(walk.at), entry }, r.select(writes, r.const(EPT.accessed | EPT.dirty), r.const(EPT.accessed)));
    const clean = r.andB(kept, r.andB(r.none(entry, EPT.dirty), r.notB(writes)));
    const top = r.or(rights, r.select(clean, r.const(EPT_RIGHTS.clean), r.const(0)));
    r.returns(r.or(r.and(r.get(walk.leaf), r.const(FOUND - 1n)), r.shl(64, top, r.const(EPT_RIGHTS.shift))));
  },
};

export const eptRoutines = [logModification, eptWalk] as const;
