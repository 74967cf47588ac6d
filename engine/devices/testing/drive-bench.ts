/** A controller with real drives behind it: the bay and the I/O thread's server, over images in memory. */
import { openRaw } from '../../block/raw.ts';
import { type MemoryStorage, memoryStorage } from '../../block/testing/memory-storage.ts';
import { createDriveBay, DRIVES, type DriveBay } from '../../board/drives/queue.ts';
import { createDriveServer, type DriveServer } from '../../board/drives/server.ts';
import { type AccessSize, createMachineMemory, type MachineMemory } from '../../memory/index.ts';
import type { DriveLine } from '../drive.ts';

const RAM = 2 ** 20;

export interface BenchDrive {
  readonly kind: DriveLine['kind'];
  /** Absent: empty. */
  readonly content?: Uint8Array;
  readonly readonly?: boolean;
}

export interface DriveBench {
  readonly memory: MachineMemory;
  readonly bay: DriveBay;
  readonly server: DriveServer;
  /** By place. */
  readonly storages: readonly (MemoryStorage | undefined)[];
  /** Level of each interrupt line, and how often it went up. */
  readonly lines: Record<string, boolean>;
  readonly edges: Record<string, number>;
  /** What the server told: `full` and `failed` with the place. */
  readonly told: string[];
  /** The I/O thread serves until nothing waits. */
  serve(): void;
  insert(place: number, content: Uint8Array | undefined): void;
  in(port: number, size?: AccessSize): number;
  out(port: number, value: number, size?: AccessSize): void;
}

export function driveBench(given: readonly (BenchDrive | undefined)[], of?: MachineMemory): DriveBench {
  const time = { ns: 1e9 };
  const memory = createMachineMemory({
    ramBytes: RAM,
    vcpus: 1,
    arenaBytes: 4 * RAM,
    hostNow: () => time.ns,
    ...(of && { memory: of.memory }),
  });
  if (!of) memory.slots.setSlot({ slot: 0, gpa: 0, size: RAM, hva: memory.map.ramBase });
  if (!of) memory.clock.start();
  const specs = Array.from({ length: DRIVES }, (_, d) => given[d] && { kind: given[d].kind, serial: `SN${d}` });
  const bay = createDriveBay(memory, specs);
  const told: string[] = [];
  const server = createDriveServer({
    memory,
    bay,
    now: () => 0,
    work: (body) => body(),
    onFull: (d) => told.push(`full ${d}`),
    onFailure: (d) => told.push(`failed ${d}`),
  });
  const storages: (MemoryStorage | undefined)[] = [];
  const insert = (d: number, content: Uint8Array | undefined, readonly = false) => {
    storages[d] = content && memoryStorage(content);
    server.insert(d, storages[d] && openRaw(storages[d], { readonly }));
  };
  given.forEach((drive, d) => {
    if (drive?.content && !of) insert(d, drive.content, drive.readonly ?? drive.kind === 'cdrom');
  });
  return {
    memory,
    bay,
    server,
    storages,
    lines: {},
    edges: {},
    told,
    insert,
    serve: () => {
      for (let i = 0; i < 10_000 && server.serve(); i++);
    },
    in: (port, size = 1) => memory.bus.portRead(0, port, size),
    out: (port, value, size = 1) => memory.bus.portWrite(0, port, size, value),
  };
}

/** An interrupt line that the bench records. */
export function recordedLine({ lines, edges }: DriveBench, name: string) {
  lines[name] = false;
  edges[name] = 0;
  return {
    set: (active: boolean) => {
      if (active && !lines[name]) edges[name] = (edges[name] ?? 0) + 1;
      lines[name] = active;
    },
  };
}
