/** Many string elements at once, inside one page, where no element can fault. */
import type { Int } from '../../isa/emitter.ts';
import { FIXED } from '../../memory/index.ts';
import { FLAT } from '../derived.ts';
import { CPU_TLB, TLB_ENTRIES, TLB_ENTRY, TLB_ENTRY_BYTES } from '../regions.ts';
import { ACCESS, TRANSLATED } from './paging.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

const ES = 0;
const [TF, DF] = [1 << 8, 1 << 10];
const [RAX, RCX, RSI, RDI] = [0, 1, 6, 7] as const;

/**
 * Host address of a page's bytes for a probe access, from the TLB where it knows; returns 0 from the routine when they cannot be reached
 * directly.
 */
function direct(r: Routine, linear: Int, write: boolean): Int {
  const entry = r.plus(r.cpu, r.wrap(r.and(r.shr(64, linear, r.const(7)), r.const((TLB_ENTRIES - 1) * TLB_ENTRY_BYTES))));
  const tag = r.or(r.and(linear, r.const(~4095)), r.state('context'));
  const known = r.hostLoad(64, entry, CPU_TLB + (write ? TLB_ENTRY.writeTag : TLB_ENTRY.readTag));
  const found = r.var(r.const(0));
  r.if(
    r.eq(known, tag),
    () => r.set(found, r.trunc(32, r.add(64, linear, r.hostLoad(32, entry, CPU_TLB + TLB_ENTRY.addend)))),
    () => r.set(found, walked(r, linear, write)),
  );
  return r.get(found);
}

function walked(r: Routine, linear: Int, write: boolean): Int {
  const user = r.eq(r.state('cpl'), r.const(3));
  const bits = (write ? ACCESS.write : 0) | ACCESS.probe;
  const at = r.callInt('translate', r.cpu, linear, r.select(user, r.const(bits | ACCESS.user), r.const(bits)));
  r.if(r.any(at, TRANSLATED.fault | TRANSLATED.bus), () => r.returns(r.const(0)));
  if (write) {
    const info = r.wrap(r.shl(64, r.shr(64, at, r.const(12)), r.const(4)));
    r.if(r.ne(r.hostLoad(64, info, FIXED.pageInfo), r.const(0)), () => r.returns(r.const(0)));
  }
  return at;
}

/** Elements that fit before the end of the page. */
function fitting(r: Routine, linear: Int, bytes: Int): Int {
  return r.divU(r.sub(64, r.const(4096), r.and(linear, r.const(4095))), bytes);
}

function least(r: Routine, a: Int, b: Int): Int {
  return r.select(r.ltU(a, b), a, b);
}

/** The same backwards, to the beginning of the page; none when the first one reaches over its end. */
function fittingBelow(r: Routine, linear: Int, bytes: Int): Int {
  const inside = r.and(linear, r.const(4095));
  const crosses = r.ltU(r.const(4096), r.add(64, inside, bytes));
  return r.select(crosses, r.const(0), r.add(64, r.divU(inside, bytes), r.const(1)));
}

/** What the count and offsets have of their registers: all bits in 64-bit code, elsewhere 32. */
const maskOf = (r: Routine): Int => r.select(r.ne(r.state('longMode'), r.const(0)), r.const(-1n), r.const(0xffffffff));

/**
 * Only 64-bit code with 64-bit addresses and other code with 32-bit addresses in flat segments, without watched data and with none of these
 * flags: a trap after each element, or backwards. Says how a register is read.
 */
function guard(r: Routine, shape: Int, flags: number): (register: number) => Int {
  const isFlat = r.any(r.state('modeKey'), 1 << (FLAT + ES));
  const width = r.select(r.ne(r.state('longMode'), r.const(0)), r.const(64), r.select(isFlat, r.const(32), r.const(0)));
  const plain = r.eq(r.shr(64, shape, r.const(8)), width);
  const free = r.andB(r.none(r.state('sysFlags'), flags), r.eq(r.state('slowData'), r.const(0)));
  r.if(r.notB(r.andB(plain, free)), () => r.returns(r.const(0)));
  const mask = maskOf(r);
  return (register) => r.and(r.gpr(register), mask);
}

