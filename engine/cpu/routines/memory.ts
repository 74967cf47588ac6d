/** Guest memory by linear address: the TLB hit inline, everything else behind it. */
import type { Bool, Int, Width } from '../../isa/emitter.ts';
import { FIXED } from '../../memory/index.ts';
import { int } from '../ir/arithmetic.ts';
import type { Node } from '../ir/node.ts';
import { CPU_TLB, TLB_ENTRIES, TLB_ENTRY, TLB_ENTRY_BYTES, WATCH_WRITE } from '../regions.ts';
import { offsetOf } from '../state.ts';
import { ACCESS, TRANSLATED } from './paging.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

const PAGE = 4096;
type Bytes = 1 | 2 | 4 | 8 | 16;
const WIDTHS: readonly Width[] = [8, 16, 32, 64];

/** TLB slot of a linear address (cpu-relative) and whether its tag fits an access of `bytes`. */
function probe(r: Routine, linear: Int, bytes: Bytes, tag: 'readTag' | 'writeTag'): { slot: Node; hit: Bool } {
  const index = r.and(r.shr(64, linear, r.const(7)), r.const((TLB_ENTRIES - 1) * TLB_ENTRY_BYTES));
  const slot = r.plus(r.cpu, r.wrap(index));
  const last = bytes === 1 ? linear : r.add(64, linear, r.const(bytes - 1));
  const wanted = r.or(r.and(last, r.const(~0xfffn)), r.state('context'));
  return { slot, hit: r.eq(r.hostLoad(64, slot, CPU_TLB + TLB_ENTRY[tag]), wanted) };
}

function hostAddress(r: Routine, slot: Node, linear: Int): Node {
  return r.plus(r.wrap(linear), r.ir.load('i32.load', slot, CPU_TLB + TLB_ENTRY.addend));
}

/** Access bits of an ordinary data access at the present privilege. */
function dataAccess(r: Routine, write: boolean): Int {
  const user = r.eq(r.state('cpl'), r.const(3));
  return r.select(user, r.const((write ? ACCESS.write : 0) | ACCESS.user), r.const(write ? ACCESS.write : 0));
}

const faulted = (r: Routine, translated: Int): Bool => r.bit(translated, 63);
const onBus = (r: Routine, translated: Int): Bool => r.any(translated, TRANSLATED.bus);
const crosses = (r: Routine, linear: Int, bytes: Int): Bool =>
  r.ltU(r.const(PAGE), r.add(64, r.and(linear, r.const(PAGE - 1)), bytes));
const nextPage = (r: Routine, linear: Int): Int => r.add(64, r.and(linear, r.const(~0xfffn)), r.const(PAGE));

/** Where the lower canonical half ends: an access across it is refused whole, before its first page is looked at. */
const HALF_END = 1n << 47n;

function refuseAcrossHalves(r: Routine, access: { linear: Int; bytes: Int; write: boolean }, leave: () => void): void {
  const { linear, bytes, write } = access;
  const next = nextPage(r, linear);
  r.if(r.andB(r.eq(next, r.const(HALF_END)), crosses(r, linear, bytes)), () => {
    r.callInt('translate', r.cpu, next, dataAccess(r, write)); // queues the fault of a non-canonical address
    leave();
  });
}

/** Queue #AC where alignment is checked and this access fails; `leave` is what the routine returns then. #GP comes before, #PF after it. */
function checkAlignment(r: Routine, linear: Int, bytes: Int, leave: () => void): void {
  const misaligned = r.ne(r.and(linear, r.sub(64, bytes, r.const(1))), r.const(0));
  const canonical = r.eq(r.sar(64, r.shl(64, linear, r.const(16)), r.const(16)), linear);
  r.if(r.andB(r.ne(r.state('alignCheck'), r.const(0)), r.andB(misaligned, canonical)), () => {
    r.queue(17, r.const(0));
    leave();
  });
}

/** Data breakpoints are compared where no TLB entry is made. */
function watch(r: Routine, linear: Int, bytes: Int, write: boolean): void {
  r.if(r.any(r.state('slowData'), 1), () => {
    const shape = r.or(bytes, r.const(write ? WATCH_WRITE : 0));
    r.call('watchHit', 'i32', r.cpu, r.wrap(linear), r.high(linear), r.wrap(shape));
  });
}

