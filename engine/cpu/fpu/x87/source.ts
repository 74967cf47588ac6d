/** Operands of arithmetic, comparisons and loads: registers or one of the memory formats. */
import { X87_FORMAT } from '../../../isa/x87/ops.ts';
import { loadWords, unpack32, unpack64, unpackInteger } from '../softfloat/formats.ts';
import type { Wide } from '../softfloat/wide.ts';
import * as unit from './unit.ts';

/** A source in one of the formats; `value` is a register number for `register`. */
export function loadSource(value: bigint, format: number, w: Wide): void {
  const words = loadWords(value);
  const low = words[0] as number;
  switch (format) {
    case X87_FORMAT.register:
      unit.load(low, w);
      return;
    case X87_FORMAT.f32:
      unpack32(low, w);
      return;
    case X87_FORMAT.f64:
      unpack64(words[1] as number, low, w);
      return;
    case X87_FORMAT.i16:
      unpackInteger((low << 16) >> 31 === 0 ? 0 : 0xffffffff, ((low << 16) >> 16) >>> 0, w);
      return;
    case X87_FORMAT.i32:
      unpackInteger(low >> 31 === 0 ? 0 : 0xffffffff, low, w);
      return;
    default:
      unpackInteger(words[1] as number, low, w);
  }
}

/** Is a register that the source names empty? */
export const sourceMissing = (value: bigint, format: number): boolean =>
  format === X87_FORMAT.register && unit.isEmpty(Number(value));
