/**
 * FXSAVE, FXRSTOR, XSAVE and XRSTOR as 64-bit systems use them: the area lies in memory, both components are meant and there, and no x87
 * exception is pending. The rest is `fpu/save-area.ts`, which says what the fields are.
 */
import type { Int } from '../../isa/emitter.ts';
import type { SlowName } from '../../isa/fields.ts';
import { FIXED } from '../../memory/index.ts';
import type { Node } from '../ir/node.ts';
import { STATUS } from '../regions.ts';
import { offsetOf } from '../state.ts';
import { ACCESS, TRANSLATED } from './physical.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

const PAGE = 4096;
const ITEM = 16;
const BOTH = 3;
const [MXCSR, REGISTERS, XMM, HEADER] = [24, 32, 160, 512];
const [LEGACY_BYTES, AREA_BYTES] = [512, 576];
const MXCSR_MASK = 0xffff;
const ES = 0x80;
const EXCEPTIONS = 0x3f;
const [FPR, XMM_STATE] = [offsetOf('fpr'), offsetOf('xmm')];

type Name = SlowName & ('fxsave' | 'fxrstor' | 'xsave' | 'xrstor');

/** Host address of the 16 bytes at an offset of the area. */
type Area = (offset: number) => Node;

/** The area may lie on two pages, but none of its items does; what is unusual is handed over. */
function area(r: Routine, write: boolean, bytes: number, handOver: () => void): Area {
  const linear = r.parameterInt(2);
  const plain = r.andB(r.ne(r.state('longMode'), r.const(0)), r.eq(r.state('slowData'), r.const(0)));
  r.if(r.notB(r.andB(r.none(linear, ITEM - 1), plain)), handOver);
  const user = r.eq(r.state('cpl'), r.const(3));
  const bits = (write ? ACCESS.write : 0) | ACCESS.probe;
  const reach = (address: Int): Int => {
    const at = r.callInt('translate', r.cpu, address, r.select(user, r.const(bits | ACCESS.user), r.const(bits)));
    r.if(r.any(at, TRANSLATED.fault | TRANSLATED.bus), handOver);
    if (write) {
      const info = r.wrap(r.shl(64, r.shr(64, at, r.const(12)), r.const(4)));
      r.if(r.ne(r.hostLoad(64, info, FIXED.pageInfo), r.const(0)), handOver);
    }
    return at;
  };
  const first = reach(linear);
  const left = r.sub(64, r.const(PAGE), r.and(linear, r.const(PAGE - 1)));
  const second = r.var(first);
  r.if(r.ltU(left, r.const(bytes)), () => r.set(second, r.sub(64, reach(r.add(64, linear, left)), left)));
  return (offset) => r.wrap(r.add(64, r.select(r.ltU(r.const(offset), left), first, r.get(second)), r.const(offset)));
}

/** Address of ST(i) less the place of the registers in the state. */
function stackRegister(r: Routine, i: number): Node {
  const number = r.and(r.add(64, r.state('ftop'), r.const(i)), r.const(7));
  return r.plus(r.cpu, r.wrap(r.shl(64, number, r.const(4))));
}

function save(r: Routine, at: Area): void {
  const place = (value: Int, bit: number): Int => r.shl(64, value, r.const(bit));
  const status = r.or(r.state('fsw'), place(r.state('ftop'), 11));
  const head = r.or(r.or(r.state('fcw'), place(status, 16)), r.or(place(r.state('ftag'), 32), place(r.state('fop'), 48)));
  const isWide = r.ne(r.parameterInt(3), r.const(0));
  const pointer = (offset: Int, selector: Int): Int => r.select(isWide, offset, r.or(r.trunc(32, offset), place(selector, 32)));
  r.hostStore(64, at(0), head);
  r.hostStore(64, at(0), pointer(r.state('fip'), r.state('fcs')), 8);
  r.hostStore(64, at(16), pointer(r.state('fdp'), r.state('fds')));
  for (let i = 0; i < 8; i++) {
    const register = stackRegister(r, i);
    const item = at(REGISTERS + 16 * i);
    r.hostStore(64, item, r.hostLoad(64, register, FPR));
    r.hostStore(64, item, r.hostLoad(16, register, FPR + 8), 8);
  }
  r.hostStore(64, at(MXCSR & -ITEM), r.or(r.state('mxcsr'), r.const(BigInt(MXCSR_MASK) << 32n)), MXCSR % ITEM);
  for (let i = 0; i < 16; i++) r.ir.storeV(at(XMM + 16 * i), r.ir.loadV(r.cpu, XMM_STATE + 16 * i));
}