const loadFast = (width: Width): RoutineDefinition => ({
  name: `load${width}`,
  parameters: ['i32', 'i64'],
  result: 'i64',
  build(r) {
    const linear = r.parameterInt(1);
    const { slot, hit } = probe(r, linear, (width / 8) as Bytes, 'readTag');
    r.if(hit, () => r.returns(r.hostLoad(width, hostAddress(r, slot, linear))));
    r.returns(r.callInt('loadSlow', r.cpu, linear, r.const(width / 8)));
  },
});

const storeFast = (width: Width): RoutineDefinition => ({
  name: `store${width}`,
  parameters: ['i32', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const linear = r.parameterInt(1);
    const value = r.parameterInt(2);
    const { slot, hit } = probe(r, linear, (width / 8) as Bytes, 'writeTag');
    r.if(hit, () => {
      r.hostStore(width, hostAddress(r, slot, linear), value);
      r.returns(r.i32(0));
    });
    r.returns(r.call('storeSlow', 'i32', r.cpu, linear, r.const(width / 8), value));
  },
});

const load128: RoutineDefinition = {
  name: 'load128',
  parameters: ['i32', 'i64'],
  result: 'v128',
  build(r) {
    const linear = r.parameterInt(1);
    const { slot, hit } = probe(r, linear, 16, 'readTag');
    r.if(hit, () => r.returns(r.ir.loadV(hostAddress(r, slot, linear))));
    refuseAcrossHalves(r, { linear, bytes: r.const(16), write: false }, () =>
      r.returns(r.vecFromInts(r.const(0), r.const(0)) as unknown as Node),
    );
    // Processors do not check the alignment of 16-byte operands that need none: the halves must not raise #AC either.
    const check = r.var(r.state('alignCheck'));
    r.setState('alignCheck', r.const(0));
    const low = r.var(r.callInt('loadSlow', r.cpu, linear, r.const(8)));
    const high = r.var(r.const(0));
    r.if(r.eq(r.state('excPending'), r.const(0)), () => {
      r.set(high, r.callInt('loadSlow', r.cpu, r.add(64, linear, r.const(8)), r.const(8)));
    });
    r.setState('alignCheck', r.get(check));
    r.returns(r.vecFromInts(r.get(low), r.get(high)) as unknown as Node);
  },
};

const store128: RoutineDefinition = {
  name: 'store128',
  parameters: ['i32', 'i64', 'v128'],
  result: 'i32',
  build(r) {
    const linear = r.parameterInt(1);
    const value = r.parameter(2);
    const { slot, hit } = probe(r, linear, 16, 'writeTag');
    r.if(hit, () => {
      r.ir.storeV(hostAddress(r, slot, linear), value);
      r.returns(r.i32(0));
    });
    refuseAcrossHalves(r, { linear, bytes: r.const(16), write: true }, () => r.returns(r.i32(1)));
    r.if(crosses(r, linear, r.const(16)), () => {
      for (const part of [linear, nextPage(r, linear)]) {
        r.if(faulted(r, r.callInt('translate', r.cpu, part, dataAccess(r, true))), () => r.returns(r.i32(1)));
      }
    });
    const half = (lane: number): Int => int(r.ir.lane('i64x2.extract_lane', lane, 'i64', value));
    const check = r.var(r.state('alignCheck'));
    const failed = r.var(r.const(0));
    r.setState('alignCheck', r.const(0));
    r.set(failed, r.unsigned(r.call('storeSlow', 'i32', r.cpu, linear, r.const(8), half(0))));
    r.if(r.eq(r.get(failed), r.const(0)), () => {
      r.set(failed, r.unsigned(r.call('storeSlow', 'i32', r.cpu, r.add(64, linear, r.const(8)), r.const(8), half(1))));
    });
    r.setState('alignCheck', r.get(check));
    r.returns(r.wrap(r.get(failed)));
  },
};

