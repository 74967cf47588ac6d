/**
 * Changes of privilege in 64-bit mode where nothing is unusual: SYSCALL, SYSRET, IRET, and delivery of exceptions and interrupts through a
 * gate to ring 0 (SDM vol. 2; vol. 3, 6.14). What is unusual, and every check that fails, is left to the routines in `system/`, which do
 * the whole of it: nothing has changed then but bytes below the new stack pointer.
 */
import type { Bool, Int } from '../../isa/emitter.ts';
import { STATUS } from '../regions.ts';
import { REQUEST } from '../state.ts';
import { nextIp } from './next-ip.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

const [RCX, RSP, R11] = [1, 4, 11] as const;
export const FLAG = { T: 0x100, I: 0x200, N: 0x4000, R: 0x10000, VM: 0x20000, AC: 0x40000 } as const;
const EFER_SCE = 1;
/** Access rights of the flat segments of SYSCALL and SYSRET, DPL 0. */
const [CODE64, DATA32] = [0xa09b, 0xc093];
const UNUSABLE = 0x10000;
export const BREAKPOINTS = 0xff;
/** RFLAGS bits besides the status flags that IRET to and from any ring may load at CPL 0, but RF and VM. */
export const RETURNED = 0x3c7700;

type Segment = 'cs' | 'ss';
interface SegmentParts {
  readonly selector: Int;
  readonly base: Int;
  readonly limit: Int;
  readonly attr: Int;
}

export function setSegment(r: Routine, name: Segment, parts: SegmentParts): void {
  r.setState(`${name}Selector`, parts.selector);
  r.setState(`${name}Base`, parts.base);
  r.setState(`${name}Limit`, parts.limit);
  r.setState(`${name}Attr`, parts.attr);
}

const flat = (r: Routine, selector: Int, attr: number): SegmentParts => ({
  selector,
  base: r.const(0),
  limit: r.const(0xffffffff),
  attr: r.const(attr),
});

/** What a code or data descriptor loads. */
export function loaded(r: Routine, selector: Int, d: Int): SegmentParts {
  const low = r.and(r.shr(64, d, r.const(16)), r.const(0xffffff));
  const raw = r.or(r.and(d, r.const(0xffff)), r.and(r.shr(64, d, r.const(32)), r.const(0xf0000)));
  const pages = r.or(r.shl(64, raw, r.const(12)), r.const(0xfff));
  return {
    selector,
    base: r.or(low, r.shl(64, r.shr(64, d, r.const(56)), r.const(24))),
    limit: r.select(r.bit(d, 55), pages, raw),
    attr: r.and(r.shr(64, d, r.const(40)), r.const(0xf0ff)),
  };
}

const nullStack = (r: Routine, selector: Int): SegmentParts => ({
  selector,
  base: r.const(0),
  limit: r.const(0),
  attr: r.const(UNUSABLE),
});

export const all = (r: Routine, ...conditions: Bool[]): Bool => conditions.reduce((a, b) => r.andB(a, b));
const isCanonical = (r: Routine, address: Int): Bool => r.eq(r.sar(64, r.shl(64, address, r.const(16)), r.const(16)), address);
export const rplOf = (r: Routine, selector: Int): Int => r.and(selector, r.const(3));
export const isNull = (r: Routine, selector: Int): Bool => r.none(selector, 0xfffc);
export const dplOf = (r: Routine, d: Int): Int => r.and(r.shr(64, d, r.const(45)), r.const(3));
export const faulted = (r: Routine): Bool => r.ne(r.state('excPending'), r.const(0));

/** Flags may trap, data accesses are watched, or the caller is not 64-bit code. */
const isPlain = (r: Routine, sysFlags: Int, forbidden: number): Bool =>
  all(r, r.ne(r.state('longMode'), r.const(0)), r.none(sysFlags, forbidden), r.eq(r.state('slowData'), r.const(0)));

/** Descriptor in the GDT; `refuse` unless the selector is inside it. */
export function descriptor(r: Routine, selector: Int, refuse: (unless: Bool) => void): Int {
  const offset = r.and(selector, r.const(0xfff8));
  refuse(r.andB(r.notB(r.bit(selector, 2)), r.leU(r.add(64, offset, r.const(7)), r.state('gdtrLimit'))));
  return r.callInt('load64', r.cpu, r.add(64, r.state('gdtrBase'), offset));
}

/** Bits of a descriptor's access byte and flags, at their places in the eight bytes. */
export const bits = (attr: number): bigint => BigInt(attr) << 40n;
/** Present, accessed, 64-bit, not conforming code of any DPL; mask and value. */
const CODE = { mask: bits(0x609d), value: bits(0x2099) };
/** Present, accessed, writable data that does not grow down or does. */
const STACK = { mask: bits(0x9b), value: bits(0x93) };
export const fits = (r: Routine, d: Int, kind: { mask: bigint; value: bigint }): Bool =>
  r.eq(r.and(d, r.const(kind.mask)), r.const(kind.value));

