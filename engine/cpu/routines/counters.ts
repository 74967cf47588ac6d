/** RDTSC, RDTSCP and MOV from CR2 and CR3 where nothing forbids or intercepts them, and the fences and LDMXCSR of kernels. */
import type { Bool, Int } from '../../isa/emitter.ts';
import { sseIndex } from '../../isa/sse/ops.ts';
import { MXCSR_MASK } from '../fpu/mxcsr.ts';
import { offsetOf } from '../state.ts';
import { PIN, PROC, PROC2 } from '../vmx/fields.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

const CR4_TSD = 4;
const isRoot = (r: Routine): Bool => r.eq(r.state('nonRoot'), r.const(0));

/** The count: what the host says, moved by the offsets of vCPU and VMCS. */
function counter(name: 'rdtsc' | 'rdtscp'): RoutineDefinition {
  return {
    name: `quick.${name}`,
    parameters: ['i32', 'i32'],
    result: 'i32',
    build(r) {
      const open = r.orB(r.none(r.state('cr4'), CR4_TSD), r.eq(r.state('cpl'), r.const(0)));
      const passes = r.none(r.state('procControls'), PROC.rdtsc);
      const exists = name === 'rdtsc' ? passes : r.andB(passes, r.any(r.state('proc2Controls'), PROC2.rdtscp));
      // The general routine scales, and takes the exit of a timer that has run out.
      const timed = r.andB(r.any(r.state('pinControls'), PIN.preemptionTimer), r.eq(r.state('monitored'), r.const(0)));
      const plain = r.andB(r.eq(r.state('tscMultiplier'), r.const(0)), r.notB(timed));
      r.if(r.notB(r.andB(open, r.orB(isRoot(r), r.andB(exists, plain)))), () => r.handOver(name));
      r.call('hostTsc', 'i32', r.cpu);
      const offsets = r.add(64, r.state('tscOffset'), r.state('guestTscOffset'));
      r.results(r.add(64, r.stateElement('scratch', r.i32(4)), offsets));
      r.returns(r.i32(0));
    },
  };
}

const readControl: RoutineDefinition = {
  name: 'quick.readControl',
  parameters: ['i32', 'i32', 'i64'],
  result: 'i32',
  build(r) {
    const number = r.parameterInt(2);
    const give = (value: Int): void => {
      r.results(value);
      r.returns(r.i32(0));
    };
    r.if(r.eq(number, r.const(2)), () => give(r.state('cr2')));
    const open = r.orB(isRoot(r), r.none(r.state('procControls'), PROC.cr3Store));
    r.if(r.andB(r.eq(number, r.const(3)), open), () => give(r.state('cr3')));
    r.handOver('readControl', number);
  },
};

/** A locked access is a full barrier of the host processor. */
const fence: RoutineDefinition = {
  name: 'quick.fence',
  parameters: ['i32', 'i32'],
  result: 'i32',
  build(r) {
    r.ir.atomic('i32.atomic.rmw.or', offsetOf('scratch'), 'i32', r.cpu, r.i32(0));
    r.returns(r.i32(0));
  },
};

/** LDMXCSR: (cpu, record, value, nothing, nothing). Bits that this processor has not are refused by the general routine. */
const loadMxcsr: RoutineDefinition = {
  name: 'quick.loadMxcsr',
  parameters: ['i32', 'i32', 'i64', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const value = r.parameterInt(2);
    const op = r.const(BigInt(sseIndex('loadMxcsr')));
    r.if(r.any(value, ~BigInt(MXCSR_MASK) & 0xffffffffffffffffn), () => r.handOver('sse', op, value, r.const(0), r.const(0)));
    r.setState('mxcsr', value);
    r.returns(r.i32(0));
  },
};

export const counterRoutines: readonly RoutineDefinition[] = [counter('rdtsc'), counter('rdtscp'), readControl, fence, loadMxcsr];
