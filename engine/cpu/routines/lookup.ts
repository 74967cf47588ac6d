/** The block at RIP where its page and the block itself are known; what else there is to do is TypeScript's. */
import type { Bool, Int } from '../../isa/emitter.ts';
import { FIXED } from '../../memory/index.ts';
import { FLAT_CODE } from '../derived.ts';
import type { Node } from '../ir/node.ts';
import {
  BLOCK,
  BLOCK_ENTRIES,
  BLOCK_ENTRY,
  BLOCK_SET,
  CODE_PAGE,
  CODE_PAGES,
  CODE_SEEN_BITS,
  CODE_SEEN_FOLD,
  CPU_BLOCKS,
  CPU_CODE_PAGES,
  CPU_CODE_SEEN,
  CPU_JUMPS,
  JUMP_ENTRIES,
  JUMP_ENTRY,
} from '../regions.ts';
import { ACCESS, TRANSLATED } from './physical.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

/** Of a host page's information (`FIXED.pageInfo`): bytes as a power of 2, and where its generation stands. */
const PAGE_INFO = { shift: 4, generation: 8 } as const;

/** Is code with this key in the present address space, or in a page that all of them share? */
export const isOurs = (r: Routine, key: Int): Bool => r.orB(r.eq(key, r.state('jumpKey')), r.eq(key, r.state('globalJumpKey')));

const mixed = (r: Routine, address: Int): Int => r.xor(address, r.shr(64, address, r.const(12)));
const slot = (r: Routine, index: Int, entries: number): Node =>
  r.plus(r.cpu, r.wrap(r.shl(64, r.and(index, r.const(entries - 1)), r.const(4))));

/** Was neither page of the block written since it was decoded? */
function isCurrent(r: Routine, block: Node): Bool {
  const fits = (at: number, generation: number): Bool =>
    r.eq(r.hostLoad(32, r.ir.load('i32.load', block, at)), r.hostLoad(32, block, generation));
  return r.andB(fits(BLOCK.generationAt, BLOCK.generation), fits(BLOCK.generationAt2, BLOCK.generation2));
}

/** Is the page of code at a linear address the one of this entry, in force now? */
export const isPage = (r: Routine, entry: Node, linear: Int): Bool =>
  r.andB(
    r.eq(r.hostLoad(64, entry, CPU_CODE_PAGES + CODE_PAGE.linear), r.and(linear, r.const(~0xfffn))),
    isOurs(r, r.hostLoad(32, entry, CPU_CODE_PAGES + CODE_PAGE.key)),
  );

/**
 * (cpu, address of a page's place, address of its other place) → 0. Two pages change places: they are of two address spaces that take
 * turns.
 */
const swapPages: RoutineDefinition = {
  name: 'swapPages',
  parameters: ['i32', 'i32', 'i32'],
  result: 'i32',
  build(r) {
    const [place, other] = [r.parameter(1), r.parameter(2)];
    for (const half of [0, 8]) {
      const before = r.var(r.hostLoad(64, place, CPU_CODE_PAGES + half));
      r.hostStore(64, place, r.hostLoad(64, other, CPU_CODE_PAGES + half), CPU_CODE_PAGES + half);
      r.hostStore(64, other, r.get(before), CPU_CODE_PAGES + half);
    }
    r.returns(r.i32(0));
  },
};

/** (cpu, linear address, address of its place) → 0 when code there cannot be fetched from memory: a fault may be queued. */
const walkCode: RoutineDefinition = {
  name: 'walkCode',
  parameters: ['i32', 'i64', 'i32'],
  result: 'i32',
  build(r) {
    const linear = r.parameterInt(1);
    const place = r.parameter(2);
    const user = r.select(r.eq(r.state('cpl'), r.const(3)), r.const(ACCESS.user), r.const(0));
    const at = r.callInt('translate', r.cpu, linear, r.or(r.const(ACCESS.fetch), user));
    r.if(r.any(at, TRANSLATED.fault | TRANSLATED.bus), () => {
      r.setState('excCanonical', r.const(0));
      r.returns(r.i32(0));
    });
    const number = r.trunc(32, r.shr(64, linear, r.const(12)));
    const hash = r.and(r.xor(number, r.shr(64, number, r.const(CODE_SEEN_FOLD))), r.const(CODE_SEEN_BITS - 1));
    const word = r.plus(r.cpu, r.wrap(r.shl(64, r.shr(64, hash, r.const(5)), r.const(2))));
    const bit = r.shl(64, r.const(1), r.and(hash, r.const(31)));
    r.hostStore(32, word, r.or(r.hostLoad(32, word, CPU_CODE_SEEN), bit), CPU_CODE_SEEN);
    const before = r.hostLoad(64, place, CPU_CODE_PAGES + CODE_PAGE.linear);
    r.if(r.eq(before, r.and(linear, r.const(~0xfffn))), () => r.call('swapPages', 'i32', r.cpu, place, otherPlace(r, linear)));
    const isGlobal = r.ne(r.state('walkGlobal'), r.const(0));
    r.hostStore(64, place, r.and(linear, r.const(~0xfffn)), CPU_CODE_PAGES + CODE_PAGE.linear);
    r.hostStore(32, place, r.select(isGlobal, r.state('globalJumpKey'), r.state('jumpKey')), CPU_CODE_PAGES + CODE_PAGE.key);
    r.hostStore(32, place, r.and(at, r.const(~0xfffn)), CPU_CODE_PAGES + CODE_PAGE.host);
    r.returns(r.i32(1));
  },
};

