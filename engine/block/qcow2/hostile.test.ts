/** Damaged and malicious images: each is refused by an `EngineError`, or read and written like any other. Seeds that found something stay. */
import { describe, expect, it } from 'vitest';
import { EngineError } from '../../base/index.ts';
import { randomSource } from '../../devices/testing/random.ts';
import { imageCodec } from '../../host/codec.ts';
import { type ImageHost, openImage } from '../chain.ts';
import { memoryStorage } from '../testing/memory-storage.ts';
import { checkQcow2 } from './check.ts';
import { createQcow2 } from './create.ts';
import { viewOf } from './header.ts';
import { Qcow2 } from './image.ts';
import { createSnapshot, deleteSnapshot, listSnapshots } from './snapshots.ts';

/** A small image with everything in it: data, zeros, compressed clusters, a snapshot. */
function sample(version: 2 | 3, clusterBytes: number): Uint8Array {
  const storage = memoryStorage(0);
  createQcow2(storage, { size: 2 ** 20, version, clusterBytes });
  const image = new Qcow2(storage, { codec: imageCodec });
  image.writeCompressed(3, new Uint8Array(clusterBytes).fill(3));
  image.write(0, [new Uint8Array(3 * clusterBytes).fill(1)]);
  createSnapshot(image, 'one', 1);
  image.write(clusterBytes, [new Uint8Array(512).fill(2)]);
  image.zero(2 * clusterBytes, clusterBytes);
  image.close();
  return storage.content().slice();
}

/** Everything that can be done to an image; an `EngineError` ends it, anything else is a defect. */
function use(bytes: Uint8Array, what: string): string {
  const storage = memoryStorage(bytes);
  // A hostile offset must not make the file of a person huge.
  storage.limit = bytes.length + 2 ** 24;
  const host: ImageHost = {
    open: () => storage,
    resolve: (_from, name) => name,
    identity: (path) => path,
    codec: imageCodec,
  };
  try {
    const image = openImage(host, 'hostile') as Qcow2;
    if (!(image instanceof Qcow2)) return 'raw';
    const sound = checkQcow2(image).corruptions === 0;
    const size = Math.min(image.bytes, 2 ** 21);
    image.read(0, [new Uint8Array(size)]);
    if (image.bytes >= 8192) {
      image.write(4096, [new Uint8Array(1024).fill(9)]);
      image.discard(0, 4096);
      image.flush();
      const back = new Uint8Array(1024);
      image.read(4096, [back]);
      // Two entries of a damaged image may share a cluster.
      if (sound)
        expect(
          back.every((byte) => byte === 9),
          what,
        ).toBe(true);
    }
    for (const { name } of listSnapshots(image)) deleteSnapshot(image, name);
    checkQcow2(image, 'all');
    image.close();
    return 'used';
  } catch (failure) {
    if (failure instanceof EngineError) return failure.code;
    throw new Error(`${what}: ${(failure as Error).stack}`, { cause: failure });
  }
}

const VALUES = [0, 1, 2, 8, 0x1ff, 0x200, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const seeds = [1, 2, 3, 4, 5, 6];

describe.each([
  [3, 4096],
  [2, 512],
  [3, 65536],
] as const)('version %i with clusters of %i bytes', (version, clusterBytes) => {
  const good = sample(version, clusterBytes);

  it('every word of the header can be any value', () => {
    for (let at = 4; at < 112; at += 4) {
      for (const value of VALUES) {
        const bytes = good.slice();
        viewOf(bytes).setUint32(at, value);
        use(bytes, `word at ${at} is ${value}`);
      }
    }
  });

  it.each(seeds)('tables can hold anything (seed %i)', (seed) => {
    const random = randomSource(seed);
    for (let round = 0; round < 120; round++) {
      const bytes = good.slice();
      for (let i = 0; i <= random.below(4); i++) {
        const at = random.below(bytes.length / 8) * 8;
        const high = random.below(3) === 0 ? random.word() : 0;
        const low = random.below(2) === 0 ? random.below(bytes.length) & ~(clusterBytes - 1) : random.word();
        viewOf(bytes).setUint32(at, (high | (random.below(2) === 0 ? 0x8000_0000 : 0)) >>> 0);
        viewOf(bytes).setUint32(at + 4, low >>> 0);
      }
      use(bytes, `seed ${seed}, round ${round}`);
    }
  });

  it('can be cut off anywhere', () => {
    for (let length = 0; length < good.length; length += Math.max(256, Math.floor(good.length / 60)))
      use(good.slice(0, length), `cut at ${length}`);
  });

  it('an entry that points at tables never lets the guest write there', () => {
    const bytes = good.slice();
    const view = viewOf(bytes);
    const l1 = Number(view.getBigUint64(40));
    const l2 = Number(view.getBigUint64(l1) & 0x00ff_ffff_ffff_fe00n);
    view.setBigUint64(l2 + 8, (1n << 63n) | BigInt(l1));
    const image = new Qcow2(memoryStorage(bytes), { codec: imageCodec });
    expect(() => image.write(clusterBytes, [new Uint8Array(512)])).toThrow(expect.objectContaining({ code: 'image-damaged' }));
  });
});

it('says of each kind of image what is wrong with it', () => {
  const good = sample(3, 4096);
  const withWord = (at: number, value: number) => {
    const bytes = good.slice();
    viewOf(bytes).setUint32(at, value);
    return use(bytes, 'named');
  };
  expect(use(good, 'good')).toBe('used');
  expect(withWord(32, 1)).toBe('image-encrypted');
  expect(withWord(4, 9)).toBe('image-format');
  expect(withWord(76, 4)).toBe('image-format');
  expect(withWord(76, 2)).toBe('image-damaged');
  expect(withWord(20, 40)).toBe('image-damaged');
  expect(withWord(36, 0xffff_ffff)).toBe('image-damaged');
  expect(use(new TextEncoder().encode('LUKS\xba\xbe'.padEnd(1024)), 'LUKS')).toMatch(/raw|image-encrypted/);
});
