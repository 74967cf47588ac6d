/**
 * INT n and IRET of 32-bit protected mode as systems use them: from ring 0 or 3 to ring 0 and back, by segments that differ in their level alone, so
 * that of what is derived only what depends on CPL and flags changes. The rest is left to the routines in `system/`, as in `privilege.ts`.
 */
import type { Bool, Int } from '../../isa/emitter.ts';
import { STATUS } from '../regions.ts';
import { nextIp } from './next-ip.ts';
import {
  all,
  BREAKPOINTS,
  bits,
  descriptor,
  dplOf,
  enter,
  FLAG,
  faulted,
  fits,
  forRegions,
  isNull,
  loaded,
  RETURNED,
  rplOf,
  setSegment,
  staysInRing3,
} from './privilege.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

const RSP = 4;
const EFER_LMA = 0x400;
/** Code and stack of 32 bits in protected mode; the segments in the upper bits are not asked about. */
const MODE32 = { mask: 0x3f, value: 1 | (1 << 2) | (2 << 4) };
/** Present, accessed, 32-bit code that is not conforming; present, accessed, writable data that grows up; mask and value, of any DPL. */
const CODE = { mask: bits(0x609d), value: bits(0x4099) };
const STACK = { mask: bits(0x409f), value: bits(0x4093) };
const DPL = 0x60;
/** Of TR: a busy 32-bit TSS; the ends of ESP0 and SS0 in it. */
const [TSS32, SS0, STACKS_END] = [0xb, 8, 11];

function isPlain(r: Routine): Bool {
  const zero = r.const(0);
  const mode = r.eq(r.and(r.state('modeKey'), r.const(MODE32.mask)), r.const(MODE32.value));
  const flags = r.none(r.state('sysFlags'), FLAG.T | FLAG.N | FLAG.R | FLAG.VM | FLAG.AC);
  const quiet = r.eq(r.or(r.or(r.state('slowData'), r.state('watched')), r.state('nmiBlocked')), zero);
  const flat = r.andB(r.eq(r.state('ssBase'), zero), r.eq(r.state('ssLimit'), r.const(0xffffffff)));
  return all(r, mode, flags, quiet, flat, r.none(r.state('efer'), EFER_LMA), r.none(r.state('dr7'), BREAKPOINTS));
}

/** Is what a descriptor loads the present segment but for its level? */
function differsInLevel(r: Routine, name: 'cs' | 'ss', d: Int): Bool {
  const next = loaded(r, r.const(0), d);
  return all(
    r,
    r.eq(next.base, r.state(`${name}Base`)),
    r.eq(next.limit, r.state(`${name}Limit`)),
    r.none(r.xor(next.attr, r.state(`${name}Attr`)), ~DPL & 0xffffffff),
  );
}

/** What leaves a routine that cannot go on: the general one takes its place, from the state as it was. */
function refusing(r: Routine, handOver: () => void): { require: (c: Bool) => void; requireNoFault: () => void } {
  const [cpl, context] = [r.state('cpl'), r.state('context')];
  const refuse = (): void => {
    r.setState('cpl', cpl);
    r.setState('context', context);
    for (const name of ['excPending', 'excCanonical'] as const) r.setState(name, r.const(0));
    handOver();
  };
  return { require: (c) => r.if(r.notB(c), refuse), requireNoFault: () => r.if(faulted(r), refuse) };
}

