import type { Int } from '../../isa/emitter.ts';
import { FIXED, PHYS, PHYSICAL_END } from '../../memory/index.ts';
import type { Routine, RoutineDefinition } from './routine.ts';

/**
 * Kind of an access, as `translate` takes it. `probe` queues no exception; `uncached` neither looks at the TLB nor makes an entry;
 * `table` reads an entry of the guest's page tables; `noLinear`: no linear address led here.
 */
export const ACCESS = { write: 1, fetch: 2, user: 4, implicit: 8, probe: 16, uncached: 32, table: 64, noLinear: 128 } as const;
/** Result bits of `translate` when it is no host address: the access faulted; or it goes to the bus, physical address in the low bits. */
export const TRANSLATED = { fault: 1n << 63n, bus: 1n << 62n } as const;

/** Entry of the table of physical pages, 0 beyond its end. */
export function physicalEntry(r: Routine, pa: Int): Int {
  const entry = r.var(r.const(0));
  r.if(r.ltU(pa, r.const(PHYSICAL_END)), () => {
    const at = r.ir.numeric('i32.shl', r.wrap(r.shr(64, pa, r.const(12))), r.i32(2));
    r.set(entry, r.hostLoad(32, r.plus(at, r.wrap(r.state('busTable')))));
  });
  return r.get(entry);
}

/** Before the first write to a logged page: clear LOG, then set the page's bit, both atomically and in this order. */
export const markDirty: RoutineDefinition = {
  name: 'markDirty',
  parameters: ['i64', 'i64'],
  result: 'i32',
  build(r) {
    const [pa, entry] = [r.parameterInt(0), r.parameterInt(1)];
    const at = r.ir.numeric('i32.shl', r.wrap(r.shr(64, pa, r.const(12))), r.i32(2));
    r.ir.atomic('i32.atomic.rmw.and', FIXED.physTable, 'i32', at, r.i32(~PHYS.LOG));
    const hostPage = r.shr(64, entry, r.const(12));
    const word = r.ir.numeric('i32.shl', r.wrap(r.shr(64, hostPage, r.const(5))), r.i32(2));
    const bit = r.wrap(r.shl(64, r.const(1), r.and(hostPage, r.const(31))));
    r.ir.atomic('i32.atomic.rmw.or', FIXED.dirtyBits, 'i32', word, bit);
    r.returns(r.i32(0));
  },
};

/** Accessed and dirty flags are writes to memory too. */
export function logTableWrite(r: Routine, pa: Int): void {
  const page = physicalEntry(r, pa);
  r.if(r.any(page, PHYS.LOG), () => {
    r.call('markDirty', 'i32', pa, page);
  });
}