/** The processor goes on at `rip` with these system flags and the CPL in the state. */
export function enter(r: Routine, rip: Int, sysFlags: Int): void {
  r.setState('rip', rip);
  r.call('setSystemFlags', 'i32', r.cpu, sysFlags);
}

const syscall: RoutineDefinition = {
  name: 'quick.syscall',
  parameters: ['i32', 'i32'],
  result: 'i32',
  build(r) {
    const sysFlags = r.state('sysFlags');
    const allowed = r.andB(isPlain(r, sysFlags, FLAG.T), r.any(r.state('efer'), EFER_SCE));
    r.if(r.notB(allowed), () => r.handOver('syscall'));
    const flags = r.or(sysFlags, r.status());
    r.setGpr(RCX, nextIp(r));
    r.setGpr(R11, flags);
    const left = r.and(flags, r.not(64, r.or(r.trunc(32, r.state('sfmask')), r.const(FLAG.R))));
    r.setStatus(left);
    const selector = r.and(r.shr(64, r.state('star'), r.const(32)), r.const(0xfffc));
    setSegment(r, 'cs', flat(r, selector, CODE64));
    setSegment(r, 'ss', flat(r, r.trunc(16, r.add(64, selector, r.const(8))), DATA32));
    r.setState('cpl', r.const(0));
    enter(r, r.state('lstar'), left);
    r.returns(r.i32(STATUS.branch));
  },
};

/** To 64-bit code. */
const sysret: RoutineDefinition = {
  name: 'quick.sysret64',
  parameters: ['i32', 'i32', 'i64'],
  result: 'i32',
  build(r) {
    const [rcx, flags] = [r.gpr(RCX), r.gpr(R11)];
    const mode = r.andB(isPlain(r, r.state('sysFlags'), FLAG.T), r.any(r.state('efer'), EFER_SCE));
    const allowed = all(r, mode, r.eq(r.state('cpl'), r.const(0)), isCanonical(r, rcx), r.none(flags, FLAG.T));
    r.if(r.notB(allowed), () => r.handOver('sysret', r.parameterInt(2)));
    const left = r.and(flags, r.const(0x3c7fd7));
    r.setStatus(left);
    const base = r.shr(64, r.state('star'), r.const(48));
    const selector = (offset: number): Int => r.or(r.trunc(16, r.add(64, base, r.const(offset))), r.const(3));
    setSegment(r, 'cs', flat(r, selector(16), CODE64 | 0x60));
    setSegment(r, 'ss', flat(r, selector(8), DATA32 | 0x60));
    r.setState('cpl', r.const(3));
    enter(r, rcx, left);
    r.returns(r.i32(STATUS.branch));
  },
};

/** A data segment that stays usable in ring 3, or is unusable already. */
export const staysInRing3 = (r: Routine, name: 'es' | 'ds' | 'fs' | 'gs'): Bool => {
  const attr = r.state(`${name}Attr`);
  return r.orB(r.any(attr, UNUSABLE), r.eq(r.and(attr, r.const(0x60)), r.const(0x60)));
};

