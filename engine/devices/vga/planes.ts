/** How the graphics controller and the sequencer read and write the four planes. Spec: IBM, graphics controller registers. */
import { planeMask, type VgaRegisters, windowOf } from './registers.ts';
import { Dispi, Gfx, GfxMisc, GfxMode, Seq, SeqMemory } from './spec.ts';
import type { VideoMemory } from './video-memory.ts';

/** Registers with the latches, which every read of the window loads. */
export interface LatchedRegisters extends VgaRegisters {
  latch: number;
}

/** One byte of a word for each bit of a nibble: all ones where the bit is set. */
const PLANES = Uint32Array.from({ length: 16 }, (_, bits) => {
  return [0, 1, 2, 3].reduce((word, plane) => word | ((bits >>> plane) & 1 ? 0xff << (8 * plane) : 0), 0);
});
const planesOf = (bits: number): number => PLANES[bits & 0x0f] as number;

/** Where a byte of the window lies: offset in the planes, and the planes that its address alone selects. */
interface Place {
  readonly offset: number;
  readonly planes: number;
}

function placeOf(registers: VgaRegisters, at: number, bytes: number): Place | undefined {
  const window = windowOf(registers);
  if (window === undefined || at < window.at || at >= window.at + window.size) return undefined;
  const address = at - window.at;
  const mask = planeMask(registers, bytes);
  const memory = registers.seq[Seq.Memory] as number;
  if (mask !== 0xffff) {
    // The display interface at 4 bits: planes alone, with a bank in front.
    return { offset: ((registers.dispi[Dispi.Bank] as number) * 0x1_0000 + address) & mask, planes: 0x0f };
  }
  if ((memory & SeqMemory.Chain4) !== 0) return { offset: (address >>> 2) & mask, planes: 1 << (address & 3) };
  const odd = (memory & SeqMemory.Sequential) === 0;
  const chained = ((registers.gfx[Gfx.Misc] as number) & GfxMisc.ChainOddEven) !== 0;
  const planes = odd ? 0x05 << (address & 1) : 0x0f;
  return { offset: (chained ? address >>> 1 : address) & mask, planes };
}

/** One byte of the window, `at` from its start at A0000h; loads the latches. Nothing there reads as ones. */
export function readPlanes(registers: LatchedRegisters, { words, bytes }: VideoMemory, at: number): number {
  const place = placeOf(registers, at, bytes.length);
  if (place === undefined) return 0xff;
  const latch = words[place.offset] as number;
  registers.latch = latch;
  const { gfx, seq } = registers;
  const mode = gfx[Gfx.Mode] as number;
  if ((mode & GfxMode.ReadCompare) !== 0) {
    const differs = (latch ^ planesOf(gfx[Gfx.ColorCompare] as number)) & planesOf(gfx[Gfx.ColorCare] as number);
    const any = differs | (differs >>> 16);
    return ~(any | (any >>> 8)) & 0xff;
  }
  let plane = (gfx[Gfx.ReadMap] as number) & 3;
  if (((seq[Seq.Memory] as number) & SeqMemory.Chain4) !== 0) plane = at & 3;
  else if ((mode & GfxMode.OddEven) !== 0) plane = (plane & 2) | (at & 1);
  return (latch >>> (8 * plane)) & 0xff;
}

/** Write one byte of the window. */
export function writePlanes(registers: LatchedRegisters, video: VideoMemory, access: { at: number; value: number }): void {
  const { words, bytes } = video;
  const place = placeOf(registers, access.at, bytes.length);
  if (place === undefined) return;
  const { gfx, seq, latch } = registers;
  const planes = planesOf((seq[Seq.MapMask] as number) & place.planes);
  if (planes === 0) return;
  const value = fromProcessor(gfx, access.value, latch);
  words[place.offset] = ((words[place.offset] as number) & ~planes) | (value & planes);
  video.mark(place.offset * 4);
}

/** What the graphics controller sends to the planes for a byte of the processor. */
function fromProcessor(gfx: Uint8Array, byte: number, latch: number): number {
  const mode = (gfx[Gfx.Mode] as number) & GfxMode.Write;
  if (mode === 1) return latch;
  const rotate = gfx[Gfx.Rotate] as number;
  const count = rotate & 7;
  const rotated = ((byte >>> count) | (byte << (8 - count))) & 0xff;
  const color = planesOf(gfx[Gfx.SetReset] as number);
  let bits = gfx[Gfx.BitMask] as number;
  let value: number;
  if (mode === 0) {
    const set = planesOf(gfx[Gfx.EnableSetReset] as number);
    value = (Math.imul(rotated, 0x01010101) & ~set) | (color & set);
  } else if (mode === 2) value = planesOf(byte);
  else {
    bits &= rotated;
    value = color;
  }
  const operation = (rotate >>> 3) & 3;
  if (operation === 1) value &= latch;
  else if (operation === 2) value |= latch;
  else if (operation === 3) value ^= latch;
  const mask = Math.imul(bits, 0x01010101);
  return (value & mask) | (latch & ~mask);
}
