import type { Int } from '../../isa/emitter.ts';
import { REC } from '../regions.ts';
import type { Routine } from './routine.ts';

/** RIP after the instruction whose record is parameter 1, cut to the size of the code segment. */
export function nextIp(r: Routine): Int {
  const next = r.add(64, r.state('ripBase'), r.hostLoad(16, r.parameter(1), REC.nextIp));
  const legacy = r.select(r.eq(r.and(r.state('modeKey'), r.const(3)), r.const(0)), r.const(0xffff), r.const(0xffffffff));
  return r.and(next, r.select(r.ne(r.state('longMode'), r.const(0)), r.const(-1n), legacy));
}
