/** Images of ours judged by QEMU's tools, and theirs read by us. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openImage } from './block/chain.ts';
import { randomSource } from './devices/testing/random.ts';
import { check, commit, convert, create, rebase, resize, snapshot } from './image-verbs.ts';
import { imageHost } from './media.ts';

const missing = spawnSync('qemu-img', ['--version']).status === 0 ? undefined : 'qemu-img is not installed (Debian: qemu-utils)';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-images-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }), 120_000);
const at = (name: string) => join(folder, name);

function qemu(program: 'qemu-img' | 'qemu-io', ...words: string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', cwd: folder });
  return { status, text: stdout + stderr };
}
const fine = (...words: string[]) => {
  const { status, text } = qemu('qemu-img', ...words);
  expect(status, text).toBe(0);
};

/** Some content: runs of bytes at random places of a disk of `size` bytes. */
function runs(size: number, seed: number): { at: number; bytes: Uint8Array }[] {
  const random = randomSource(seed);
  return Array.from({ length: 40 }, () => {
    const start = random.below(size / 512) * 512;
    const length = Math.min(size - start, (1 + random.below(400)) * 512);
    return { at: start, bytes: new Uint8Array(length).fill(1 + random.below(255)) };
  });
}

function fill(file: string, seed: number): void {
  const image = openImage(imageHost('test'), file);
  for (const { at: start, bytes } of runs(image.bytes, seed)) image.write(start, [bytes]);
  image.close();
}

/** The same content in a raw file, for comparison. */
function model(file: string, size: number, seeds: readonly number[]): void {
  const bytes = new Uint8Array(size);
  for (const seed of seeds) for (const run of runs(size, seed)) bytes.set(run.bytes, run.at);
  writeFileSync(file, bytes);
}

const SIZE = 16 * 2 ** 20;