/** Bytes (1, 2, 4, 8) at what `translate` returned, from memory or the bus. */
const readTranslated: RoutineDefinition = {
  name: 'readTranslated',
  parameters: ['i32', 'i64', 'i64'],
  result: 'i64',
  build(r) {
    const [at, bytes] = [r.parameterInt(1), r.parameterInt(2)];
    r.if(onBus(r, at), () => {
      const pa = r.and(at, r.const(~TRANSLATED.bus & 0xffffffffffffffffn));
      r.if(r.eq(bytes, r.const(8)), () => {
        const low = r.unsigned(r.call('mmioRead', 'i32', r.cpu, r.wrap(pa), r.high(pa), r.i32(4)));
        const upper = r.add(64, pa, r.const(4));
        const high = r.unsigned(r.call('mmioRead', 'i32', r.cpu, r.wrap(upper), r.high(upper), r.i32(4)));
        r.returns(r.or(low, r.shl(64, high, r.const(32))));
      });
      r.returns(r.unsigned(r.call('mmioRead', 'i32', r.cpu, r.wrap(pa), r.high(pa), r.wrap(bytes))));
    });
    const host = r.wrap(at);
    for (const width of WIDTHS) r.if(r.eq(bytes, r.const(width / 8)), () => r.returns(r.hostLoad(width, host)));
    r.returns(r.const(0));
  },
};

const writeTranslated: RoutineDefinition = {
  name: 'writeTranslated',
  parameters: ['i32', 'i64', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const [at, bytes, value] = [r.parameterInt(1), r.parameterInt(2), r.parameterInt(3)];
    r.if(onBus(r, at), () => {
      const pa = r.and(at, r.const(~TRANSLATED.bus & 0xffffffffffffffffn));
      r.if(r.eq(bytes, r.const(8)), () => {
        r.if(r.truth(r.call('mmioWrite', 'i32', r.cpu, r.wrap(pa), r.high(pa), r.i32(4), r.wrap(value))), () =>
          r.returns(r.i32(1)),
        );
        const upper = r.add(64, pa, r.const(4));
        r.returns(r.call('mmioWrite', 'i32', r.cpu, r.wrap(upper), r.high(upper), r.i32(4), r.high(value)));
      });
      r.returns(r.call('mmioWrite', 'i32', r.cpu, r.wrap(pa), r.high(pa), r.wrap(bytes), r.wrap(value)));
    });
    const host = r.wrap(at);
    for (const width of WIDTHS) r.if(r.eq(bytes, r.const(width / 8)), () => r.hostStore(width, host, value));
    r.call('noteCodeWrite', 'i32', r.cpu, host, r.wrap(bytes));
    r.returns(r.i32(0));
  },
};

/** Bytes were written that may hold decoded instructions: (cpu, host address, bytes within one page). */
const noteCodeWrite: RoutineDefinition = {
  name: 'noteCodeWrite',
  parameters: ['i32', 'i32', 'i32'],
  result: 'i32',
  build(r) {
    const host = r.parameter(1);
    const bytes = r.parameter(2);
    const info = r.ir.numeric('i32.shl', r.ir.numeric('i32.shr_u', host, r.i32(12)), r.i32(4));
    const granules = r.hostLoad(64, info, FIXED.pageInfo);
    const first = r.and(r.shr(64, r.unsigned(host), r.const(6)), r.const(63));
    const lastByte = r.plus(r.plus(host, bytes), -1);
    const last = r.and(r.shr(64, r.unsigned(lastByte), r.const(6)), r.const(63));
    const touched = r.and(r.shl(64, r.const(-1n), first), r.shr(64, r.const(-1n), r.sub(64, r.const(63), last)));
    r.if(r.ne(r.and(granules, touched), r.const(0)), () => r.call('codeWritten', 'i32', r.cpu, host, bytes));
    r.returns(r.i32(0));
  },
};

/** Byte `i` of an access that begins on one page and ends on the next. */
function splitAddress(r: Routine, linear: Int, i: Int, first: Int, second: Int): Int {
  const left = r.sub(64, r.const(PAGE), r.and(linear, r.const(PAGE - 1)));
  return r.select(r.ltU(i, left), r.add(64, first, i), r.add(64, second, r.sub(64, i, left)));
}

