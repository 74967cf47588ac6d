/** MOV to CR3 in 64-bit code: from one known address space to another, or to one whose translations are forgotten. */

import { LAST_CONTEXT, RECENT_SPACE, RECENT_SPACES, STATUS } from '../regions.ts';
import { offsetOf } from '../state.ts';
import { PROC } from '../vmx/fields.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

const CR3 = 3;
const PCIDE = 1 << 17;
const NO_FLUSH = 1n << 63n;
const AC = 1 << 18;

const writeControl: RoutineDefinition = {
  name: 'quick.writeControl',
  parameters: ['i32', 'i32', 'i64', 'i64'],
  result: 'i32',
  build(r) {
    const [number, value] = [r.parameterInt(2), r.parameterInt(3)];
    const zero = r.const(0);
    const require = (condition: ReturnType<Routine['eq']>): void =>
      r.if(r.notB(condition), () => r.handOver('writeControl', number, value));
    const open = r.orB(r.eq(r.state('nonRoot'), zero), r.none(r.state('procControls'), PROC.cr3Load));
    require(r.andB(r.andB(r.eq(number, r.const(CR3)), r.eq(r.state('cpl'), zero)), open));
    require(r.andB(r.ne(r.state('longMode'), zero), r.eq(r.or(r.state('slowData'), r.state('watched')), zero)));
    const tagged = r.any(r.state('cr4'), PCIDE);
    const keep = r.andB(tagged, r.any(value, NO_FLUSH));
    const next = r.select(keep, r.and(value, r.const(NO_FLUSH - 1n)), value);
    require(r.eq(r.shr(64, next, r.state('physicalBits')), zero));
    const pcid = r.select(tagged, r.and(next, r.const(RECENT_SPACE.pcid)), zero);
    const slot = r.plus(r.cpu, r.wrap(r.shl(64, r.and(pcid, r.const(RECENT_SPACES - 1)), r.const(2))));
    const space = r.hostLoad(32, slot, offsetOf('recentSpaces'));
    const same = r.eq(r.and(space, r.const(RECENT_SPACE.pcid | RECENT_SPACE.known)), r.or(pcid, r.const(RECENT_SPACE.known)));
    const first = r.var(r.and(r.shr(64, space, r.const(RECENT_SPACE.shift)), r.const(LAST_CONTEXT)));
    r.if(
      keep,
      () => require(same),
      () => {
        const fresh = r.state('nextContext');
        require(r.andB(r.orB(same, r.eq(space, zero)), r.leU(r.add(64, fresh, r.const(8)), r.const(LAST_CONTEXT))));
        r.set(first, fresh);
        r.setState('nextContext', r.add(64, fresh, r.const(4)));
        const entry = r.or(r.or(pcid, r.const(RECENT_SPACE.known)), r.shl(64, fresh, r.const(RECENT_SPACE.shift)));
        r.hostStore(32, slot, entry, offsetOf('recentSpaces'));
      },
    );
    r.setState('cr3', next);
    for (let i = 0; i < 4; i++) r.hostStore(64, r.cpu, r.add(64, r.get(first), r.const(i)), offsetOf('contexts') + 8 * i);
    const context = r.add(64, r.get(first), r.select(r.any(r.state('sysFlags'), AC), r.const(2), zero));
    r.setState('context', context);
    r.setState('jumpKey', r.or(r.shl(64, r.state('codeKey'), r.const(12)), context));
    r.returns(r.i32(STATUS.fall));
  },
};

export const addressSpaceRoutines: readonly RoutineDefinition[] = [writeControl];
