/** Where a boot protocol may put things: RAM below 4 GiB without the areas that firmware keeps. */
import { EngineError } from '../base/errors.ts';
import { alignUp, type GuestWriter } from './bytes.ts';
import { CONVENTIONAL_END, FIRMWARE_END } from './e820.ts';
import { defect, type ElfFile } from './elf.ts';
import { lowRam, type Platform } from './platform.ts';

const PAGE = 4096;
const ZEROES = new Uint8Array(0x10000);

/** Is [start, start + size) wholly usable RAM below 4 GiB? */
export function isUsable(platform: Platform, start: number, size: number): boolean {
  if (!(start >= 0 && size >= 0)) return false;
  const end = start + size;
  return end <= Math.min(CONVENTIONAL_END, platform.ramBytes) || (start >= FIRMWARE_END && end <= lowRam(platform));
}

/** Write `size` zero bytes at `gpa` in pieces. */
export function clear(memory: GuestWriter, gpa: number, size: number): void {
  for (let done = 0; done < size; done += ZEROES.length) {
    memory.write(gpa + done, ZEROES.subarray(0, Math.min(ZEROES.length, size - done)));
  }
}

/** Does one of the executable's segments hold `gpa`? */
export function loads(elf: ElfFile, gpa: number): boolean {
  return elf.segments.some((segment) => gpa >= segment.gpa && gpa < segment.gpa + segment.memorySize);
}

/** Load all segments of an executable at their physical addresses; returns the first byte above them. */
export function loadSegments(
  file: string,
  elf: ElfFile,
  to: { readonly platform: Platform; readonly memory: GuestWriter },
): number {
  let end = 0;
  for (const { gpa, memorySize } of elf.segments) {
    if (!isUsable(to.platform, gpa, memorySize)) {
      if (gpa >= FIRMWARE_END && gpa + memorySize <= to.platform.ramHole.start) {
        throw new EngineError('boot-room', {
          what: 'kernel',
          bytes: memorySize,
          ramBytes: to.platform.ramBytes,
          neededBytes: gpa + memorySize,
        });
      }
      throw defect(file, `wants to be loaded at ${hex(gpa)}, where this PC has no usable memory`, 'name a kernel built for a PC');
    }
    end = Math.max(end, gpa + memorySize);
  }
  for (const { gpa, bytes, memorySize } of elf.segments) {
    to.memory.write(gpa, bytes);
    clear(to.memory, gpa + bytes.length, memorySize - bytes.length);
  }
  return end;
}

/** The highest page-aligned address for `size` bytes that ends below `limit` and stays above `floor`; `boot-room` when there is none. */
export function placeHigh(
  what: string,
  size: number,
  room: { readonly platform: Platform; readonly floor: number; readonly limit: number },
): number {
  const top = Math.min(lowRam(room.platform), room.limit);
  const at = Math.floor((top - size) / PAGE) * PAGE;
  const floor = alignUp(Math.max(room.floor, FIRMWARE_END), PAGE);
  if (at < floor) {
    throw new EngineError('boot-room', {
      what,
      bytes: size,
      ramBytes: room.platform.ramBytes,
      neededBytes: floor + alignUp(size, PAGE),
    });
  }
  return at;
}

const hex = (value: number): string => `0x${value.toString(16)}`;
