/** What regions of the JIT call: guest addresses their inline probe did not find, and the region at RIP. */
import type { Bool, Int } from '../../isa/emitter.ts';
import { FIXED } from '../../memory/index.ts';
import type { Node } from '../ir/node.ts';
import {
  BLOCK,
  CODE_PAGE,
  CPU_CODE_PAGES,
  CPU_FAR,
  CPU_FAR_TAGS,
  CPU_JUMPS,
  CPU_LINK_EPOCH,
  CPU_LINKS,
  CPU_TLB,
  FAR_ENTRY,
  FAR_ENTRY_BYTES,
  FAR_PAGES,
  FAR_TAG,
  FAR_TAG_BYTES,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  JUMP_ENTRY_BYTES,
  LEAVING,
  LEFT,
  LINK_ENTRIES,
  LINK_ENTRY,
  LINK_ENTRY_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY,
  TLB_ENTRY_BYTES,
} from '../regions.ts';
import { offsetOf, type RegionCounter } from '../state.ts';
import { codePlace, isOurs, isPage, otherPlace } from './lookup.ts';
import { ACCESS, TRANSLATED } from './physical.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

const PAGE = 4096;
/** Entries into a region by a link that are counted when it is made. */
const COUNTED_AHEAD = 1023;

/** What is told of regions afterwards. */
function count(r: Routine, what: RegionCounter): void {
  r.setState(what, r.add(64, r.state(what), r.const(1)));
}

/** Translate for a probe: nothing is queued. Returns 0 from the routine when memory does not answer directly. */
function reach(r: Routine, linear: Int, write: boolean): Int {
  const user = r.eq(r.state('cpl'), r.const(3));
  const bits = (write ? ACCESS.write : 0) | ACCESS.probe;
  const at = r.callInt('translate', r.cpu, linear, r.select(user, r.const(bits | ACCESS.user), r.const(bits)));
  r.if(r.any(at, TRANSLATED.fault | TRANSLATED.bus), () => r.returns(r.i32(0)));
  return at;
}

/** Returns what the TLB knows from the routine: who did not ask it first walks no more than others. */
function takeKnown(r: Routine, linear: Int, tagAt: number): void {
  const entry = r.plus(r.cpu, r.wrap(r.and(r.shr(64, linear, r.const(7)), r.const((TLB_ENTRIES - 1) * TLB_ENTRY_BYTES))));
  const tag = r.or(r.and(linear, r.const(~(PAGE - 1))), r.state('context'));
  r.if(r.eq(r.hostLoad(64, entry, CPU_TLB + tagAt), tag), () =>
    r.returns(r.plus(r.wrap(linear), r.ir.load('i32.load', entry, CPU_TLB + TLB_ENTRY.addend))),
  );
}

/**
 * (cpu, linear, bytes) → host address of bytes that may be read, or 0: the interpreter has to do it. Bytes on two pages are joined in the
 * staging area.
 */
const touchRead: RoutineDefinition = {
  name: 'touchRead',
  parameters: ['i32', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const [linear, bytes] = [r.parameterInt(1), r.parameterInt(2)];
    r.if(r.ne(r.state('slowData'), r.const(0)), () => r.returns(r.i32(0)));
    const left = r.sub(64, r.const(PAGE), r.and(linear, r.const(PAGE - 1)));
    const crosses = r.ltU(left, bytes);
    r.if(r.notB(crosses), () => takeKnown(r, linear, TLB_ENTRY.readTag));
    const first = reach(r, linear, false);
    r.if(crosses, () => {
      const second = reach(r, r.add(64, linear, left), false);
      const stage = r.plus(r.cpu, offsetOf('stage'));
      r.ir.copy(stage, r.wrap(first), r.wrap(left));
      r.ir.copy(r.plus(stage, r.wrap(left)), r.wrap(second), r.wrap(r.sub(64, bytes, left)));
      r.returns(stage);
    });
    r.returns(r.wrap(first));
  },
};

