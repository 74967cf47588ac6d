export type { AccessSize, Placement } from './bus.ts';
export { changeGeneration, forgetCodeOf } from './code-pages.ts';
export type { Dma } from './dma.ts';
export type { MachineMemory } from './machine-memory.ts';
export { createMachineMemory, memoryMap, RAM_BYTES } from './machine-memory.ts';
export { FIXED, PAGE, PHYS, PHYSICAL_END, SLOTS } from './map.ts';
export type { MemorySlot } from './slots.ts';
