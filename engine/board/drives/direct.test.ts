import { expect, it } from 'vitest';
import type { EngineError } from '../../base/index.ts';
import { openRaw } from '../../block/raw.ts';
import { type MemoryStorage, memoryStorage } from '../../block/testing/memory-storage.ts';
import type { DriveResult } from '../../devices/drive.ts';
import { createMachineMemory } from '../../memory/index.ts';
import { DirectDrives } from './direct.ts';
import { createDriveBay } from './queue.ts';
import { createDriveServer } from './server.ts';

const RAM = 2 ** 20;
const DISK = 4 * 2 ** 20;
const HANDLE = 3;
/** Quick requests in a row after which a thread carries out its own. */
const BEFORE = 1;

/** A vCPU thread's view and the I/O thread's of one machine with one disk, on one file in memory. */
function bench({ guessed = false, readonly = false } = {}) {
  const time = { ns: 1e9, each: 0 };
  const hostNow = () => time.ns;
  const io = createMachineMemory({ ramBytes: RAM, vcpus: 1, arenaBytes: 4 * RAM, hostNow });
  io.slots.setSlot({ slot: 0, gpa: 0, size: RAM, hva: io.map.ramBase });
  const vcpu = createMachineMemory({ ramBytes: RAM, vcpus: 1, arenaBytes: 4 * RAM, hostNow, memory: io.memory });
  const file: MemoryStorage = memoryStorage(Uint8Array.from({ length: DISK }, (_, i) => (i >>> 9) & 0xff));
  const calls: string[] = [];
  const attempt = (what: string, body: () => void): boolean => {
    calls.push(what);
    time.ns += time.each;
    try {
      body();
      return true;
    } catch {
      return false;
    }
  };
  const direct = new DirectDrives(vcpu, {
    now: hostNow,
    files: {
      read: (handle, at, into) => handle === HANDLE && attempt('read', () => file.read(at, into)),
      write: (handle, at, from) => handle === HANDLE && attempt('write', () => file.write(at, from)),
    },
  });
  vcpu.lock.released = () => direct.serve();
  const specs = [{ kind: 'disk', serial: 'SN0' }] as const;
  const ioBay = createDriveBay(io, specs);
  const bay = createDriveBay(vcpu, specs, direct);
  const told: string[] = [];
  const server = createDriveServer({
    memory: io,
    bay: ioBay,
    now: hostNow,
    work: (body) => io.lock.run(body),
    onFull: (_d, failure: EngineError) => told.push(failure.code),
    onFailure: (_d, failure: EngineError) => told.push(failure.code),
  });
  const image = () => openRaw({ ...file, handle: HANDLE, close: () => calls.push('close') }, { guessed, readonly });
  server.insert(0, image());
  const results: (DriveResult | 'waits')[] = [];
  const drives = [bay.drives[0], ioBay.drives[0]].map((drive) => drive as NonNullable<typeof drive>);
  const [drive, ioDrive] = drives as [NonNullable<(typeof drives)[0]>, NonNullable<(typeof drives)[0]>];
  for (const one of drives) one.lanes[0].onDone((result) => results.push(result));
  const ask = (op: 'read' | 'write', sector: number, { gpa = 0x1000, bytes = 512, durable = false } = {}) =>
    vcpu.lock.run(() => drive.lanes[0].submit({ op, offset: sector * 512, bytes, buffers: [{ gpa, bytes }], durable }));
  const trusted = () => {
    for (let i = 0; i < BEFORE; i++) {
      ask('read', 0, { gpa: 0x8000 });
      server.serve();
    }
    results.length = 0;
    calls.length = 0;
  };
  return { time, io, vcpu, file, calls, told, server, image, results, drive, ioDrive, ask, trusted };
}

it('carries out what it submits once the lock is released, when requests have been quick', () => {
  const b = bench();
  for (let i = 0; i < BEFORE; i++) {
    b.ask('read', 1);
    expect(b.calls).toEqual([]);
    expect(b.server.serve()).toBe(true);
  }
  b.results.length = 0;
  b.vcpu.dma.write(0x2000, new Uint8Array(512).fill(0xee));
  b.vcpu.lock.acquire();
  b.drive.lanes[0].submit({ op: 'read', offset: 5 * 512, bytes: 512, buffers: [{ gpa: 0x2000, bytes: 512 }] });
  expect([b.calls, b.results, b.server.serve()]).toEqual([[], [], false]);
  b.vcpu.lock.release();
  expect([b.calls, b.results]).toEqual([['read'], ['done']]);
  expect(b.vcpu.dma.read(0x2000, 512)).toEqual(new Uint8Array(512).fill(5));
  b.ask('write', 9, { gpa: 0x2000 });
  expect([b.calls, b.results]).toEqual([
    ['read', 'write'],
    ['done', 'done'],
  ]);
  expect(b.file.content().subarray(9 * 512, 10 * 512)).toEqual(new Uint8Array(512).fill(5));
  expect(b.server.serve()).toBe(false);
});

