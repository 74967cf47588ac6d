/** Encoding of a memory operand as ModRM, SIB and displacement (SDM vol. 2, 2.1.5). */
import type { AddressWidth } from './emitter.ts';

export interface MemoryOperand {
  readonly kind: 'mem';
  /** Bits, 0 when the text does not say. */
  readonly width: number;
  /** Register numbers 0 to 15, -1 for none. */
  readonly base: number;
  readonly index: number;
  /** Shift of the index, 0 to 3. */
  readonly scale: number;
  /** With `ripRelative`: the absolute target. */
  readonly displacement: bigint;
  readonly ripRelative: boolean;
  /** From the registers used; 0 when there are none. */
  readonly addressWidth: AddressWidth | 0;
  /** Override, -1 for none. */
  readonly segment: number;
}

const fits = (value: bigint, bits: number): boolean => BigInt.asIntN(bits, value) === value;

function pushBytes(out: number[], value: bigint, bytes: number): void {
  for (let i = 0; i < bytes; i++) out.push(Number((value >> BigInt(8 * i)) & 0xffn));
}

/** ModRM without its reg field, SIB and displacement; REX bits X and B. `undefined` when it cannot be encoded. */
export function encodeMemory(
  m: MemoryOperand,
  mode: { code: 16 | 32 | 64; addressWidth: AddressWidth },
): { bytes: number[]; rex: number } | undefined {
  if (m.addressWidth !== 0 && m.addressWidth !== mode.addressWidth) return undefined;
  if ((mode.code === 64 && mode.addressWidth === 16) || (mode.code !== 64 && mode.addressWidth === 64)) return undefined;
  const displacement = BigInt.asIntN(mode.addressWidth, m.displacement);
  if (mode.addressWidth === 16) return encode16(m, displacement);
  if (m.ripRelative) return mode.code === 64 ? { bytes: [0x05, 0, 0, 0, 0], rex: 0 } : undefined;
  if (!fits(displacement, 32)) return undefined;
  const rex = (m.base >= 8 ? 1 : 0) | (m.index >= 8 ? 2 : 0);
  const bytes: number[] = [];
  if (m.base < 0) {
    if (m.index < 0 && mode.code !== 64) bytes.push(0x05);
    else bytes.push(0x04, (m.scale << 6) | ((m.index < 0 ? 4 : m.index & 7) << 3) | 5);
    pushBytes(bytes, displacement, 4);
    return { bytes, rex };
  }
  const mod = displacement === 0n && (m.base & 7) !== 5 ? 0 : fits(displacement, 8) ? 1 : 2;
  if (m.index >= 0 || (m.base & 7) === 4)
    bytes.push((mod << 6) | 4, (m.scale << 6) | ((m.index < 0 ? 4 : m.index & 7) << 3) | (m.base & 7));
  else bytes.push((mod << 6) | (m.base & 7));
  if (mod !== 0) pushBytes(bytes, displacement, mod === 1 ? 1 : 4);
  return { bytes, rex };
}

/** BX+SI, BX+DI, BP+SI, BP+DI, SI, DI, BP, BX by number. */
const PAIRS = ['3,6', '3,7', '5,6', '5,7', '6,-1', '7,-1', '5,-1', '3,-1'];

function encode16(m: MemoryOperand, displacement: bigint): { bytes: number[]; rex: number } | undefined {
  if (m.scale !== 0) return undefined;
  const bytes: number[] = [];
  if (m.base < 0 && m.index < 0) {
    bytes.push(0x06);
    pushBytes(bytes, displacement, 2);
    return { bytes, rex: 0 };
  }
  const direct = PAIRS.indexOf(`${m.base < 0 ? m.index : m.base},${m.base < 0 ? -1 : m.index}`);
  const rm = direct >= 0 ? direct : PAIRS.indexOf(`${m.index},${m.base}`);
  if (rm < 0) return undefined;
  const mod = displacement === 0n && rm !== 6 ? 0 : fits(displacement, 8) ? 1 : 2;
  bytes.push((mod << 6) | rm);
  if (mod !== 0) pushBytes(bytes, displacement, mod);
  return { bytes, rex: 0 };
}
