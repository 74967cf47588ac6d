import { describe, expect, it } from 'vitest';
import { randomSource } from '../../devices/testing/random.ts';
import { imageCodec } from '../../host/codec.ts';
import type { DiskImage } from '../image.ts';
import { openRaw } from '../raw.ts';
import { type MemoryStorage, memoryStorage } from '../testing/memory-storage.ts';
import { checkQcow2 } from './check.ts';
import { type CreateOptions, createQcow2 } from './create.ts';
import { Qcow2 } from './image.ts';
import { resizeQcow2 } from './resize.ts';
import { applySnapshot, createSnapshot, deleteSnapshot } from './snapshots.ts';

function fresh(options: CreateOptions, backing?: DiskImage): { storage: MemoryStorage; image: Qcow2 } {
  const storage = memoryStorage(0);
  createQcow2(storage, options);
  return { storage, image: new Qcow2(storage, { codec: imageCodec, backing }) };
}

const again = (storage: MemoryStorage, backing?: DiskImage) => new Qcow2(storage, { codec: imageCodec, backing });

function content(image: DiskImage): Uint8Array {
  const bytes = new Uint8Array(image.bytes);
  image.read(0, [bytes]);
  return bytes;
}

const sound = { leaks: 0, corruptions: 0, findings: [] };

describe.each<[string, Omit<CreateOptions, 'size'>]>([
  ['version 3, 64 KiB', {}],
  ['version 2, 4 KiB', { version: 2, clusterBytes: 4096 }],
  ['512 bytes', { clusterBytes: 512 }],
  ['lazy', { clusterBytes: 1024, lazyRefcounts: true }],
])('qcow2, %s', (_name, options) => {
  it.each([1, 2, 3])('is the disk that was written, with sound counts, whatever the order (seed %i)', (seed) => {
    const random = randomSource(seed);
    const size = 512 * 3000;
    const below = memoryStorage(Uint8Array.from({ length: size / 2 }, (_, i) => (i * 31) & 0xff));
    const backing = seed === 1 ? undefined : openRaw(below);
    const { storage, image: first } = fresh({ ...options, size }, backing);
    let image = first;
    const model = new Uint8Array(size);
    if (backing) model.set(below.content());
    const models = new Map<string, Uint8Array>();
    for (let step = 0; step < 150; step++) {
      const at = random.below(size / 512) * 512;
      const bytes = Math.min(size - at, (1 + random.below(random.below(8) === 0 ? 600 : 20)) * 512);
      const what = random.below(20);
      if (what < 12) {
        const data = new Uint8Array(bytes).fill(1 + random.below(255));
        const cut = random.below(bytes / 512) * 512;
        image.write(at, [data.subarray(0, cut), data.subarray(cut)]);
        model.set(data, at);
      } else if (what < 14) {
        image.zero(at, bytes);
        model.fill(0, at, at + bytes);
      } else if (what === 14) image.flush();
      else if (what === 15 && models.size < 3) {
        createSnapshot(image, `s${step}`, step);
        models.set(`s${step}`, model.slice());
      } else if (what === 16 && models.size > 0) {
        const name = [...models.keys()][random.below(models.size)] as string;
        applySnapshot(image, name);
        model.set(models.get(name) as Uint8Array);
      } else if (what === 17 && models.size > 0) {
        const name = [...models.keys()][random.below(models.size)] as string;
        deleteSnapshot(image, name);
        models.delete(name);
      } else if (what === 18) {
        image.close();
        image = again(storage, backing);
      }
      if (step % 25 === 0) expect(Buffer.compare(content(image), model), `step ${step}`).toBe(0);
    }
    expect(Buffer.compare(content(image), model)).toBe(0);
    image.close();
    image = again(storage, backing);
    expect(Buffer.compare(content(image), model)).toBe(0);
    expect(checkQcow2(image)).toMatchObject(sound);
    for (const name of models.keys()) deleteSnapshot(image, name);
    expect(checkQcow2(image)).toMatchObject(sound);
  });

  it('never damages itself, wherever it is cut off', () => {
    const size = 512 * 1200;
    const { storage, image } = fresh({ ...options, size });
    image.write(0, [new Uint8Array(size / 2).fill(1)]);
    image.settle();
    createSnapshot(image, 'one', 1);
    image.settle();
    // Every prefix of the writes that follow is what a killed process leaves.
    const replay = memoryStorage(storage.content());
    const writes: { at: number; bytes: Uint8Array }[] = [];
    const write = storage.write;
    storage.write = (at, from) => {
      writes.push({ at, bytes: Uint8Array.from(Buffer.concat(from)) });
      write(at, from);
    };
    const random = randomSource(7);
    for (let i = 0; i < 12; i++) {
      const at = random.below(1100) * 512;
      image.write(at, [new Uint8Array((1 + random.below(90)) * 512).fill(2 + i)]);
      if (i % 3 === 1) image.zero(random.below(1000) * 512, 100 * 512);
      if (i % 3 === 0) image.flush();
    }
    deleteSnapshot(image, 'one');
    image.close();
    const every = Math.max(1, Math.floor(writes.length / 60));
    for (const [i, { at, bytes }] of writes.entries()) {
      replay.write(at, [bytes]);
      if (i % every !== 0) continue;
      const cut = again(memoryStorage(replay.content()));
      if (cut.header.incompatible & 1) checkQcow2(cut, 'all');
      const { corruptions, findings } = checkQcow2(cut);
      // A flag that is off although nobody shares the cluster costs a copy, no data.
      const bad = findings.filter((text) => !text.includes('wrong flag'));
      expect(bad, `cut ${i} of ${writes.length}, ${corruptions}`).toEqual([]);
      content(cut);
    }
  });

  it('grows and shrinks', () => {
    const { storage, image } = fresh({ ...options, size: 512 * 100 });
    image.write(0, [new Uint8Array(512 * 100).fill(5)]);
    resizeQcow2(image, 512 * 200_000);
    image.write(512 * 199_999, [new Uint8Array(512).fill(6)]);
    resizeQcow2(image, 512 * 50);
    resizeQcow2(image, 512 * 120);
    image.close();
    const read = again(storage);
    expect(read.bytes).toBe(512 * 120);
    expect(
      Buffer.compare(
        content(read),
        Uint8Array.from({ length: 512 * 120 }, (_, i) => (i < 512 * 50 ? 5 : 0)),
      ),
    ).toBe(0);
    expect(checkQcow2(read)).toMatchObject(sound);
  });
});