/** IRETQ at CPL 0 from 64-bit code to 64-bit code in ring 0 or 3. */
const iret: RoutineDefinition = {
  name: 'quick.iret64',
  parameters: ['i32', 'i32', 'i64'],
  result: 'i32',
  build(r) {
    const handOver = (): void => r.handOver('iret', r.parameterInt(2));
    const require = (condition: Bool): void => r.if(r.notB(condition), handOver);
    /** An access that faults is made again, and its fault raised, by the slow routine. */
    const requireNoFault = (): void =>
      r.if(faulted(r), () => {
        r.setState('excPending', r.const(0));
        r.setState('excCanonical', r.const(0));
        handOver();
      });
    const zero = r.const(0);
    const present = isPlain(r, r.state('sysFlags'), FLAG.T | FLAG.N | FLAG.R | FLAG.AC);
    const quiet = r.andB(r.none(r.state('dr7'), BREAKPOINTS), r.eq(r.or(r.state('nmiBlocked'), r.state('cpl')), zero));
    const top = r.gpr(RSP);
    const item = (i: number): Int => r.add(64, top, r.const(8 * i));
    require(all(r, present, quiet, isCanonical(r, top), isCanonical(r, r.add(64, top, r.const(39)))));
    const ip = r.callInt('load64', r.cpu, top);
    requireNoFault();
    const [selector, image, sp, stack] = [1, 2, 3, 4].map((i) => r.callInt('load64', r.cpu, item(i))) as [Int, Int, Int, Int];
    requireNoFault();
    const code = r.trunc(16, selector);
    const ring = rplOf(r, code);
    const outer = r.ne(ring, zero);
    const ringKnown = r.orB(r.eq(ring, zero), r.eq(ring, r.const(3)));
    require(all(r, isCanonical(r, ip), r.none(image, FLAG.T | FLAG.N | FLAG.VM), ringKnown, r.notB(isNull(r, code))));
    const d = descriptor(r, code, require);
    requireNoFault();
    require(r.andB(fits(r, d, CODE), r.eq(dplOf(r, d), ring)));
    const ss = r.trunc(16, stack);
    require(r.eq(rplOf(r, ss), ring));
    r.if(outer, () =>
      require((['es', 'ds', 'fs', 'gs'] as const).map((name) => staysInRing3(r, name)).reduce((a, b) => r.andB(a, b))),
    );
    const stackDescriptor = r.var(zero);
    r.if(
      isNull(r, ss),
      () => require(r.notB(outer)),
      () => {
        r.set(stackDescriptor, descriptor(r, ss, require));
        requireNoFault();
        require(r.andB(fits(r, r.get(stackDescriptor), STACK), r.eq(dplOf(r, r.get(stackDescriptor)), ring)));
      },
    );
    r.if(
      r.eq(r.get(stackDescriptor), zero),
      () => setSegment(r, 'ss', nullStack(r, ss)),
      () => setSegment(r, 'ss', loaded(r, ss, r.get(stackDescriptor))),
    );
    setSegment(r, 'cs', loaded(r, code, d));
    r.setGpr(RSP, sp);
    r.setStatus(image);
    r.setState('cpl', ring);
    enter(r, ip, r.and(image, r.const(RETURNED)));
    r.returns(r.i32(STATUS.branch));
  },
};

const EXCEPTION = ['excVector', 'excHasError', 'excError', 'excAddress', 'excPending', 'excCanonical'] as const;
export const DELIVERY = { error: 1, fault: 2 } as const;

/**
 * (cpu, vector, DELIVERY bits) → 1 when the event was delivered, 0 when nothing was done. A fault's error code and CR2 are those of the
 * queued exception. The handler is 64-bit code of ring 0 behind a gate that nothing forbids.
 */
const deliver: RoutineDefinition = {
  name: 'deliver',
  parameters: ['i32', 'i32', 'i32'],
  result: 'i32',
  build(r) {
    const zero = r.const(0);
    const vector = r.unsigned(r.parameter(1));
    const what = r.unsigned(r.parameter(2));
    const sysFlags = r.state('sysFlags');
    const offset = r.shl(64, vector, r.const(4));
    const inTable = r.leU(r.add(64, offset, r.const(15)), r.state('idtrLimit'));
    r.if(r.notB(r.andB(isPlain(r, sysFlags, FLAG.T | FLAG.AC | FLAG.VM), inTable)), () => r.returns(r.i32(0)));
    const cpl = r.state('cpl');
    const context = r.state('context');
    const before = EXCEPTION.map((name) => r.state(name));
    const refuse = (): void => {
      r.setState('cpl', cpl);
      r.setState('context', context);
      for (const [i, name] of EXCEPTION.entries()) r.setState(name, before[i] as Int);
      r.returns(r.i32(0));
    };
    const require = (condition: Bool): void => r.if(r.notB(condition), refuse);
    const requireNoFault = (): void => r.if(faulted(r), refuse);
    // Tables and the new stack are reached with the rights of ring 0; EFLAGS.AC is clear, so SMAP holds for all of it.
    r.setState('excPending', zero);
    r.setState('cpl', zero);
    r.setState('context', r.stateElement('contexts', r.i32(0)));
    const gateAt = r.add(64, r.state('idtrBase'), offset);
    const gate = r.callInt('load64', r.cpu, gateAt);
    const upper = r.callInt('load64', r.cpu, r.add(64, gateAt, r.const(8)));
    requireNoFault();
    // Present, interrupt (14) or trap (15) gate.
    require(r.eq(r.and(gate, r.const(bits(0x9e))), r.const(bits(0x8e))));
    const ip = r.or(
      r.or(r.and(gate, r.const(0xffff)), r.and(r.shr(64, gate, r.const(32)), r.const(0xffff0000))),
      r.shl(64, upper, r.const(32)),
    );
    const selector = r.and(r.shr(64, gate, r.const(16)), r.const(0xffff));
    require(r.andB(isCanonical(r, ip), r.notB(isNull(r, selector))));
    const d = descriptor(r, selector, require);
    requireNoFault();
    require(r.andB(fits(r, d, CODE), r.eq(dplOf(r, d), zero)));
    const inner = r.ne(cpl, zero);
    const ist = r.and(r.shr(64, gate, r.const(32)), r.const(7));
    const sp = r.var(r.gpr(RSP));
    r.if(r.orB(inner, r.ne(ist, zero)), () => {
      const interrupts = r.add(64, r.shl(64, ist, r.const(3)), r.const(28));
      const place = r.select(r.eq(ist, zero), r.const(4), interrupts);
      require(r.leU(r.add(64, place, r.const(7)), r.state('trLimit')));
      r.set(sp, r.callInt('load64', r.cpu, r.add(64, r.state('trBase'), place)));
      requireNoFault();
    });
    require(isCanonical(r, r.get(sp)));
    r.set(sp, r.and(r.get(sp), r.const(-16n)));
    const withError = r.any(what, DELIVERY.error);
    const bottom = r.sub(64, r.get(sp), r.select(withError, r.const(48), r.const(40)));
    require(r.andB(isCanonical(r, bottom), isCanonical(r, r.sub(64, r.get(sp), r.const(1)))));
    const pushed = r.or(r.or(sysFlags, r.status()), r.select(r.any(what, DELIVERY.fault), r.const(FLAG.R), zero));
    const items = [r.state('ssSelector'), r.gpr(RSP), pushed, r.state('csSelector'), r.state('rip')];
    items.forEach((value, i) => {
      const at = r.sub(64, r.get(sp), r.const(8 * (i + 1)));
      r.if(r.truth(r.call('store64', 'i32', r.cpu, at, value)), refuse);
    });
    r.if(withError, () => {
      const error = before[EXCEPTION.indexOf('excError')] as Int;
      r.if(r.truth(r.call('store64', 'i32', r.cpu, bottom, error)), refuse);
    });
    r.if(r.any(what, DELIVERY.fault), () => {
      const address = before[EXCEPTION.indexOf('excAddress')] as Int;
      r.if(r.eq(vector, r.const(14)), () => r.setState('cr2', address));
      r.setState('debugTraps', zero);
    });
    r.setGpr(RSP, bottom);
    r.if(inner, () => setSegment(r, 'ss', nullStack(r, zero)));
    setSegment(r, 'cs', loaded(r, r.and(selector, r.const(0xfffc)), d));
    r.setState('shadow', zero);
    const dropped = FLAG.T | FLAG.N | FLAG.R | FLAG.VM;
    const isTrap = r.bit(gate, 40);
    const mask = r.select(isTrap, r.const(~dropped & 0xffffffff), r.const(~(dropped | FLAG.I) & 0xffffffff));
    enter(r, ip, r.and(sysFlags, mask));
    r.returns(r.i32(1));
  },
};