/** (cpu, record, vector, 0): INT n. */
const interrupt: RoutineDefinition = {
  name: 'quick.interrupt',
  parameters: ['i32', 'i32', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const zero = r.const(0);
    const vector = r.parameterInt(2);
    const { require, requireNoFault } = refusing(r, () => r.handOver('interrupt', vector, r.parameterInt(3)));
    const cpl = r.state('cpl');
    const offset = r.shl(64, vector, r.const(3));
    const ring = r.orB(r.eq(cpl, zero), r.eq(cpl, r.const(3)));
    require(all(r, isPlain(r), ring, r.leU(r.add(64, offset, r.const(7)), r.state('idtrLimit'))));
    // Tables and the stack are reached with the rights of ring 0; EFLAGS.AC is clear, so SMAP holds for all of it.
    r.setState('cpl', zero);
    r.setState('context', r.stateElement('contexts', r.i32(0)));
    const gate = r.callInt('load64', r.cpu, r.add(64, r.state('idtrBase'), offset));
    requireNoFault();
    // Present interrupt (14) or trap (15) gate of 32 bits, and open to the caller.
    require(r.andB(r.eq(r.and(gate, r.const(bits(0x9e))), r.const(bits(0x8e))), r.leU(cpl, dplOf(r, gate))));
    const selector = r.and(r.shr(64, gate, r.const(16)), r.const(0xffff));
    require(r.notB(isNull(r, selector)));
    const d = descriptor(r, selector, require);
    requireNoFault();
    require(all(r, fits(r, d, CODE), r.eq(dplOf(r, d), zero), differsInLevel(r, 'cs', d)));
    const inner = r.ne(cpl, zero);
    const sp = r.var(r.trunc(32, r.gpr(RSP)));
    const [stack, stackDescriptor] = [r.var(zero), r.var(zero)];
    r.if(inner, () => {
      require(
        r.andB(r.eq(r.and(r.state('trAttr'), r.const(15)), r.const(TSS32)), r.leU(r.const(STACKS_END), r.state('trLimit'))),
      );
      r.set(sp, r.callInt('load32', r.cpu, r.add(64, r.state('trBase'), r.const(SS0 - 4))));
      r.set(stack, r.trunc(16, r.callInt('load32', r.cpu, r.add(64, r.state('trBase'), r.const(SS0)))));
      requireNoFault();
      require(r.andB(r.notB(isNull(r, r.get(stack))), r.eq(rplOf(r, r.get(stack)), zero)));
      r.set(stackDescriptor, descriptor(r, r.get(stack), require));
      requireNoFault();
      const ss = r.get(stackDescriptor);
      require(all(r, fits(r, ss, STACK), r.eq(dplOf(r, ss), zero), differsInLevel(r, 'ss', ss)));
    });
    // The frame does not wrap.
    require(r.leU(r.const(20), r.get(sp)));
    const push = (value: Int): void => {
      r.set(sp, r.sub(64, r.get(sp), r.const(4)));
      require(r.eq(r.unsigned(r.call('store32', 'i32', r.cpu, r.get(sp), r.trunc(32, value))), zero));
    };
    r.if(inner, () => {
      push(r.state('ssSelector'));
      push(r.gpr(RSP));
    });
    const sysFlags = r.state('sysFlags');
    push(r.or(sysFlags, r.status()));
    push(r.state('csSelector'));
    push(nextIp(r));
    r.setGpr(RSP, r.get(sp));
    r.if(inner, () => setSegment(r, 'ss', loaded(r, r.get(stack), r.get(stackDescriptor))));
    setSegment(r, 'cs', loaded(r, r.and(selector, r.const(0xfffc)), d));
    const isTrap = r.bit(gate, 40);
    const ip = r.or(r.and(gate, r.const(0xffff)), r.and(r.shr(64, gate, r.const(32)), r.const(0xffff0000)));
    enter(r, ip, r.and(sysFlags, r.select(isTrap, r.const(0xffffffff), r.const(~FLAG.I & 0xffffffff))));
    r.returns(r.i32(STATUS.branch));
  },
};

/** (cpu, record, 32): IRETD at CPL 0. */
const iret: RoutineDefinition = {
  name: 'quick.iret32',
  parameters: ['i32', 'i32', 'i64'],
  result: 'i32',
  build(r) {
    const zero = r.const(0);
    const { require, requireNoFault } = refusing(r, () => r.handOver('iret', r.parameterInt(2)));
    const top = r.trunc(32, r.gpr(RSP));
    require(all(r, isPlain(r), r.eq(r.state('cpl'), zero), r.leU(top, r.const(0xffffffff - 20))));
    const item = (i: number): Int => r.callInt('load32', r.cpu, r.add(64, top, r.const(4 * i)));
    const [ip, selector, image] = [item(0), r.trunc(16, item(1)), item(2)] as const;
    requireNoFault();
    const ring = rplOf(r, selector);
    const outer = r.ne(ring, zero);
    const ringKnown = r.orB(r.eq(ring, zero), r.eq(ring, r.const(3)));
    require(all(r, r.none(image, FLAG.T | FLAG.N | FLAG.VM), ringKnown, r.notB(isNull(r, selector))));
    const d = descriptor(r, selector, require);
    requireNoFault();
    require(all(r, fits(r, d, CODE), r.eq(dplOf(r, d), ring), differsInLevel(r, 'cs', d)));
    r.if(
      outer,
      () => {
        const [sp, ss] = [item(3), r.trunc(16, item(4))] as const;
        requireNoFault();
        require((['es', 'ds', 'fs', 'gs'] as const).map((name) => staysInRing3(r, name)).reduce((a, b) => r.andB(a, b)));
        require(r.andB(r.notB(isNull(r, ss)), r.eq(rplOf(r, ss), ring)));
        const stack = descriptor(r, ss, require);
        requireNoFault();
        require(all(r, fits(r, stack, STACK), r.eq(dplOf(r, stack), ring), differsInLevel(r, 'ss', stack)));
        setSegment(r, 'ss', loaded(r, ss, stack));
        r.setGpr(RSP, sp);
      },
      () => r.setGpr(RSP, r.trunc(32, r.add(64, top, r.const(12)))),
    );
    setSegment(r, 'cs', loaded(r, selector, d));
    r.setStatus(image);
    r.setState('cpl', ring);
    enter(r, ip, r.and(image, r.const(RETURNED)));
    r.returns(r.i32(STATUS.branch));
  },
};

export const gateRoutines: readonly RoutineDefinition[] = [interrupt, iret, ...[interrupt, iret].map(forRegions)];