/** (cpu, linear, bytes) → value; 0 with an exception queued when it faults. */
const loadSlow: RoutineDefinition = {
  name: 'loadSlow',
  parameters: ['i32', 'i64', 'i64'],
  result: 'i64',
  build(r) {
    const [linear, bytes] = [r.parameterInt(1), r.parameterInt(2)];
    refuseAcrossHalves(r, { linear, bytes, write: false }, () => r.returns(r.const(0)));
    checkAlignment(r, linear, bytes, () => r.returns(r.const(0)));
    const access = dataAccess(r, false);
    const first = r.callInt('translate', r.cpu, linear, access);
    r.if(faulted(r, first), () => r.returns(r.const(0)));
    r.if(crosses(r, linear, bytes), () => {
      const second = r.callInt('translate', r.cpu, nextPage(r, linear), access);
      r.if(faulted(r, second), () => r.returns(r.const(0)));
      watch(r, linear, bytes, false);
      const value = r.var(r.const(0));
      const i = r.var(r.const(0));
      r.while(
        () => r.ltU(r.get(i), bytes),
        () => {
          const byte = r.callInt('readTranslated', r.cpu, splitAddress(r, linear, r.get(i), first, second), r.const(1));
          r.set(value, r.or(r.get(value), r.shl(64, byte, r.shl(64, r.get(i), r.const(3)))));
          r.set(i, r.add(64, r.get(i), r.const(1)));
        },
      );
      r.returns(r.get(value));
    });
    watch(r, linear, bytes, false);
    r.returns(r.callInt('readTranslated', r.cpu, first, bytes));
  },
};

/** (cpu, linear, bytes, value) → 1 when it faulted, nothing written then. */
const storeSlow: RoutineDefinition = {
  name: 'storeSlow',
  parameters: ['i32', 'i64', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const [linear, bytes, value] = [r.parameterInt(1), r.parameterInt(2), r.parameterInt(3)];
    refuseAcrossHalves(r, { linear, bytes, write: true }, () => r.returns(r.i32(1)));
    checkAlignment(r, linear, bytes, () => r.returns(r.i32(1)));
    const access = dataAccess(r, true);
    const first = r.callInt('translate', r.cpu, linear, access);
    r.if(faulted(r, first), () => r.returns(r.i32(1)));
    r.if(crosses(r, linear, bytes), () => {
      const second = r.callInt('translate', r.cpu, nextPage(r, linear), access);
      r.if(faulted(r, second), () => r.returns(r.i32(1)));
      watch(r, linear, bytes, true);
      const i = r.var(r.const(0));
      r.while(
        () => r.ltU(r.get(i), bytes),
        () => {
          const byte = r.trunc(8, r.shr(64, value, r.shl(64, r.get(i), r.const(3))));
          const at = splitAddress(r, linear, r.get(i), first, second);
          r.if(r.truth(r.call('writeTranslated', 'i32', r.cpu, at, r.const(1), byte)), () => r.returns(r.i32(1)));
          r.set(i, r.add(64, r.get(i), r.const(1)));
        },
      );
      r.returns(r.i32(0));
    });
    watch(r, linear, bytes, true);
    r.returns(r.call('writeTranslated', 'i32', r.cpu, first, bytes, value));
  },
};

const refFast = (width: Width): RoutineDefinition => ({
  name: `reference${width}`,
  parameters: ['i32', 'i64'],
  result: 'i32',
  build(r) {
    const linear = r.parameterInt(1);
    const { slot, hit } = probe(r, linear, (width / 8) as Bytes, 'writeTag');
    r.if(hit, () => r.returns(hostAddress(r, slot, linear)));
    r.returns(r.call('referenceSlow', 'i32', r.cpu, linear, r.const(width / 8)));
  },
});

/**
 * Host address for a read-modify-write, 0 when it faulted. Bytes on two pages, on the bus or in a code page are staged in the vCPU
 * block; `commitStage` writes them back.
 */
