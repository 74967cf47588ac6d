/** Where the x87 stack of a region lies in memory: it is counted from TOP as the region is entered. */
import type { IrBuilder } from '../ir/builder.ts';
import type { Node } from '../ir/node.ts';

/** Address of a register less the offset of register 0. `top`: an i32. */
export function turnedAddress(ir: IrBuilder, cpu: Node, { top, by }: { readonly top: Node; readonly by: number }): Node {
  const number = ir.numeric('i32.and', ir.numeric('i32.add', top, ir.const32(by)), ir.const32(7));
  return ir.numeric('i32.add', cpu, ir.numeric('i32.shl', number, ir.const32(4)));
}

/** Tags as memory has them, counted from TOP. */
export function turnedTags(ir: IrBuilder, tags: Node, top: Node): Node {
  const twice = ir.numeric('i64.mul', tags, ir.const64(0x101n));
  const turned = ir.numeric('i64.shr_u', twice, ir.numeric('i64.extend_i32_u', top));
  return ir.numeric('i64.and', turned, ir.const64(0xffn));
}
