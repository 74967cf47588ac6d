/**
 * One thread of the stress test: a processor reduced to what the protocol between threads is about. It writes random logged pages through
 * a write-entry cache of its own, calls the host under the machine lock, asks for exclusive sections, and serves requests.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { REQUEST, Requests } from '../../base/index.ts';
import { createMachineMemory, FIXED, PHYS } from '../index.ts';

export interface StressData {
  readonly memory: WebAssembly.Memory;
  readonly ramBytes: number;
  readonly vcpus: number;
  readonly vcpu: number;
  readonly rounds: number;
  /** Address of the i32 words of `SHARED`. */
  readonly shared: number;
}

/** Shared words of the test: threads inside a section, counted trouble, threads under the lock, threads that ended, request words. */
export const SHARED = { section: 0, trouble: 1, locked: 2, done: 3, requests: 8 } as const;

if (parentPort !== null) {
  const data = workerData as StressData;
  const { vcpu, vcpus, rounds } = data;
  const machine = createMachineMemory({ ramBytes: data.ramBytes, vcpus, arenaBytes: 2 ** 20, memory: data.memory });
  const { i32, u32 } = machine;
  const words = data.shared >>> 2;
  const requests = new Requests({
    words: i32,
    block: FIXED.requests,
    vcpus,
    requestWord: (other) => data.shared + 4 * (SHARED.requests + other),
  });
  const entries = new Map<number, number>();
  let seed = 0x9e3779b9 ^ (vcpu * 0x85ebca6b);
  const random = (limit: number) => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 0) % limit;
  };
  const pages = data.ramBytes / 4096;
  const trouble = () => Atomics.add(i32, words + SHARED.trouble, 1);

  const serve = () => {
    if (requests.served(vcpu, REQUEST.flushTlb)) entries.clear();
    if (requests.served(vcpu, REQUEST.sync)) {
      requests.leaveRun(vcpu);
      requests.enterRun(vcpu);
      if (requests.served(vcpu, REQUEST.flushTlb)) entries.clear();
    }
  };
  const writeEntry = (page: number): number => {
    const at = (FIXED.physTable >>> 2) + page;
    const entry = u32[at] as number;
    if ((entry & PHYS.LOG) !== 0) {
      Atomics.and(i32, at, ~PHYS.LOG);
      machine.dirtyLog.mark(entry & ~0xfff);
    }
    return (entry & 0xfffff000) >>> 0;
  };
  const store = () => {
    const page = random(pages);
    let hva = entries.get(page);
    if (hva === undefined) {
      hva = writeEntry(page);
      entries.set(page, hva);
    }
    // Each thread has a word of its own in each page, so that a lost write shows.
    const word = (hva >>> 2) + 16 * vcpu + random(16);
    u32[word] = (u32[word] as number) + 1;
    if (Atomics.load(i32, words + SHARED.section) !== 0) trouble();
  };
  const hostCall = () => {
    requests.leaveRun(vcpu);
    machine.lock.acquire();
    if (Atomics.add(i32, words + SHARED.locked, 1) !== 0) trouble();
    Atomics.sub(i32, words + SHARED.locked, 1);
    // A device changes the map now and then: an exclusive section while the machine lock is held.
    if (random(8) === 0) section(false);
    machine.lock.release();
    requests.enterRun(vcpu);
  };
  const section = (inside: boolean) => {
    requests.exclusive(inside ? vcpu : -1, REQUEST.flushTlb, () => {
      if (Atomics.add(i32, words + SHARED.section, 1) !== 0) trouble();
      // Long enough for a thread that should stand still to be seen writing.
      for (let spin = 0; spin < 3000; spin++) if (Atomics.load(i32, words + SHARED.section) !== 1) trouble();
      Atomics.sub(i32, words + SHARED.section, 1);
    });
    if (inside) entries.clear();
  };

  requests.enterRun(vcpu);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < 64; i++) {
      store();
      if (requests.pending(vcpu) !== 0) serve();
    }
    const what = random(64);
    if (what < 4) hostCall();
    else if (what === 4) section(true);
    else if (what === 5) {
      requests.leaveRun(vcpu);
      requests.wait(vcpu, REQUEST.interrupt, 1);
      requests.served(vcpu, REQUEST.interrupt);
      requests.enterRun(vcpu);
    } else if (what === 6) requests.synchronize(-1, REQUEST.flushTlb, vcpu);
    else if (what < 9) requests.raiseOne(random(vcpus), REQUEST.interrupt);
    serve();
  }
  requests.leaveRun(vcpu);
  Atomics.add(i32, words + SHARED.done, 1);
  Atomics.notify(i32, words + SHARED.done);
}