describe.skipIf(missing !== undefined)(`beside qemu-img${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it.each([
    ['usual', {}],
    ['version 2', { formatVersion: '2' }],
    ['small clusters', { clusterSize: '4K' }],
    ['large clusters', { clusterSize: '2M' }],
    ['lazy', { lazyRefcounts: true, clusterSize: '4K' }],
    ['zstd', { compression: 'zstd' }],
  ])('an image of ours is sound and the same disk: %s', async (name, words) => {
    const file = at(`${name}.qcow2`);
    await create(file, '16M', words);
    fine('check', file);
    fill(file, 1);
    model(at('model.raw'), SIZE, [1]);
    fine('check', file);
    fine('compare', '-f', 'qcow2', '-F', 'raw', file, at('model.raw'));
    expect(check(file)).toMatchObject({ status: 0 });
    snapshot(file, { create: 'before' });
    fill(file, 2);
    fine('check', file);
    expect(qemu('qemu-img', 'snapshot', '-l', file).text).toContain('before');
    model(at('model.raw'), SIZE, [1, 2]);
    fine('compare', '-f', 'qcow2', '-F', 'raw', file, at('model.raw'));
    snapshot(file, { apply: 'before' });
    model(at('model.raw'), SIZE, [1]);
    fine('compare', '-f', 'qcow2', '-F', 'raw', file, at('model.raw'));
    snapshot(file, { delete: 'before' });
    fine('check', file);
    resize(file, '+3M');
    fine('check', file);
  });

  it.each([
    ['usual', []],
    ['compressed', ['-c']],
    ['compressed by zstd', ['-c', '-o', 'compression_type=zstd']],
    ['version 2', ['-o', 'compat=0.10']],
    ['small counts', ['-o', 'refcount_bits=1,cluster_size=4096']],
    ['large counts', ['-o', 'refcount_bits=64']],
    ['lazy', ['-o', 'lazy_refcounts=on']],
    ['laid out before', ['-o', 'preallocation=metadata']],
  ])('an image of theirs is read, written and stays sound: %s', (name, options) => {
    model(at('source.raw'), SIZE, [3]);
    const file = at(`theirs ${name}.qcow2`);
    fine('convert', '-f', 'raw', '-O', 'qcow2', ...options, at('source.raw'), file);
    expect(check(file)).toMatchObject({ status: 0 });
    fill(file, 4);
    model(at('model.raw'), SIZE, [3, 4]);
    fine('check', file);
    fine('compare', '-f', 'qcow2', '-F', 'raw', file, at('model.raw'));
    const written = qemu(
      'qemu-io',
      '-f',
      'qcow2',
      '-c',
      'write -P 0x5a 1M 300k',
      '-c',
      'write -z 3M 1M',
      '-c',
      'discard 5M 2M',
      file,
    );
    expect(written.status, written.text).toBe(0);
    const image = openImage(imageHost('test'), file, { readonly: true });
    const read = new Uint8Array(300 * 1024);
    image.read(2 ** 20, [read]);
    expect(read.every((byte) => byte === 0x5a)).toBe(true);
    image.close();
    expect(check(file)).toMatchObject({ status: 0 });
  });

  it('snapshots of theirs are gone back to and deleted', () => {
    const file = at('their-snapshots.qcow2');
    fine('create', '-f', 'qcow2', file, '16M');
    fill(file, 5);
    fine('snapshot', '-c', 'one', file);
    fill(file, 6);
    fine('snapshot', '-c', 'two', file);
    fill(file, 7);
    snapshot(file, { apply: 'one' });
    fine('check', file);
    model(at('model.raw'), SIZE, [5]);
    fine('compare', '-f', 'qcow2', '-F', 'raw', file, at('model.raw'));
    snapshot(file, { delete: '1' });
    fine('snapshot', '-a', 'two', file);
    model(at('model.raw'), SIZE, [5, 6]);
    fine('compare', '-f', 'qcow2', '-F', 'raw', file, at('model.raw'));
    fine('check', file);
  });

  it('converts both ways, compressed and not', async () => {
    model(at('c.raw'), SIZE, [8]);
    for (const words of [{}, { compress: true }, { compress: true, compression: 'zstd', clusterSize: '16K' }]) {
      await convert(at('c.raw'), at('c.qcow2'), words);
      fine('check', at('c.qcow2'));
      fine('compare', '-f', 'raw', '-F', 'qcow2', at('c.raw'), at('c.qcow2'));
    }
    await convert(at('c.qcow2'), at('back.raw'), { format: 'raw' });
    fine('compare', '-f', 'raw', '-F', 'raw', at('c.raw'), at('back.raw'));
  });

  it('layers: created, written, rebased and committed, as their tools see it', async () => {
    await create(at('base.qcow2'), '16M', {});
    fill(at('base.qcow2'), 9);
    await create(at('top.qcow2'), undefined, { backing: 'base.qcow2' });
    fill(at('top.qcow2'), 10);
    model(at('model.raw'), SIZE, [9, 10]);
    fine('check', at('top.qcow2'));
    const same = () => fine('compare', '-f', 'qcow2', '-F', 'raw', at('top.qcow2'), at('model.raw'));
    same();
    await create(at('other.qcow2'), '16M', {});
    fill(at('other.qcow2'), 11);
    await rebase(at('top.qcow2'), { backing: 'other.qcow2' });
    same();
    expect(qemu('qemu-img', 'info', at('top.qcow2')).text).toContain('backing file: other.qcow2');
    await commit(at('top.qcow2'));
    same();
    fine('compare', '-f', 'qcow2', '-F', 'raw', at('other.qcow2'), at('model.raw'));
    await rebase(at('top.qcow2'), { backing: '' });
    rmSync(at('other.qcow2'));
    same();
    fine('check', at('top.qcow2'));
  });

  it('a killed writer leaves no damage', { timeout: 60_000 }, async () => {
    const writer = fileURLToPath(new URL('./block/testing/endless-writer.ts', import.meta.url));
    for (const [i, words] of [{}, { lazyRefcounts: true }, { clusterSize: '4K' }].entries()) {
      const file = at(`killed${i}.qcow2`);
      await create(file, '64M', words);
      for (let round = 0; round < 3; round++) {
        const child = spawn(process.execPath, [writer, file, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
        await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
        await new Promise((resolve) => setTimeout(resolve, 60 + 70 * round));
        const over = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await over;
        if (words.lazyRefcounts) openImage(imageHost('test'), file).close();
        const { status, text } = qemu('qemu-img', 'check', file);
        // 3: clusters that were counted and not yet referred to.
        expect([0, 3], text).toContain(status);
        check(file, { repair: 'leaks' });
        fine('check', file);
      }
    }
  });
});
