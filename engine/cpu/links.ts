/** Links between regions (`LINK_ENTRY`), as far as TypeScript has to do with them. */
import { CPU_LINK_EPOCH } from './regions.ts';

/**
 * All links of a vCPU are made anew: what a linear address leads to may be something else, or the slot of a region another region. Writes to
 * code are counted by themselves.
 */
export function forgetLinks(u32: Uint32Array, base: number): void {
  const at = (base + CPU_LINK_EPOCH) >>> 2;
  u32[at] = (u32[at] as number) + 1;
}
