/** The block at RIP where its page and the block itself are known; what else there is to do is TypeScript's. */
import type { Bool, Int } from '../../isa/emitter.ts';
import type { Node } from '../ir/node.ts';
import {
  BLOCK,
  BLOCK_ENTRIES,
  BLOCK_ENTRY,
  CODE_PAGE,
  CODE_PAGES,
  CPU_BLOCKS,
  CPU_CODE_PAGES,
  CPU_JUMPS,
  JUMP_ENTRIES,
  JUMP_ENTRY,
} from '../regions.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

/** Is code with this key in the present address space, or in a page that all of them share? */
export const isOurs = (r: Routine, key: Int): Bool => r.orB(r.eq(key, r.state('jumpKey')), r.eq(key, r.state('globalJumpKey')));

const mixed = (r: Routine, address: Int): Int => r.xor(address, r.shr(64, address, r.const(12)));
const slot = (r: Routine, index: Int, entries: number): Node =>
  r.plus(r.cpu, r.wrap(r.shl(64, r.and(index, r.const(entries - 1)), r.const(4))));

/** Was neither page of the block written since it was decoded? */
function isCurrent(r: Routine, block: Node): Bool {
  const fits = (at: number, generation: number): Bool =>
    r.eq(r.hostLoad(32, r.ir.load('i32.load', block, at)), r.hostLoad(32, block, generation));
  return r.andB(fits(BLOCK.generationAt, BLOCK.generation), fits(BLOCK.generationAt2, BLOCK.generation2));
}

/** (cpu) → block at RIP, which enters the jump cache; 0 as `lookupSlow` says. */
const lookup: RoutineDefinition = {
  name: 'lookup',
  parameters: ['i32'],
  result: 'i32',
  build(r) {
    const linear = r.add(64, r.state('rip'), r.state('fetchBase'));
    const page = slot(r, r.shr(64, linear, r.const(12)), CODE_PAGES);
    const key = r.hostLoad(32, page, CPU_CODE_PAGES + CODE_PAGE.key);
    const samePage = r.eq(r.hostLoad(64, page, CPU_CODE_PAGES + CODE_PAGE.linear), r.and(linear, r.const(~0xfffn)));
    // Legacy segments end anywhere.
    const known = r.andB(r.andB(samePage, isOurs(r, key)), r.ne(r.state('longMode'), r.const(0)));
    r.if(known, () => {
      const inside = r.and(linear, r.const(0xfff));
      const host = r.or(r.hostLoad(32, page, CPU_CODE_PAGES + CODE_PAGE.host), inside);
      const entry = slot(r, mixed(r, host), BLOCK_ENTRIES);
      const sameHost = r.eq(r.hostLoad(32, entry, CPU_BLOCKS + BLOCK_ENTRY.host), host);
      const sameMode = r.eq(r.hostLoad(32, entry, CPU_BLOCKS + BLOCK_ENTRY.mode), r.state('modeKey'));
      r.if(r.andB(sameHost, sameMode), () => {
        const block = r.ir.load('i32.load', entry, CPU_BLOCKS + BLOCK_ENTRY.block);
        r.if(isCurrent(r, block), () => {
          const jump = slot(r, mixed(r, linear), JUMP_ENTRIES);
          r.hostStore(64, jump, linear, CPU_JUMPS + JUMP_ENTRY.linear);
          r.hostStore(32, jump, key, CPU_JUMPS + JUMP_ENTRY.key);
          r.ir.store('i32.store', jump, block, CPU_JUMPS + JUMP_ENTRY.block);
          r.returns(block);
        });
      });
    });
    r.returns(r.call('lookupSlow', 'i32', r.cpu));
  },
};

export const lookupRoutines: readonly RoutineDefinition[] = [lookup];