const [PF, NO_SHADOW] = [14, 0xffffffff];

/**
 * (cpu) → 1 when the page fault that an instruction queued was delivered, RIP being that of the instruction: the dispatch loop goes on with
 * the handler. What steps, traps, exits or has to be told of is left to `deliverException`.
 */
const deliverPageFault: RoutineDefinition = {
  name: 'deliverPageFault',
  parameters: ['i32'],
  result: 'i32',
  build(r) {
    const zero = r.const(0);
    const isOrdinary = r.andB(r.eq(r.state('excPending'), r.const(1)), r.eq(r.state('excVector'), r.const(PF)));
    const stops = r.or(r.and(r.state('sysFlags'), r.const(FLAG.T | FLAG.R)), r.and(r.state('request'), r.const(REQUEST.debug)));
    const told = r.or(r.or(r.state('debugTraps'), r.state('exclusive')), r.or(r.state('softwareFault'), r.state('watched')));
    const matches = r.eq(r.and(r.state('excError'), r.state('pageFaultMask')), r.state('pageFaultMatch'));
    const exits = r.andB(r.ne(r.state('nonRoot'), zero), r.notB(r.xorB(matches, r.bit(r.state('exceptionBitmap'), PF))));
    r.if(r.notB(all(r, isOrdinary, r.eq(r.or(stops, told), zero), r.notB(exits))), () => r.returns(r.i32(0)));
    const what = r.i32(DELIVERY.fault | DELIVERY.error);
    r.if(r.truth(r.ir.numeric('i32.eqz', r.call('deliver', 'i32', r.cpu, r.i32(PF), what))), () => r.returns(r.i32(0)));
    r.setState('shadowBudget', r.const(NO_SHADOW));
    r.returns(r.i32(1));
  },
};

/** The same for regions, which leave the unusual to the interpreter: 0, and nothing was done. */
export const forRegions = (quick: RoutineDefinition): RoutineDefinition => ({
  ...quick,
  name: quick.name.replace('quick', 'region'),
  build(r) {
    r.refuses = true;
    quick.build(r);
  },
});

export const privilegeRoutines: readonly RoutineDefinition[] = [
  ...[syscall, sysret, iret, deliver, deliverPageFault],
  ...[syscall, sysret, iret].map(forRegions),
];