it.each(['zlib', 'zstd'] as const)('compressed clusters (%s) are read, overwritten and given back', (compression) => {
  const { storage, image } = fresh({ size: 2 ** 20, compression });
  const data = Uint8Array.from({ length: 65536 }, (_, i) => (i >>> 5) & 0xff);
  for (let i = 0; i < 16; i++) image.writeCompressed(i, data);
  image.write(65536 * 3 + 512, [new Uint8Array(1024).fill(9)]);
  image.close();
  expect(storage.content().length).toBeLessThan(2 ** 19 + 2 ** 18);
  const read = again(storage);
  const expected = new Uint8Array(2 ** 20);
  for (let i = 0; i < 16; i++) expected.set(data, 65536 * i);
  expected.fill(9, 65536 * 3 + 512, 65536 * 3 + 1536);
  expect(Buffer.compare(content(read), expected)).toBe(0);
  expect(checkQcow2(read)).toMatchObject({ ...sound, compressed: 15, allocated: 16 });
});

it('a full storage loses nothing: the write is refused, and succeeds when there is room', () => {
  const { storage, image } = fresh({ size: 2 ** 24, clusterBytes: 4096 });
  image.write(0, [new Uint8Array(65536).fill(1)]);
  image.flush();
  storage.limit = storage.size() + 8192;
  expect(() => image.write(2 ** 20, [new Uint8Array(2 ** 20).fill(2)])).toThrow(expect.objectContaining({ code: 'disk-full' }));
  storage.limit = Number.POSITIVE_INFINITY;
  image.write(2 ** 20, [new Uint8Array(2 ** 20).fill(2)]);
  image.close();
  const read = again(storage);
  expect(checkQcow2(read)).toMatchObject(sound);
  expect([content(read)[65535], content(read)[2 ** 21 - 1]]).toEqual([1, 2]);
});