/** (cpu, linear, bytes) → host address of bytes that may be written, or 0. Bytes that are decoded code are for the interpreter. */
const touchWrite: RoutineDefinition = {
  name: 'touchWrite',
  parameters: ['i32', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const [linear, bytes] = [r.parameterInt(1), r.parameterInt(2)];
    const inside = r.and(linear, r.const(PAGE - 1));
    const last = r.sub(64, r.add(64, inside, bytes), r.const(1));
    r.if(r.orB(r.ne(r.state('slowData'), r.const(0)), r.leU(r.const(PAGE), last)), () => r.returns(r.i32(0)));
    // A write entry says that there is no code and nothing to be noted.
    takeKnown(r, linear, TLB_ENTRY.writeTag);
    const at = reach(r, linear, true);
    const info = r.wrap(r.shl(64, r.shr(64, at, r.const(12)), r.const(4)));
    const granules = r.hostLoad(64, info, FIXED.pageInfo);
    const touched = r.and(
      r.shl(64, r.const(-1n), r.shr(64, inside, r.const(6))),
      r.shr(64, r.const(-1n), r.sub(64, r.const(63), r.shr(64, last, r.const(6)))),
    );
    r.if(r.ne(r.and(granules, touched), r.const(0)), () => r.returns(r.i32(0)));
    r.returns(r.wrap(at));
  },
};

/** Linear address of RIP, and where its link and its entry in the jump cache are. */
function linkAt(r: Routine, rip: Int): { readonly linear: Int; readonly link: Node; readonly jump: Node } {
  const linear = r.add(64, rip, r.state('fetchBase'));
  const mixed = r.xor(linear, r.shr(64, linear, r.const(12)));
  const place = (entries: number, bytes: number): Node =>
    r.plus(r.cpu, r.wrap(r.shl(64, r.and(mixed, r.const(entries - 1)), r.const(Math.log2(bytes)))));
  return { linear, link: place(LINK_ENTRIES, LINK_ENTRY_BYTES), jump: place(JUMP_ENTRIES, JUMP_ENTRY_BYTES) };
}

const epochNow = (r: Routine): Int => r.add(32, r.hostLoad(32, r.i32(0), FIXED.codeEpoch), r.hostLoad(32, r.cpu, CPU_LINK_EPOCH));

/** Leaves the routine by the region at RIP, or with 0 when there is none or something is to be done first. */
function follow(r: Routine, rip: Int): void {
  r.if(r.ne(r.and(r.state('request'), r.state('pollMask')), r.const(0)), () => {
    count(r, 'regionAsked');
    r.returns(r.i32(0));
  });
  const { linear, link } = linkAt(r, rip);
  const field = (name: keyof typeof LINK_ENTRY, width: 32 | 64 = 32): Int =>
    r.hostLoad(width, link, CPU_LINKS + LINK_ENTRY[name]);
  const go = (slot: Node): void => r.ir.exit({ exit: 'instead', cpu: r.cpu, slot });
  const take = (): void => {
    const left = field('left');
    r.if(r.ne(left, r.const(0)), () => {
      r.hostStore(32, link, r.sub(32, left, r.const(1)), CPU_LINKS + LINK_ENTRY.left);
      count(r, 'regionChains');
      go(r.wrap(field('slot')));
    });
  };
  const isHere = r.eq(field('linear', 64), linear);
  r.if(isHere, () => r.if(isOurs(r, field('key')), () => r.if(r.eq(field('epoch'), epochNow(r)), take)));
  go(r.call('findRegion', 'i32', r.cpu));
}

/** (cpu, RIP, what the budget becomes more) → what the regions return that follow the one that calls this last, from the one at RIP on. */
const goOn: RoutineDefinition = {
  name: 'goOn',
  parameters: ['i32', 'i64', 'i32'],
  result: 'i32',
  build(r) {
    r.setState('rip', r.parameterInt(1));
    r.setState('budget', r.add(32, r.state('budget'), r.unsigned(r.parameter(2))));
    follow(r, r.parameterInt(1));
  },
};

