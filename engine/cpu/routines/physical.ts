import type { Int } from '../../isa/emitter.ts';
import { PHYSICAL_END } from '../../memory/index.ts';
import type { Routine } from './routine.ts';

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