const referenceSlow: RoutineDefinition = {
  name: 'referenceSlow',
  parameters: ['i32', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const [linear, bytes] = [r.parameterInt(1), r.parameterInt(2)];
    refuseAcrossHalves(r, { linear, bytes, write: true }, () => r.returns(r.i32(0)));
    checkAlignment(r, linear, bytes, () => r.returns(r.i32(0)));
    const first = r.callInt('translate', r.cpu, linear, dataAccess(r, true));
    r.if(faulted(r, first), () => r.returns(r.i32(0)));
    const split = crosses(r, linear, bytes);
    r.if(split, () => {
      r.if(faulted(r, r.callInt('translate', r.cpu, nextPage(r, linear), dataAccess(r, true))), () => r.returns(r.i32(0)));
    });
    const info = r.wrap(r.shl(64, r.shr(64, r.trunc(32, first), r.const(12)), r.const(4)));
    const isCode = r.ne(r.hostLoad(64, info, FIXED.pageInfo), r.const(0));
    const staged = r.orB(r.orB(split, isCode), r.orB(onBus(r, first), r.ne(r.state('slowData'), r.const(0))));
    r.if(r.notB(staged), () => r.returns(r.wrap(first)));
    const value = r.callInt('loadSlow', r.cpu, linear, bytes);
    r.if(r.ne(r.state('excPending'), r.const(0)), () => r.returns(r.i32(0)));
    r.hostStore(64, r.cpu, value, offsetOf('stage'));
    r.setState('stageLinear', linear);
    r.setState('stageBytes', bytes);
    r.returns(r.plus(r.cpu, offsetOf('stage')));
  },
};

/**
 * (cpu) → 1 when it faulted. A locked access was staged: from here on it runs alone, with the bytes as they are now. What stands on the
 * bus was read once and stays: devices see one access, and other vCPUs may come between its halves.
 */
const stageAlone: RoutineDefinition = {
  name: 'stageAlone',
  parameters: ['i32'],
  result: 'i32',
  build(r) {
    const linear = r.state('stageLinear');
    r.if(onBus(r, r.callInt('translate', r.cpu, linear, dataAccess(r, true))), () => r.returns(r.i32(0)));
    r.call('exclusiveBegin', 'i32', r.cpu);
    // Others ran meanwhile, and may have changed the page tables.
    const value = r.callInt('loadSlow', r.cpu, linear, r.state('stageBytes'));
    r.if(r.ne(r.state('excPending'), r.const(0)), () => r.returns(r.i32(1)));
    r.hostStore(64, r.cpu, value, offsetOf('stage'));
    r.returns(r.i32(0));
  },
};

const commitStage: RoutineDefinition = {
  name: 'commitStage',
  parameters: ['i32'],
  result: 'i32',
  build(r) {
    const value = r.hostLoad(64, r.cpu, offsetOf('stage'));
    r.returns(r.call('storeSlow', 'i32', r.cpu, r.state('stageLinear'), r.state('stageBytes'), value));
  },
};

/** (cpu, linear, bytes, alignment that #AC demands) → 1 with the exception queued when a write there would fault. */
const probeWrite: RoutineDefinition = {
  name: 'probeWrite',
  parameters: ['i32', 'i64', 'i32', 'i32'],
  result: 'i32',
  build(r) {
    const linear = r.parameterInt(1);
    const bytes = r.unsigned(r.parameter(2));
    // A write entry says that nothing is checked or watched here.
    const inPage = r.notB(crosses(r, linear, bytes));
    r.if(r.andB(inPage, probe(r, linear, 1, 'writeTag').hit), () => r.returns(r.i32(0)));
    refuseAcrossHalves(r, { linear, bytes, write: true }, () => r.returns(r.i32(1)));
    checkAlignment(r, linear, r.unsigned(r.parameter(3)), () => r.returns(r.i32(1)));
    r.if(faulted(r, r.callInt('translate', r.cpu, linear, dataAccess(r, true))), () => r.returns(r.i32(1)));
    r.if(crosses(r, linear, bytes), () => {
      r.if(faulted(r, r.callInt('translate', r.cpu, nextPage(r, linear), dataAccess(r, true))), () => r.returns(r.i32(1)));
    });
    // What is probed is written afterwards, by routines that watch nothing.
    watch(r, linear, bytes, true);
    r.returns(r.i32(0));
  },
};

export const memoryRoutines: readonly RoutineDefinition[] = [
  noteCodeWrite,
  readTranslated,
  writeTranslated,
  loadSlow,
  storeSlow,
  referenceSlow,
  stageAlone,
  commitStage,
  probeWrite,
  ...WIDTHS.flatMap((width) => [loadFast(width), storeFast(width), refFast(width)]),
  load128,
  store128,
];
