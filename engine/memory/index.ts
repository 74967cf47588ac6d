export { Arena, type ArenaRegion } from './arena.ts';
export type { AccessSize, BusCounters, MmioOptions, Placement, PortOptions, RegionRead, RegionWrite } from './bus.ts';
export { Bus } from './bus.ts';
export { DirtyLog, type FlushWrites } from './dirty-log.ts';
export { Dma } from './dma.ts';
export type { MachineMemory, MachineMemoryOptions } from './machine-memory.ts';
export { createMachineMemory, defaultArenaBytes, memoryMap, RAM_BYTES } from './machine-memory.ts';
export { FIXED, type MemoryMap, PAGE, PHYS, PHYSICAL_END, SLOTS } from './map.ts';
export { type MapChange, type MemorySlot, Slots } from './slots.ts';