it('tells the dirty log what it read into memory', () => {
  const b = bench();
  b.trusted();
  b.io.slots.setSlot({ slot: 0, gpa: 0, size: RAM, hva: b.io.map.ramBase, log: true });
  b.io.dirtyLog.collect(0);
  b.ask('read', 3, { gpa: 0x1000, bytes: 0x2200 });
  b.ask('write', 3, { gpa: 0x6000 });
  expect(b.calls).toEqual(['read', 'write']);
  expect([...b.io.dirtyLog.collect(0).subarray(0, 2)]).toEqual([0b1110, 0]);
});

it.each([
  ['a flush', (b: Bench) => b.vcpu.lock.run(() => b.drive.lanes[0].submit({ op: 'flush', offset: 0, bytes: 0 }))],
  ['a write that is to last', (b: Bench) => b.ask('write', 3, { durable: true })],
  ['a long transfer', (b: Bench) => b.ask('read', 0, { bytes: RAM + 512 })],
  ['what reaches beyond the end', (b: Bench) => b.ask('read', DISK / 512)],
] as const)('leaves %s to the I/O thread', (_what, submit) => {
  const b = bench();
  b.trusted();
  submit(b);
  expect([b.calls, b.results]).toEqual([[], []]);
  expect(b.server.serve()).toBe(true);
  expect(b.results.length).toBe(1);
});
type Bench = ReturnType<typeof bench>;

it('does not write what only the image may write', () => {
  const guessed = bench({ guessed: true });
  guessed.trusted();
  guessed.ask('write', 0);
  expect(guessed.calls).toEqual([]);
  guessed.server.serve();
  guessed.ask('write', 1);
  expect(guessed.calls).toEqual(['write']);
  const readonly = bench({ readonly: true });
  readonly.trusted();
  readonly.ask('write', 1);
  readonly.server.serve();
  expect([readonly.calls, readonly.results]).toEqual([[], ['read-only']]);
});

it('leaves what fails to the I/O thread, which tells why', () => {
  const b = bench();
  b.trusted();
  b.file.bad = 7 * 512;
  b.ask('read', 7);
  expect([b.calls, b.results]).toEqual([['read'], []]);
  b.server.serve();
  expect([b.results, b.told]).toEqual([['failed'], ['image-io']]);
  b.file.bad = undefined;
  b.file.limit = 512;
  b.ask('write', 8);
  b.server.serve();
  expect([b.results, b.told]).toEqual([['failed'], ['image-io', 'disk-full']]);
  // Nothing is lost: it is written when there is room.
  b.file.limit = Number.POSITIVE_INFINITY;
  expect(b.server.serve()).toBe(false);
  b.server.retry();
  b.server.serve();
  expect(b.results).toEqual(['failed', 'done']);
});

it('leaves a drive alone that has become slow, until it is quick again', () => {
  const b = bench();
  b.trusted();
  for (let i = 0; i < 20; i++) b.ask('read', i);
  // A single slow one says nothing.
  b.time.each = 5e6;
  b.ask('read', 0);
  b.time.each = 0;
  b.ask('read', 1);
  expect(b.calls.length).toBe(22);
  b.time.each = 5e6;
  b.ask('read', 0);
  b.ask('read', 1);
  b.ask('read', 2);
  expect(b.calls.length).toBe(24);
  b.time.each = 0;
  let served = 0;
  for (let i = 0; i < 20; i++) {
    b.ask('read', i);
    if (b.server.serve()) served++;
  }
  expect(served).toBeGreaterThan(3);
  expect(b.calls.length).toBeGreaterThan(24);
});

it('leaves a request alone while the I/O thread has the drive in use', () => {
  const b = bench();
  b.trusted();
  b.ioDrive.inUse.acquire();
  b.ask('write', 3);
  expect(b.calls).toEqual([]);
  b.ioDrive.inUse.release();
  expect(b.server.serve()).toBe(true);
  expect(b.results).toEqual(['done']);
});

it('tells nobody of a request that was cancelled meanwhile', () => {
  const b = bench();
  b.trusted();
  b.vcpu.lock.acquire();
  b.drive.lanes[0].submit({ op: 'read', offset: 0, bytes: 512, buffers: [{ gpa: 0, bytes: 512 }] });
  b.drive.lanes[0].cancel();
  b.vcpu.lock.release();
  expect(b.results).toEqual([]);
  expect(b.drive.inUse.tryAcquire()).toBe(true);
});

it('lets the next request wait that the end of one submits, and then carries it out', () => {
  const b = bench();
  b.trusted();
  let more = 3;
  b.drive.lanes[0].onDone((result) => {
    b.results.push(result);
    if (more-- > 0) b.drive.lanes[0].submit({ op: 'read', offset: 0, bytes: 512, buffers: [{ gpa: 0, bytes: 512 }] });
  });
  b.ask('read', 0);
  expect(b.results).toEqual(['done', 'done', 'done', 'done']);
});

it('knows no file of a medium that is out', () => {
  const b = bench();
  b.trusted();
  b.vcpu.lock.run(() => b.drive.eject());
  b.ask('read', 0);
  expect(b.calls).toEqual([]);
  b.server.serve();
  expect(b.calls).toEqual(['close']);
  b.server.insert(0, b.image());
  b.trusted();
  b.server.close();
  b.ask('read', 0);
  expect(b.calls).toEqual(['close']);
});