/** What `leaveRegion` does. */
function leave(r: Routine): void {
  const place = r.parameterInt(2);
  const is = (bit: number): Bool => r.ne(r.and(place, r.const(bit)), r.const(0));
  const rip = r.add(64, r.state('rip'), r.sar(64, place, r.const(LEAVING.shift)));
  r.setState('rip', rip);
  const left = r.sub(32, r.unsigned(r.parameter(1)), r.and(place, r.const(LEAVING.retired)));
  r.setState('budget', r.add(32, r.state('budget'), left));
  r.if(is(LEAVING.chain), () => follow(r, rip));
  r.if(
    is(LEAVING.faulted),
    () => {
      count(r, 'regionFaulted');
      for (const field of ['excPending', 'excCanonical'] as const) r.setState(field, r.const(0));
    },
    () => count(r, 'regionStopped'),
  );
  r.returns(r.i32(LEFT.skip));
}

/**
 * (cpu, what the budget becomes more, place): how a region is left; what it returns, or those that follow it. RIP in memory is where it was
 * entered, the place is as `LEAVING` says.
 */
const leaveRegion: RoutineDefinition = { name: 'leaveRegion', parameters: ['i32', 'i32', 'i64'], result: 'i32', build: leave };

/** The same after a sum or difference of two operands, which follow: the flags are theirs. */
const leaveAfter = (['sum', 'difference'] as const).flatMap((of) =>
  ([8, 16, 32, 64] as const).map(
    (width): RoutineDefinition => ({
      name: `leaveAfter.${of}${width}`,
      parameters: ['i32', 'i32', 'i64', 'i64', 'i64'],
      result: 'i32',
      build(r) {
        const [a, b] = [r.parameterInt(3), r.parameterInt(4)];
        if (of === 'sum') r.flagsAdd(width, a, b, r.add(width, a, b));
        else r.flagsSub(width, a, b, r.sub(width, a, b));
        leave(r);
      },
    }),
  ),
);

/** (cpu) → table slot of the region at RIP, which has a link from then on; 0 when there is none. */
const findRegion: RoutineDefinition = {
  name: 'findRegion',
  parameters: ['i32'],
  result: 'i32',
  build(r) {
    const { linear, link, jump } = linkAt(r, r.state('rip'));
    // Before anything is compared that a change of it tells of.
    const epoch = epochNow(r);
    const found = r.var(r.const(0));
    const isKnown = r.andB(
      r.eq(r.hostLoad(64, jump, CPU_JUMPS + JUMP_ENTRY.linear), linear),
      isOurs(r, r.hostLoad(32, jump, CPU_JUMPS + JUMP_ENTRY.key)),
    );
    r.if(
      isKnown,
      () => {
        const block = r.ir.load('i32.load', jump, CPU_JUMPS + JUMP_ENTRY.block);
        // A block with a region lies in one page.
        const written = r.hostLoad(32, r.ir.load('i32.load', block, BLOCK.generationAt));
        r.if(r.eq(written, r.hostLoad(32, block, BLOCK.generation)), () => r.set(found, r.unsigned(block)));
      },
      // Another jump has the same place in the cache, or it is the one of another address space.
      () => r.set(found, r.unsigned(r.call('knownBlock', 'i32', r.cpu, r.i32(0)))),
    );
    const block = r.wrap(r.get(found));
    const missing = (): void => {
      count(r, 'regionMissing');
      r.returns(r.i32(0));
    };
    r.if(r.eq(r.get(found), r.const(0)), missing);
    const slot = r.hostLoad(32, block, BLOCK.region);
    r.if(r.eq(slot, r.const(0)), missing);
    count(r, 'regionChains');
    const left = r.sub(32, r.hostLoad(32, block, BLOCK.heat), r.const(1));
    r.if(r.eq(left, r.const(0)), () => {
      r.hostStore(32, block, left, BLOCK.heat);
      r.call('hot', 'i32', r.cpu, block);
      r.returns(r.ir.load('i32.load', block, BLOCK.region));
    });
    const rest = r.sub(32, left, r.const(1));
    const ahead = r.select(r.ltU(rest, r.const(COUNTED_AHEAD)), rest, r.const(COUNTED_AHEAD));
    r.hostStore(32, block, r.sub(32, left, ahead), BLOCK.heat);
    const note = (name: keyof typeof LINK_ENTRY, value: Int, width: 32 | 64 = 32): void =>
      r.hostStore(width, link, value, CPU_LINKS + LINK_ENTRY[name]);
    note('linear', linear, 64);
    note('key', r.hostLoad(32, jump, CPU_JUMPS + JUMP_ENTRY.key));
    note('epoch', epoch);
    note('slot', slot);
    note('left', ahead);
    r.returns(r.wrap(slot));
  },
};

