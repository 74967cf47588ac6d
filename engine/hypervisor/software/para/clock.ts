/**
 * KVM's clock (struct pvclock_vcpu_time_info and pvclock_wall_clock): the guest computes machine time from its time-stamp counter with
 * what is written here once, so reading time causes no exit.
 */
import type { MachineMemory } from '../../../memory/index.ts';

/** PVCLOCK_TSC_STABLE_BIT: all vCPUs compute the same time. */
const STABLE = 1;
const NANOSECONDS = 1e9;

/** `ns = (ticks << shift) * multiplier >> 32`, right shift where `shift` is negative. */
function timeScale(hz: number): { readonly multiplier: number; readonly shift: number } {
  let shift = 0;
  let scaled = NANOSECONDS;
  let base = hz;
  while (base > 2 * scaled) {
    base /= 2;
    shift--;
  }
  while (base <= scaled) {
    base *= 2;
    shift++;
  }
  // `base` is in (scaled, 2 * scaled]: the quotient needs 32 bits.
  scaled *= 2 ** 32;
  return { multiplier: Math.floor(scaled / base), shift };
}

/** The clock of one vCPU: at machine time 0 its counter stood at `tscOffset`. */
export function writeClock(
  memory: MachineMemory,
  gpa: number,
  clock: { readonly tscOffset: bigint; readonly tscHz: number },
): void {
  const { multiplier, shift } = timeScale(clock.tscHz);
  const before = memory.dma.read32(gpa);
  const version = ((before | 1) + 2) >>> 0;
  memory.dma.write32(gpa, version);
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, version, true);
  view.setBigUint64(8, clock.tscOffset, true);
  view.setBigUint64(16, 0n, true);
  view.setUint32(24, multiplier, true);
  view.setInt8(28, shift);
  view.setUint8(29, STABLE);
  memory.dma.write(gpa, bytes);
  memory.dma.write32(gpa, (version + 1) >>> 0);
}

/** Civil time of machine time 0, in microseconds since 1970. */
export function writeWallClock(memory: MachineMemory, gpa: number, microseconds: number): void {
  const version = (memory.dma.read32(gpa) | 1) >>> 0;
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, version, true);
  view.setUint32(4, Math.floor(microseconds / 1e6) >>> 0, true);
  view.setUint32(8, Math.floor((microseconds % 1e6) * 1000), true);
  memory.dma.write(gpa, bytes);
  memory.dma.write32(gpa, (version + 1) >>> 0);
}
