import { expect, it } from 'vitest';
import { createQcow2 } from '../../block/qcow2/create.ts';
import { Qcow2 } from '../../block/qcow2/image.ts';
import { openRaw } from '../../block/raw.ts';
import { memoryStorage } from '../../block/testing/memory-storage.ts';
import type { DriveRequest, DriveResult } from '../../devices/drive.ts';
import { randomSource } from '../../devices/testing/random.ts';
import { imageCodec } from '../../host/codec.ts';
import { createMachineMemory } from '../../memory/index.ts';
import { DirectDrives } from './direct.ts';
import { EXTENTS_BYTES, Extents } from './extents.ts';
import { createDriveBay } from './queue.ts';
import { createDriveServer } from './server.ts';

const RAM = 2 ** 20;
const SECTORS = 1024;
const GPA = 0x1000;
const [BELOW, ABOVE] = [3, 4];

/** A disk of qcow2 over a raw backing file, as `--snapshot` and overlays make it: a vCPU thread's view and the I/O thread's. */
function bench(options: { readonly lazyRefcounts?: boolean } = {}) {
  const hostNow = () => 1e9;
  const io = createMachineMemory({ ramBytes: RAM, vcpus: 1, arenaBytes: 4 * RAM, hostNow });
  io.slots.setSlot({ slot: 0, gpa: 0, size: RAM, hva: io.map.ramBase });
  const vcpu = createMachineMemory({ ramBytes: RAM, vcpus: 1, arenaBytes: 4 * RAM, hostNow, memory: io.memory });
  const content = Uint8Array.from({ length: SECTORS * 512 }, (_, i) => (i >>> 9) & 0xff);
  const below = Object.assign(memoryStorage(content), { handle: BELOW });
  const above = Object.assign(memoryStorage(0), { handle: ABOVE });
  createQcow2(above, { size: content.length, clusterBytes: 4096, ...options });
  const image = new Qcow2(above, { codec: imageCodec, backing: openRaw(below, { readonly: true }) });
  const calls: string[] = [];
  const files = new Map([
    [BELOW, below],
    [ABOVE, above],
  ]);
  const direct = new DirectDrives(vcpu, {
    now: hostNow,
    files: {
      read: (handle, at, into) => {
        calls.push(`read ${handle}`);
        files.get(handle)?.read(at, into);
        return true;
      },
      write: (handle, at, from) => {
        calls.push(`write ${handle}`);
        files.get(handle)?.write(at, from);
        return true;
      },
    },
  });
  vcpu.lock.released = () => direct.serve();
  const specs = [{ kind: 'disk', serial: 'SN0' }] as const;
  const ioBay = createDriveBay(io, specs);
  const drive = createDriveBay(vcpu, specs, direct).drives[0];
  if (drive === undefined) throw new Error('there is no drive');
  const told: unknown[] = [];
  const server = createDriveServer({
    memory: io,
    bay: ioBay,
    now: hostNow,
    work: (body) => io.lock.run(body),
    onFull: (_d, failure) => told.push(failure),
    onFailure: (_d, failure) => told.push(failure),
  });
  server.insert(0, image);
  let result: DriveResult | undefined;
  for (const one of [drive, ioBay.drives[0]]) {
    one?.lanes[0].onDone((end) => {
      result = end;
    });
  }
  /** Who carried it out. */
  const ask = (op: DriveRequest['op'], sector: number, count: number): 'vcpu' | 'io' => {
    const bytes = count * 512;
    result = undefined;
    const before = calls.length;
    const buffers = op === 'discard' || op === 'flush' ? [] : [{ gpa: GPA, bytes }];
    vcpu.lock.run(() => drive.lanes[0].submit({ op, offset: sector * 512, bytes, buffers }));
    const by = server.serve() ? 'io' : 'vcpu';
    if (result !== 'done' || calls.length - before !== (by === 'vcpu' ? 1 : 0))
      throw new Error(`${result}, ${calls.length - before}`);
    return by;
  };
  const read = (sector: number, count = 1) => {
    const by = ask('read', sector, count);
    return { by, bytes: vcpu.dma.read(GPA, count * 512) };
  };
  const write = (sector: number, count: number, value: number) => {
    vcpu.dma.write(GPA, new Uint8Array(count * 512).fill(value));
    return ask('write', sector, count);
  };
  return { ask, read, write, calls, told, content, below, server, image };
}

