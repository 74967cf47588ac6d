/** The vCPU thread of the stress test: writes, gives writes up, writes again at once, and looks at what is there. */
import { readSync, writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { createMachineMemory } from '../../../memory/index.ts';
import { DirectDrives } from '../direct.ts';
import { createDriveBay } from '../queue.ts';

export interface StressData {
  readonly memory: WebAssembly.Memory;
  readonly ramBytes: number;
  readonly file: number;
  readonly rounds: number;
  readonly seed: number;
  /** Do not ask whether somebody else has the drive in use. */
  readonly careless: boolean;
  /** Byte address of three words: 1 when done, sectors that were wrong, requests that this thread carried out. */
  readonly shared: number;
}

const SECTOR = 512;
const SECTORS = 4;
/** Guest memory is used round, so that a request that was given up keeps its bytes for long. */
const SLOTS = 512;

const data = workerData as StressData;
const memory = createMachineMemory({ ramBytes: data.ramBytes, vcpus: 1, arenaBytes: 4 * 2 ** 20, memory: data.memory });
const words = new Int32Array(data.memory.buffer as ArrayBuffer, data.shared, 3);
let word = data.seed;
const below = (limit: number): number => {
  word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
  return Math.floor((word / 2 ** 32) * limit);
};
const files = {
  read: (handle: number, at: number, [into]: readonly Uint8Array[]) =>
    into !== undefined && readSync(handle, into, 0, into.length, at) === into.length,
  write: (handle: number, at: number, [from]: readonly Uint8Array[]) => {
    Atomics.add(words, 2, 1);
    return from !== undefined && writeSync(handle, from, 0, from.length, at) === from.length;
  },
};
const direct = new DirectDrives(memory, { files, now: () => 0 });
memory.lock.released = () => direct.serve();
const drive = createDriveBay(memory, [{ kind: 'disk', serial: 'SN' }], direct).drives[0];
if (drive === undefined) throw new Error('there is no drive');
if (data.careless) Object.defineProperty(drive, 'inUse', { value: { tryAcquire: () => true, release: () => undefined } });
const [lane] = drive.lanes;
let done = false;
const ends = () => {
  done = true;
};
// The I/O thread's side of the lane hears of its own ends: this one is told by the lane's words.
lane.onDone(ends);

function submit(
  op: 'read' | 'write',
  sector: number,
  { gpa, durable }: { readonly gpa: number; readonly durable: boolean },
): void {
  done = false;
  memory.lock.run(() => lane.submit({ op, offset: sector * SECTOR, bytes: SECTOR, buffers: [{ gpa, bytes: SECTOR }], durable }));
}

const isOver = () => done || !memory.lock.run(() => lane.waiting);

/** What each sector may hold: the last write that was done, and those that were given up since. */
const may = Array.from({ length: SECTORS }, () => new Set([0]));
for (let round = 1; round <= data.rounds; round++) {
  const sector = below(SECTORS);
  const gpa = (round % SLOTS) * SECTOR;
  memory.dma.write(gpa, new Uint8Array(SECTOR).fill(round & 0xff));
  submit('write', sector, { gpa, durable: below(2) === 0 });
  const patience = below(3) === 0 ? below(200) : Number.POSITIVE_INFINITY;
  for (let i = 0; i < patience && !isOver(); i++);
  const allowed = may[sector] as Set<number>;
  if (isOver()) allowed.clear();
  else memory.lock.run(() => lane.cancel());
  allowed.add(round & 0xff);
  if (below(4) > 0) continue;
  const look = SLOTS * SECTOR;
  submit('read', sector, { gpa: look, durable: false });
  while (!isOver());
  if (!allowed.has(memory.dma.read(look, 1)[0] as number)) Atomics.add(words, 1, 1);
}
Atomics.store(words, 0, 1);
Atomics.notify(words, 0);