/** The two places of a page of code. */
export const codePlace = (r: Routine, linear: Int): Node => slot(r, r.shr(64, linear, r.const(12)), CODE_PAGES);
export const otherPlace = (r: Routine, linear: Int): Node =>
  slot(r, r.xor(r.shr(64, linear, r.const(12)), r.const(CODE_PAGES / 2)), CODE_PAGES);

/** Does the block with an instruction on two pages go on where the next page lies, as far as that is known? */
function goesOn(r: Routine, block: Node, linear: Int): Bool {
  const next = r.add(64, r.and(linear, r.const(~0xfffn)), r.const(0x1000));
  const info = r.sub(64, r.hostLoad(32, block, BLOCK.generationAt2), r.const(FIXED.pageInfo + PAGE_INFO.generation));
  const host = r.shl(64, info, r.const(12 - PAGE_INFO.shift));
  const isThere = (place: Node): Bool =>
    r.andB(isPage(r, place, next), r.eq(r.hostLoad(32, place, CPU_CODE_PAGES + CODE_PAGE.host), host));
  return r.orB(isThere(codePlace(r, next)), isThere(otherPlace(r, next)));
}

/**
 * (cpu, 1 to walk the page tables where the page is not known) → block at RIP, which enters the jump cache; 0 when it is not known here, or the
 * walk has queued a fault.
 */
const knownBlock: RoutineDefinition = {
  name: 'knownBlock',
  parameters: ['i32', 'i32'],
  result: 'i32',
  build(r) {
    // Legacy segments end anywhere. Where flat code ends, no instruction goes on in a page that is known.
    r.if(r.none(r.state('modeKey'), FLAT_CODE), () => r.returns(r.i32(0)));
    const linear = r.add(64, r.state('rip'), r.state('fetchBase'));
    const page = codePlace(r, linear);
    r.if(r.notB(isPage(r, page, linear)), () => {
      const other = otherPlace(r, linear);
      r.if(
        isPage(r, other, linear),
        () => r.call('swapPages', 'i32', r.cpu, page, other),
        () => {
          r.if(r.truth(r.ir.numeric('i32.eqz', r.parameter(1))), () => r.returns(r.i32(0)));
          r.if(r.truth(r.ir.numeric('i32.eqz', r.call('walkCode', 'i32', r.cpu, linear, page))), () => r.returns(r.i32(0)));
        },
      );
    });
    const inside = r.and(linear, r.const(0xfff));
    const host = r.or(r.hostLoad(32, page, CPU_CODE_PAGES + CODE_PAGE.host), inside);
    const place = mixed(r, host);
    const isHere = (entry: Node): Bool =>
      r.andB(
        r.eq(r.hostLoad(32, entry, CPU_BLOCKS + BLOCK_ENTRY.host), host),
        r.eq(r.hostLoad(32, entry, CPU_BLOCKS + BLOCK_ENTRY.mode), r.state('modeKey')),
      );
    const entry = r.var(r.unsigned(slot(r, r.and(place, r.const(BLOCK_ENTRIES - BLOCK_SET)), BLOCK_ENTRIES)));
    for (let i = 1; i < BLOCK_SET; i++)
      r.if(r.notB(isHere(r.wrap(r.get(entry)))), () => r.set(entry, r.add(64, r.get(entry), r.const(16))));
    r.if(isHere(r.wrap(r.get(entry))), () => {
      const block = r.ir.load('i32.load', r.wrap(r.get(entry)), CPU_BLOCKS + BLOCK_ENTRY.block);
      r.if(isCurrent(r, block), () => {
        const isCrossing = r.ne(r.hostLoad(32, block, BLOCK.crossing), r.const(0));
        r.if(isCrossing, () => r.if(r.notB(goesOn(r, block, linear)), () => r.returns(r.i32(0))));
        const jump = slot(r, mixed(r, linear), JUMP_ENTRIES);
        r.hostStore(64, jump, linear, CPU_JUMPS + JUMP_ENTRY.linear);
        r.hostStore(32, jump, r.hostLoad(32, page, CPU_CODE_PAGES + CODE_PAGE.key), CPU_JUMPS + JUMP_ENTRY.key);
        r.ir.store('i32.store', jump, block, CPU_JUMPS + JUMP_ENTRY.block);
        r.returns(block);
      });
    });
    r.returns(r.i32(0));
  },
};

/** (cpu) → block at RIP, which enters the jump cache; 0 as `lookupSlow` says. */
const lookup: RoutineDefinition = {
  name: 'lookup',
  parameters: ['i32'],
  result: 'i32',
  build(r) {
    const known = r.call('knownBlock', 'i32', r.cpu, r.i32(1));
    r.if(r.truth(known), () => r.returns(known));
    r.if(r.ne(r.state('excPending'), r.const(0)), () => r.returns(r.i32(0)));
    r.returns(r.call('lookupSlow', 'i32', r.cpu));
  },
};

export const lookupRoutines: readonly RoutineDefinition[] = [swapPages, walkCode, knownBlock, lookup];