it('reads what the backing file shows past the image, and what was written where it is now', () => {
  const b = bench();
  expect(b.read(8).by).toBe('io');
  expect(b.read(100, 16)).toEqual({ by: 'vcpu', bytes: b.content.slice(100 * 512, 116 * 512) });
  expect(b.calls).toEqual(['read 3']);
  // A new cluster: only the image can make it, and the backing file shows nothing there any more.
  expect(b.write(101, 2, 0xaa)).toBe('io');
  const { by, bytes } = b.read(100, 4);
  expect([by, bytes[0], bytes[512], bytes[1024], bytes[1536]]).toEqual(['vcpu', 100, 0xaa, 0xaa, 103]);
  expect(b.write(102, 1, 0xbb)).toBe('vcpu');
  expect(b.read(102).bytes[0]).toBe(0xbb);
  expect(b.calls).toEqual(['read 3', 'read 4', 'write 4', 'read 4']);
  expect(Buffer.compare(b.below.content(), b.content)).toBe(0);
});

it('forgets where bytes were when they are discarded', () => {
  const b = bench();
  b.write(16, 8, 1);
  expect(b.write(16, 8, 2)).toBe('vcpu');
  b.ask('discard', 16, 8);
  expect(b.read(16, 8)).toEqual({ by: 'io', bytes: new Uint8Array(8 * 512) });
  expect(b.write(16, 8, 3)).toBe('io');
});

it('writes nothing past an image with lazy counts before that is marked as dirty', () => {
  const b = bench({ lazyRefcounts: true });
  expect(b.image.overwrites).toBe(false);
  b.write(16, 8, 1);
  expect(b.image.overwrites).toBe(true);
  expect(b.write(16, 8, 2)).toBe('vcpu');
});

it('forgets every place when the medium goes', () => {
  const b = bench();
  b.read(0);
  expect(b.read(1).by).toBe('vcpu');
  b.server.close();
  b.calls.length = 0;
  expect(() => b.read(1)).toThrow();
  expect(b.calls).toEqual([]);
});

it.each([1, 2, 3, 4])('is the disk that was written, whoever moved the bytes (seed %i)', (seed) => {
  const random = randomSource(seed);
  const b = bench({ lazyRefcounts: seed === 4 });
  const model = b.content.slice();
  const by = { vcpu: 0, io: 0 };
  for (let step = 0; step < 300; step++) {
    const sector = random.below(256);
    const count = 1 + random.below(12);
    const what = random.below(60);
    if (what < 30) {
      const { by: who, bytes } = b.read(sector, count);
      by[who]++;
      expect(Buffer.compare(bytes, model.subarray(sector * 512, (sector + count) * 512))).toBe(0);
    } else if (what < 57) {
      const value = 1 + random.below(255);
      by[b.write(sector, count, value)]++;
      model.fill(value, sector * 512, (sector + count) * 512);
    } else if (what < 58) b.ask('flush', 0, 0);
    else {
      // Whole clusters read as zeros then.
      const first = Math.floor(sector / 8) * 8;
      b.ask('discard', first, 8);
      model.fill(0, first * 512, (first + 8) * 512);
    }
  }
  expect(Math.min(by.vcpu, by.io)).toBeGreaterThan(20);
  const whole = new Uint8Array(model.length);
  b.image.read(0, [whole]);
  expect(Buffer.compare(whole, model)).toBe(0);
  expect(b.told).toEqual([]);
});

it('joins runs that go on in the same file, and only those', () => {
  const extents = new Extents(new Float64Array(EXTENTS_BYTES / 8));
  const run = { at: 4096, bytes: 4096, handle: 7, offset: 8192, writeFrom: 4096 };
  extents.add(run);
  extents.add({ ...run, at: 8192, offset: 12_288, writeFrom: 8192 });
  expect(extents.find('write', 4096, 8192)).toEqual({ handle: 7, offset: 8192 });
  extents.add({ ...run, at: 12_288, offset: 65_536, writeFrom: 12_288 });
  expect(extents.find('read', 8192, 8192)).toBeUndefined();
  extents.add({ ...run, at: 0, offset: 4096, writeFrom: 4096 });
  expect(extents.find('read', 0, 4096)).toEqual({ handle: 7, offset: 4096 });
  expect(extents.find('write', 0, 4096)).toBeUndefined();
  expect(extents.find('read', 2048, 4096)).toBeUndefined();
  // The oldest goes.
  for (let i = 0; i < 20; i++) extents.add({ ...run, at: 2 ** 20 * (i + 1), offset: 3 * 2 ** 20 * (i + 1), writeFrom: 0 });
  expect(extents.find('read', 4096, 512)).toBeUndefined();
  expect(extents.find('read', 2 ** 20 * 20, 512)?.offset).toBe(3 * 2 ** 20 * 20);
});
