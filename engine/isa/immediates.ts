/** Immediates, displacements of branches and far pointers: lengths and values by layout. */
import type { Decoded } from './decoded.ts';
import { LAYOUT } from './table.ts';

export const signed32 = (b: Uint8Array, i: number): number => b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24);
export const signed16 = (b: Uint8Array, i: number): number => ((b[i]! << 16) | (b[i + 1]! << 24)) >> 16;
const unsigned16 = (b: Uint8Array, i: number): number => b[i]! | (b[i + 1]! << 8);

/** Bytes a layout takes at this operand and address size. */
export function immediateBytes(layout: number, size: number, addressWidth: number): number {
  switch (layout) {
    case LAYOUT.none:
      return 0;
    case LAYOUT.ib:
      return 1;
    case LAYOUT.iw:
    case LAYOUT.ibib:
      return 2;
    case LAYOUT.iwib:
      return 3;
    case LAYOUT.id:
      return 4;
    case LAYOUT.iz:
      return size === 16 ? 2 : 4;
    case LAYOUT.iv:
      return size >> 3;
    case LAYOUT.far:
      return size === 16 ? 4 : 6;
    default:
      return addressWidth >> 3;
  }
}

/** A value of `bytes` bytes, extended to 64, as signed halves. */
function setImmediate(d: Decoded, value: number, signed: boolean): void {
  d.immediate = value;
  d.immediateHigh = signed ? value >> 31 : 0;
}

/** Fill the immediates of `d` from the bytes at `i`; they are known to be there. */
export function readImmediates(
  d: Decoded,
  layout: number,
  at: {
    readonly bytes: Uint8Array;
    readonly i: number;
    readonly size: number;
    readonly addressWidth: number;
    readonly signed: boolean;
  },
): void {
  const { bytes, i, size, addressWidth, signed } = at;
  switch (layout) {
    case LAYOUT.ib:
      setImmediate(d, signed ? (bytes[i]! << 24) >> 24 : bytes[i]!, signed);
      break;
    case LAYOUT.iw:
      setImmediate(d, unsigned16(bytes, i), false);
      break;
    case LAYOUT.id:
      setImmediate(d, signed32(bytes, i), signed);
      break;
    case LAYOUT.iz:
      setImmediate(d, size === 16 ? signed16(bytes, i) : signed32(bytes, i), signed);
      break;
    case LAYOUT.iv:
      setImmediate(d, size === 16 ? unsigned16(bytes, i) : signed32(bytes, i), false);
      if (size === 64) d.immediateHigh = signed32(bytes, i + 4);
      break;
    case LAYOUT.far:
      setImmediate(d, size === 16 ? unsigned16(bytes, i) : signed32(bytes, i), false);
      d.immediate2 = unsigned16(bytes, i + (size === 16 ? 2 : 4));
      break;
    case LAYOUT.iwib:
      setImmediate(d, unsigned16(bytes, i), false);
      d.immediate2 = bytes[i + 2]!;
      break;
    case LAYOUT.ibib:
      setImmediate(d, bytes[i]!, false);
      d.immediate2 = bytes[i + 1]!;
      break;
    default: // memory offset
      d.displacement = addressWidth === 16 ? unsigned16(bytes, i) : signed32(bytes, i);
      if (addressWidth === 64) d.displacementHigh = signed32(bytes, i + 4);
  }
}
