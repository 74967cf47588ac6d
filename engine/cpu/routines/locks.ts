import { FIXED } from '../../memory/index.ts';
import type { RoutineDefinition } from './routine.ts';

/** CMPXCHG16B and misaligned locked updates cannot be one wasm atomic: all of a machine's take turns on one word. */
const lockPair: RoutineDefinition = {
  name: 'lockPair',
  parameters: [],
  result: 'i32',
  build(r) {
    const held = r.var(r.const(1));
    r.while(
      () => r.ne(r.get(held), r.const(0)),
      () => {
        const before = r.ir.atomic('i32.atomic.rmw.cmpxchg', FIXED.pairLock, 'i32', r.i32(0), r.i32(0), r.i32(1));
        r.set(held, r.unsigned(before));
      },
    );
    r.returns(r.i32(0));
  },
};

const unlockPair: RoutineDefinition = {
  name: 'unlockPair',
  parameters: [],
  result: 'i32',
  build(r) {
    r.ir.atomic('i32.atomic.rmw.and', FIXED.pairLock, 'i32', r.i32(0), r.i32(0));
    r.returns(r.i32(0));
  },
};

export const lockRoutines = [lockPair, unlockPair] as const;
