import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { openRaw } from '../../block/raw.ts';
import { memoryStorage } from '../../block/testing/memory-storage.ts';
import { createMachineMemory } from '../../memory/index.ts';
import { createDriveBay } from './queue.ts';
import { createDriveServer } from './server.ts';
import type { StressData } from './testing/stress-vcpu.ts';

const RAM = 2 ** 20;
const DISK = 2 ** 16;
const PATIENCE = 40_000;

/** This thread is the I/O thread; another one submits, carries out what it may, and gives up what it likes. */
async function run(rounds: number, { seed = 1, careless = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-test-'));
  const file = openSync(join(folder, 'disk'), 'w+');
  writeSync(file, new Uint8Array(DISK));
  const machine = createMachineMemory({ ramBytes: RAM, vcpus: 1, arenaBytes: 4 * 2 ** 20 });
  machine.slots.setSlot({ slot: 0, gpa: 0, size: RAM, hva: machine.map.ramBase });
  const bay = createDriveBay(machine, [{ kind: 'disk', serial: 'SN' }]);
  const shared = machine.arena.take('stress', 64, 64);
  const words = new Int32Array(machine.views.buffer as ArrayBuffer, shared, 3);
  const server = createDriveServer({
    memory: machine,
    bay,
    now: () => 0,
    work: (body) => machine.lock.run(body),
    onFull: () => undefined,
    onFailure: () => undefined,
  });
  const wait = new Int32Array(new SharedArrayBuffer(4));
  const storage = {
    ...memoryStorage(DISK),
    handle: file,
    read: (at: number, into: readonly Uint8Array[]) => {
      for (const part of into) readSync(file, part, 0, part.length, at);
    },
    write: (at: number, from: readonly Uint8Array[]) => {
      // Time for the other thread to give it up and to write again.
      Atomics.wait(wait, 0, 0, 0.05);
      for (const part of from) writeSync(file, part, 0, part.length, at);
    },
  };
  server.insert(0, openRaw(storage));
  bay.drives[0]?.took(0, 0); // it is trusted
  const workerData: StressData = { memory: machine.memory, ramBytes: RAM, file, rounds, seed, careless, shared };
  const worker = new Worker(new URL('./testing/stress-vcpu.ts', import.meta.url), { workerData });
  const failed = new Promise<never>((_, fail) => void worker.once('error', fail));
  try {
    const { words: bell, index } = bay.doorbell;
    const until = performance.now() + PATIENCE;
    for (let turns = 0; Atomics.load(words, 0) === 0; turns++) {
      if (performance.now() > until) throw new Error('the threads hang');
      const seen = Atomics.load(bell, index);
      if (!server.serve()) Atomics.wait(bell, index, seen, 0.5);
      // Errors of the worker arrive with the event loop.
      if (turns % 64 === 0) await Promise.race([failed, new Promise((next) => setImmediate(next))]);
    }
    return { wrong: Atomics.load(words, 1), direct: Atomics.load(words, 2) };
  } finally {
    await worker.terminate();
    closeSync(file);
    rmSync(folder, { recursive: true });
  }
}

test('two threads carry out requests of one drive: what was submitted later is never overwritten', async () => {
  const { wrong, direct } = await run(3000);
  expect(wrong).toBe(0);
  expect(direct).toBeGreaterThan(100);
}, 60_000);

test('the test finds stale writes: where a thread does not ask for the drive there are some', async () => {
  let wrong = 0;
  for (let seed = 1; seed < 10 && wrong === 0; seed++) wrong = (await run(3000, { seed, careless: true })).wrong;
  expect(wrong).toBeGreaterThan(0);
}, 120_000);