/** (cpu, segment, base, checked, shape) → elements moved. */
const bulkMovs: RoutineDefinition = {
  name: 'bulkMovs',
  parameters: ['i32', 'i32', 'i64', 'i32', 'i32'],
  result: 'i64',
  build(r) {
    const shape = r.unsigned(r.parameter(4));
    // A segment that is checked is none of 64-bit code, and not flat.
    r.if(r.truth(r.parameter(3)), () => r.returns(r.const(0)));
    const read = guard(r, shape, TF);
    const bytes = r.and(shape, r.const(0xff));
    const from = r.add(64, read(RSI), r.parameterInt(2));
    const [to, all] = [read(RDI), read(RCX)];
    const isDown = r.any(r.state('sysFlags'), DF);
    const room = (linear: Int): Int => r.select(isDown, fittingBelow(r, linear, bytes), fitting(r, linear, bytes));
    const count = least(r, all, least(r, room(from), room(to)));
    r.if(r.eq(count, r.const(0)), () => r.returns(r.const(0)));
    const source = direct(r, from, false);
    const target = direct(r, to, true);
    const length = r.mul(64, count, bytes);
    // One element after the other would copy again what it has written.
    const distance = r.sub(64, target, source);
    r.if(r.ltU(r.select(isDown, r.sub(64, r.const(0), distance), distance), length), () => r.returns(r.const(0)));
    const below = r.select(isDown, r.sub(64, length, bytes), r.const(0));
    r.ir.copy(r.wrap(r.sub(64, target, below)), r.wrap(r.sub(64, source, below)), r.wrap(length));
    const step = r.select(isDown, r.sub(64, r.const(0), length), length);
    const mask = maskOf(r);
    r.setGpr(RSI, r.and(r.add(64, r.gpr(RSI), step), mask));
    r.setGpr(RDI, r.and(r.add(64, to, step), mask));
    r.setGpr(RCX, r.sub(64, all, count));
    r.returns(count);
  },
};

/** (cpu, shape) → elements stored. */
const bulkStos: RoutineDefinition = {
  name: 'bulkStos',
  parameters: ['i32', 'i32'],
  result: 'i64',
  build(r) {
    const shape = r.unsigned(r.parameter(1));
    const read = guard(r, shape, DF | TF);
    const bytes = r.and(shape, r.const(0xff));
    const [to, all] = [read(RDI), read(RCX)];
    const count = least(r, all, fitting(r, to, bytes));
    r.if(r.eq(count, r.const(0)), () => r.returns(r.const(0)));
    const target = direct(r, to, true);
    const length = r.mul(64, count, bytes);
    const rax = r.gpr(RAX);
    const same = r.var(r.const(0));
    const low = r.trunc(8, rax);
    const spread = r.mul(64, low, r.const(0x0101010101010101n));
    const used = r.shr(64, r.const(-1n), r.sub(64, r.const(64), r.shl(64, bytes, r.const(3))));
    r.set(same, r.int(r.eq(r.and(rax, used), r.and(spread, used))));
    r.if(
      r.ne(r.get(same), r.const(0)),
      () => r.ir.fill(r.wrap(target), r.wrap(low), r.wrap(length)),
      () => {
        const at = r.var(target);
        const end = r.add(64, target, length);
        r.while(
          () => r.ltU(r.get(at), end),
          () => {
            const host = r.wrap(r.get(at));
            for (const width of [16, 32, 64] as const) {
              r.if(r.eq(bytes, r.const(width / 8)), () => r.hostStore(width, host, rax));
            }
            r.set(at, r.add(64, r.get(at), bytes));
          },
        );
      },
    );
    r.setGpr(RDI, r.and(r.add(64, to, length), maskOf(r)));
    r.setGpr(RCX, r.sub(64, all, count));
    r.returns(count);
  },
};

/** (as the routine for many elements) → 1: all are done, 0: an element needs more than that, or somebody asks for this vCPU. */
const whole = (kind: 'Movs' | 'Stos', { parameters }: RoutineDefinition): RoutineDefinition => ({
  name: `whole${kind}`,
  parameters,
  result: 'i64',
  build(r) {
    r.while(
      () => r.ne(r.and(r.gpr(RCX), maskOf(r)), r.const(0)),
      () => {
        r.if(r.ne(r.and(r.state('request'), r.state('pollMask')), r.const(0)), () => r.returns(r.const(0)));
        const done = r.callInt(`bulk${kind}`, ...parameters.map((_, i) => r.parameter(i)));
        r.if(r.eq(done, r.const(0)), () => r.returns(r.const(0)));
      },
    );
    r.returns(r.const(1));
  },
});

export const stringRoutines = [bulkMovs, bulkStos, whole('Movs', bulkMovs), whole('Stos', bulkStos)] as const;
