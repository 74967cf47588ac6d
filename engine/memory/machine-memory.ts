import { Deadlines, EngineError, type HostNow, Lock, MachineClock, maximumRamBytes } from '../base/index.ts';
import { type Views, viewsOf } from '../state/index.ts';
import { Arena } from './arena.ts';
import { Bus } from './bus.ts';
import { DirtyLog } from './dirty-log.ts';
import { Dma } from './dma.ts';
import { FIXED, type MemoryMap, PAGE } from './map.ts';
import { Slots } from './slots.ts';

const MEBI = 2 ** 20;
const LARGE_PAGE = 2 * MEBI;
/** Least and most guest memory in bytes. */
export const RAM_BYTES = { minimum: MEBI, maximum: maximumRamBytes } as const;

export interface MachineMemoryOptions {
  /** Guest memory in bytes, whole pages within `RAM_BYTES`. */
  readonly ramBytes: number;
  /** 1..32. */
  readonly vcpus: number;
  /** Bytes for vCPU states, TLBs, decoded code, devices, ROMs. Address space only: untouched pages cost the host nothing. */
  readonly arenaBytes?: number;
  /** The memory another thread of this machine made; absent: make it. */
  readonly memory?: WebAssembly.Memory;
  /** The host's monotonic clock; absent: time stands still at 0. */
  readonly hostNow?: HostNow;
}

/** One thread's view of the machine's memory and of everything that is found through it. */
export interface MachineMemory {
  readonly memory: WebAssembly.Memory;
  readonly views: Views;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly dv: DataView;
  readonly map: MemoryMap;
  readonly vcpus: number;
  readonly arena: Arena;
  readonly slots: Slots;
  readonly dirtyLog: DirtyLog;
  readonly bus: Bus;
  readonly dma: Dma;
  /** Held by whoever runs device code or changes the map. */
  readonly lock: Lock;
  readonly clock: MachineClock;
  readonly deadlines: Deadlines;
}

/** Bytes of arena when the options do not say. */
function defaultArenaBytes(vcpus: number): number {
  return (112 + 32 * vcpus) * MEBI;
}

/** The layout of a machine's memory: fixed regions, arena, guest RAM at the end. Pure arithmetic. */
export function memoryMap(options: MachineMemoryOptions): MemoryMap & { readonly totalBytes: number } {
  const { ramBytes, vcpus } = options;
  if (!Number.isInteger(ramBytes) || ramBytes % PAGE !== 0 || ramBytes < RAM_BYTES.minimum || ramBytes > RAM_BYTES.maximum) {
    throw new EngineError('memory-size', { bytes: ramBytes, ...RAM_BYTES });
  }
  const room = 2 ** 32 - ramBytes - FIXED.arena - 65536;
  const wanted = FIXED.arena + (options.arenaBytes ?? defaultArenaBytes(vcpus));
  // Aligned as large pages of extended page tables are, with all of the arena that was asked for unless there is no room for it.
  const most = Math.floor((FIXED.arena + room) / LARGE_PAGE) * LARGE_PAGE;
  const ramBase = Math.min(Math.ceil(wanted / LARGE_PAGE) * LARGE_PAGE, most);
  const arenaBytes = ramBase - FIXED.arena;
  return {
    physTable: FIXED.physTable,
    pageInfo: FIXED.pageInfo,
    dirtyBits: FIXED.dirtyBits,
    mapGeneration: FIXED.mapGeneration,
    a20Masked: FIXED.a20Masked,
    requests: FIXED.requests,
    arena: FIXED.arena,
    arenaBytes,
    ramBase,
    ramBytes,
    totalBytes: Math.ceil((ramBase + ramBytes) / 65536) * 65536,
  };
}

/** Make a machine's memory, or this thread's view of one that exists. Every thread passes the same sizes. */
export function createMachineMemory(options: MachineMemoryOptions): MachineMemory {
  const { totalBytes, ...map } = memoryMap(options);
  const memory = options.memory ?? allocate(totalBytes);
  const views = viewsOf(memory);
  const slots = new Slots(views, map);
  const dirtyLog = new DirtyLog(views, map, slots);
  const arena = new Arena(map.arena, map.arenaBytes);
  const lock = new Lock(views.i32, FIXED.machineLock >>> 2);
  const clock = new MachineClock(views.buffer, FIXED.clock, options.hostNow ?? (() => 0));
  return {
    memory,
    views,
    u8: views.u8,
    u16: views.u16,
    u32: views.u32,
    i32: views.i32,
    dv: new DataView(views.buffer as ArrayBuffer),
    map,
    vcpus: options.vcpus,
    arena,
    slots,
    dirtyLog,
    bus: new Bus(views, { arena, lock }),
    dma: new Dma(views, map, dirtyLog),
    lock,
    clock,
    deadlines: new Deadlines(views.buffer, FIXED.deadlines, clock),
  };
}

function allocate(bytes: number): WebAssembly.Memory {
  const pages = bytes / 65536;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new EngineError('memory-host', { bytes }, { cause });
  }
}