function load(r: Routine, at: Area, handOver: () => void): void {
  const head = r.hostLoad(64, at(0));
  const fcw = r.or(r.and(head, r.const(0x1f3f)), r.const(0x40));
  const status = r.and(r.shr(64, head, r.const(16)), r.const(0xffff));
  const pending = r.and(r.and(status, r.not(64, fcw)), r.const(EXCEPTIONS));
  const mxcsr = r.hostLoad(32, at(MXCSR & -ITEM), MXCSR % ITEM);
  const quiet = r.andB(r.eq(pending, r.const(0)), r.none(r.state('fsw'), ES));
  r.if(r.notB(r.andB(quiet, r.none(mxcsr, 0xffffffff & ~MXCSR_MASK))), handOver);
  const mask = r.select(r.ne(r.parameterInt(3), r.const(0)), r.const(-1n), r.const(0xffffffff));
  r.setState('fcw', fcw);
  r.setState('ferr', r.const(0)); // no exception was pending
  r.setState('ftop', r.and(r.shr(64, status, r.const(11)), r.const(7)));
  r.setState('fsw', r.and(status, r.const(0x477f)));
  r.setState('ftag', r.and(r.shr(64, head, r.const(32)), r.const(0xff)));
  r.setState('fop', r.and(r.shr(64, head, r.const(48)), r.const(0x7ff)));
  r.setState('fip', r.and(r.hostLoad(64, at(0), 8), mask));
  r.setState('fdp', r.and(r.hostLoad(64, at(16)), mask));
  r.setState('fcs', r.const(0));
  r.setState('fds', r.const(0));
  for (let i = 0; i < 8; i++) {
    const register = stackRegister(r, i);
    const item = at(REGISTERS + 16 * i);
    r.hostStore(64, register, r.hostLoad(64, item), FPR);
    r.hostStore(64, register, r.hostLoad(16, item, 8), FPR + 8);
  }
  r.setState('mxcsr', mxcsr);
  for (let i = 0; i < 16; i++) r.ir.storeV(r.cpu, r.ir.loadV(at(XMM + 16 * i)), XMM_STATE + 16 * i);
}

function routine(name: Name, build: (r: Routine, handOver: () => void) => void): RoutineDefinition {
  const parameters = name === 'xsave' ? (['i32', 'i32', 'i64', 'i64', 'i64'] as const) : (['i32', 'i32', 'i64', 'i64'] as const);
  return {
    name: `quick.${name}`,
    parameters,
    result: 'i32',
    build: (r) => build(r, () => r.handOver(name, ...parameters.slice(2).map((_, i) => r.parameterInt(2 + i)))),
  };
}

/** Are both components asked for? */
const asked = (r: Routine) => r.eq(r.and(r.and(r.state('xcr0'), r.gpr(0)), r.const(BOTH)), r.const(BOTH));

export const saveAreaRoutines: readonly RoutineDefinition[] = [
  routine('fxsave', (r, handOver) => {
    save(r, area(r, true, LEGACY_BYTES, handOver));
    r.returns(r.i32(STATUS.next));
  }),
  routine('fxrstor', (r, handOver) => {
    load(r, area(r, false, LEGACY_BYTES, handOver), handOver);
    r.returns(r.i32(STATUS.fall));
  }),
  routine('xsave', (r, handOver) => {
    r.if(r.notB(asked(r)), handOver);
    const at = area(r, true, AREA_BYTES, handOver);
    save(r, at);
    r.hostStore(64, at(HEADER), r.or(r.hostLoad(64, at(HEADER)), r.const(BOTH)));
    r.returns(r.i32(STATUS.next));
  }),
  routine('xrstor', (r, handOver) => {
    r.if(r.notB(asked(r)), handOver);
    const at = area(r, false, AREA_BYTES, handOver);
    const reserved = r.or(r.hostLoad(64, at(HEADER), 8), r.hostLoad(64, at(HEADER + 16)));
    // Bits beyond XCR0, which has no others here, are refused by the general routine.
    r.if(r.ne(r.or(r.xor(r.hostLoad(64, at(HEADER)), r.const(BOTH)), reserved), r.const(0)), handOver);
    load(r, at, handOver);
    r.returns(r.i32(STATUS.fall));
  }),
];
