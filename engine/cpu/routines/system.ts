import type { Bool } from '../../isa/emitter.ts';
import { offsetOf, REQUEST } from '../state.ts';
import type { RoutineDefinition } from './routine.ts';

const IF = 1 << 9;
const TF = 1 << 8;
const AC = 1 << 18;
const requestOffset = offsetOf('request');
const esBaseOffset = offsetOf('esBase');
const segmentStride = offsetOf('csBase') - offsetOf('esBase');

/** (cpu, bits): RFLAGS but the status flags, and what is derived from them. */
const setSystemFlags: RoutineDefinition = {
  name: 'setSystemFlags',
  parameters: ['i32', 'i64'],
  result: 'i32',
  build(r) {
    const bits = r.or(r.and(r.parameterInt(1), r.const(0x3f7700)), r.const(2));
    r.setState('sysFlags', bits);
    const open = r.orB(r.any(bits, IF), r.ne(r.state('interruptExits'), r.const(0)));
    const shut = r.select(
      open,
      r.const(0xffffffff & ~REQUEST.window),
      r.const(0xffffffff & ~(REQUEST.interrupt | REQUEST.window)),
    );
    r.setState('pollMask', r.select(r.any(bits, IF), r.const(0xffffffff), shut));
    const user = r.eq(r.state('cpl'), r.const(3));
    const index = r.or(r.int(user), r.select(r.any(bits, AC), r.const(2), r.const(0)));
    r.setState('context', r.stateElement('contexts', r.wrap(index)));
    const alignment = r.andB(r.andB(user, r.any(bits, AC)), r.any(r.state('cr0'), AC));
    r.setState('alignCheck', r.int(alignment));
    r.setState('slowData', r.or(r.and(r.state('slowData'), r.const(1)), r.select(alignment, r.const(2), r.const(0))));
    r.setState('globalContext', r.stateElement('globalContexts', r.wrap(index)));
    const mode = r.shl(64, r.state('codeKey'), r.const(12));
    r.setState('jumpKey', r.or(mode, r.state('context')));
    r.setState('globalJumpKey', r.or(mode, r.state('globalContext')));
    r.if(r.any(bits, TF), () => r.ir.atomic('i32.atomic.rmw.or', requestOffset, 'i32', r.cpu, r.i32(REQUEST.debug)));
    r.returns(r.i32(0));
  },
};

/** (cpu, target) → 1 with #GP(0) queued when near control transfer to the target is not allowed. */
const checkTarget: RoutineDefinition = {
  name: 'checkTarget',
  parameters: ['i32', 'i64'],
  result: 'i32',
  build(r) {
    const target = r.parameterInt(1);
    const bad = r.var(r.const(0));
    const refuse = (condition: Bool): void => r.set(bad, r.int(condition));
    r.if(
      r.ne(r.state('longMode'), r.const(0)),
      () => refuse(r.ne(r.sar(64, r.shl(64, target, r.const(16)), r.const(16)), target)),
      () => refuse(r.ltU(r.state('csLimit'), target)),
    );
    r.if(r.ne(r.get(bad), r.const(0)), () => r.queue(13, r.const(0)));
    r.returns(r.wrap(r.get(bad)));
  },
};

/**
 * (cpu, index, offset, bytes) → linear address. Index is the segment number for reads, plus 6 for writes. Outside the segment #SS(0) or
 * #GP(0) is queued.
 */
const segmentLinear: RoutineDefinition = {
  name: 'segmentLinear',
  parameters: ['i32', 'i32', 'i64', 'i32'],
  result: 'i64',
  build(r) {
    const index = r.parameter(1);
    const offset = r.parameterInt(2);
    const last = r.add(64, offset, r.sub(64, r.unsigned(r.parameter(3)), r.const(1)));
    const [low, high] = [r.stateElement('segLow', index), r.stateElement('segHigh', index)];
    // Accesses wrap around at the end of a segment of all 4 GiB, as processors have it.
    const whole = r.andB(r.eq(low, r.const(0)), r.eq(high, r.const(0xffffffff)));
    const inside = r.andB(r.leU(low, offset), r.orB(r.leU(last, high), whole));
    const isStack = r.eq(r.remU(r.unsigned(index), r.const(6)), r.const(2));
    r.if(r.notB(inside), () => {
      r.queue(13, r.const(0));
      r.if(isStack, () => r.setState('excVector', r.const(12)));
      r.returns(r.const(0));
    });
    const number = r.remU(r.unsigned(index), r.const(6));
    const at = r.plus(r.cpu, r.wrap(r.mul(64, number, r.const(segmentStride))));
    r.returns(r.trunc(32, r.add(64, r.hostLoad(64, at, esBaseOffset), offset)));
  },
};

export const systemRoutines = [setSystemFlags, checkTarget, segmentLinear] as const;
