/** What a region with code of several pages asks when it is entered. */
import { FIXED } from '../../memory/index.ts';
import type { IrBuilder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';
import { CPU_FAR, CPU_FAR_TAGS, CPU_LINK_EPOCH, FAR_ENTRY, FAR_ENTRY_BYTES, FAR_TAG, FAR_TAG_BYTES } from '../regions.ts';
import { offsetOf } from '../state.ts';

/**
 * The other pages lie where they did and nobody has written to any code: both are so until the region is left, as for the page of its entry,
 * because what could change that is for the interpreter or seen by the poll. `entry`: the region's of the vCPU (`FAR_ENTRY`); `tag`: as
 * the entry's.
 */
export function checkPages(
  ir: IrBuilder,
  { cpu, tag, long }: { readonly cpu: Node; readonly tag: Node; readonly long: boolean },
  entry: number,
): void {
  const [at, tags] = [CPU_FAR + FAR_ENTRY_BYTES * entry, CPU_FAR_TAGS + FAR_TAG_BYTES * entry];
  const found = ir.numeric('i64.eq', ir.load('i64.load', cpu, tags + FAR_TAG.tag), tag);
  const writes = ir.load('i32.load', ir.const32(0), FIXED.codeEpoch);
  const epoch = ir.numeric('i32.add', writes, ir.load('i32.load', cpu, CPU_LINK_EPOCH));
  const unchanged = ir.numeric('i32.eq', epoch, ir.load('i32.load', cpu, tags + FAR_TAG.epoch));
  let ready = ir.numeric('i32.and', found, unchanged);
  // Elsewhere code lies in a segment that may be another one.
  if (!long) {
    const limit = ir.numeric('i32.xor', ir.load('i32.load', cpu, offsetOf('csLimit')), ir.const32(-1));
    const other = ir.numeric('i32.or', ir.load('i32.load', cpu, offsetOf('fetchBase')), limit);
    ready = ir.numeric('i32.and', ready, ir.numeric('i32.eqz', other));
  }
  ir.if(ir.numeric('i32.eqz', ready), () => {
    const now = ir.call('farReady', 'i32', [cpu, ir.const32(entry), tag], true);
    ir.if(ir.numeric('i32.eqz', now), () =>
      ir.exit({ exit: 'instead', cpu, slot: ir.load('i32.load', cpu, at + FAR_ENTRY.instead) }),
    );
  });
}
