/** Numbers in guest memory, little-endian. */
import type { BiosMemory } from './host.ts';

export function read8(memory: BiosMemory, gpa: number): number {
  return memory.read(gpa, 1)[0] as number;
}

export function read16(memory: BiosMemory, gpa: number): number {
  const [low = 0, high = 0] = memory.read(gpa, 2);
  return low | (high << 8);
}

export function read32(memory: BiosMemory, gpa: number): number {
  return new DataView(memory.read(gpa, 4).buffer).getUint32(0, true);
}

export function write8(memory: BiosMemory, gpa: number, value: number): void {
  memory.write(gpa, Uint8Array.of(value));
}

export function write16(memory: BiosMemory, gpa: number, value: number): void {
  memory.write(gpa, Uint8Array.of(value, value >>> 8));
}

export function write32(memory: BiosMemory, gpa: number, value: number): void {
  memory.write(gpa, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
}

/** The linear address of a real-mode pointer. */
export function linear(segment: number, offset: number): number {
  return (segment & 0xffff) * 16 + (offset & 0xffff);
}
