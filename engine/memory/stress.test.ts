import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { REQUEST, Requests } from '../base/index.ts';
import { createMachineMemory, FIXED } from './index.ts';
import { SHARED, type StressData } from './testing/stress-vcpu.ts';

const VCPUS = 4;
const RAM = 2 ** 20;

/** Four threads that write, and this one, which collects the dirty log and copies what it names. */
async function run(rounds: number, defect: 'none' | 'no flush' = 'none') {
  const machine = createMachineMemory({ ramBytes: RAM, vcpus: VCPUS, arenaBytes: 2 ** 20 });
  const { ramBase } = machine.map;
  machine.slots.setSlot({ slot: 0, gpa: 0, size: RAM, hva: ramBase, log: true });
  const shared = machine.arena.take('stress', 4096, 64);
  const requestWord = (vcpu: number) => shared + 4 * (SHARED.requests + vcpu);
  const requests = new Requests({ words: machine.i32, block: FIXED.requests, vcpus: VCPUS, requestWord });
  machine.dirtyLog.flushWrites = () => {
    if (defect === 'none') requests.synchronize(-1, REQUEST.flushTlb);
  };
  const copy = new Uint8Array(RAM);
  let collections = 0;
  const collect = () => {
    const dirty = machine.dirtyLog.collect(0);
    for (let page = 0; page < RAM / 4096; page++) {
      if (((dirty[page >>> 3] as number) >>> (page & 7)) & 1) {
        copy.set(machine.u8.subarray(ramBase + page * 4096, ramBase + (page + 1) * 4096), page * 4096);
      }
    }
    collections++;
  };
  const workers = Array.from({ length: VCPUS }, (_, vcpu) => {
    const workerData: StressData = { memory: machine.memory, ramBytes: RAM, vcpus: VCPUS, vcpu, rounds, shared };
    return new Worker(new URL('./testing/stress-vcpu.ts', import.meta.url), { workerData });
  });
  await Promise.all(workers.map((worker) => once(worker, 'online')));
  const done = (shared >>> 2) + SHARED.done;
  // This thread waits in one piece, so that it collects as often as it can: it looks at the time itself.
  const patience = performance.now() + 30_000;
  for (let seen = 0; seen < VCPUS; seen = Atomics.load(machine.i32, done)) {
    if (performance.now() > patience) throw new Error(`${VCPUS - seen} threads hang`);
    collect();
    Atomics.wait(machine.i32, done, seen, 0.1);
  }
  collect();
  await Promise.all(workers.map((worker) => worker.terminate()));
  const lost = copy.findIndex((byte, at) => byte !== machine.u8[ramBase + at]);
  return { lost, collections, trouble: machine.i32[(shared >>> 2) + SHARED.trouble] };
}

test('four threads: nothing hangs, no write is lost, nobody runs in another one’s section', async () => {
  const { lost, collections, trouble } = await run(3000);
  expect({ lost, trouble }).toEqual({ lost: -1, trouble: 0 });
  expect(collections).toBeGreaterThan(20);
}, 60_000);

test('the test finds lost writes: without the flush there are some', async () => {
  // Whether threads meet in the wrong place is a matter of luck, so it may try a few times.
  let lost = -1;
  for (let attempt = 0; attempt < 20 && lost < 0; attempt++) lost = (await run(3000, 'no flush')).lost;
  expect(lost).toBeGreaterThanOrEqual(0);
}, 60_000);