/**
 * (cpu, entry, tag) → 1: all pages of the region with this entry are where it has its code from, in the present address space, and hold that
 * code still. The tag of the entry says so from now on; its page is the one the region begins in.
 */
const farReady: RoutineDefinition = {
  name: 'farReady',
  parameters: ['i32', 'i32', 'i64'],
  result: 'i32',
  build(r) {
    const [entry, tag] = [r.parameter(1), r.parameterInt(2)];
    const epoch = epochNow(r);
    const isLong = r.ne(r.state('longMode'), r.const(0));
    const isWhole = r.andB(r.eq(r.state('fetchBase'), r.const(0)), r.eq(r.state('csLimit'), r.const(0xffffffff)));
    r.if(r.notB(r.orB(isLong, isWhole)), () => r.returns(r.i32(0)));
    const at = r.plus(r.cpu, r.ir.numeric('i32.mul', entry, r.ir.const32(FAR_ENTRY_BYTES)));
    const home = r.and(tag, r.const(-PAGE));
    const sum = r.var(r.const(0));
    for (let i = 0; i < FAR_PAGES; i++) {
      const pair = CPU_FAR + FAR_ENTRY.pages + 8 * i;
      const number = r.hostLoad(32, at, pair);
      const host = r.hostLoad(32, at, pair + 4);
      r.if(r.ne(number, r.const(0)), () => {
        const linear = r.add(64, home, r.shl(64, r.sext(32, number), r.const(12)));
        const isThere = (place: Node): Bool =>
          r.andB(
            isPage(r, place, linear),
            r.eq(r.hostLoad(32, place, CPU_CODE_PAGES + CODE_PAGE.host), r.shl(64, host, r.const(12))),
          );
        r.if(r.notB(r.orB(isThere(codePlace(r, linear)), isThere(otherPlace(r, linear)))), () =>
          r.returns(r.call('farMissing', 'i32', r.cpu, entry)),
        );
        const info = r.wrap(r.shl(64, host, r.const(4)));
        r.set(sum, r.and(r.add(64, r.get(sum), r.hostLoad(32, info, FIXED.pageInfo + 8)), r.const(0xffffffff)));
      });
    }
    r.if(r.ne(r.get(sum), r.hostLoad(32, at, CPU_FAR + FAR_ENTRY.generations)), () => {
      r.if(r.notB(r.truth(r.call('farWritten', 'i32', r.cpu, entry))), () => r.returns(r.i32(0)));
    });
    const place = r.plus(r.cpu, r.ir.numeric('i32.mul', entry, r.ir.const32(FAR_TAG_BYTES)));
    r.hostStore(64, place, tag, CPU_FAR_TAGS + FAR_TAG.tag);
    r.hostStore(32, place, epoch, CPU_FAR_TAGS + FAR_TAG.epoch);
    r.returns(r.i32(1));
  },
};

export const regionRoutines: readonly RoutineDefinition[] = [
  touchRead,
  touchWrite,
  goOn,
  findRegion,
  farReady,
  leaveRegion,
  ...leaveAfter,
];
