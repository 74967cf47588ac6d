/** Images that cannot be used, and words that make no sense: each gets its sentence. */
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError } from './base/index.ts';
import { openImage } from './block/chain.ts';
import { check, create, info, resize, snapshot } from './image-verbs.ts';
import { imageHost } from './media.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-images-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

describe('bad images', () => {
  const refusal = async (body: () => unknown): Promise<string> => {
    try {
      await body();
    } catch (failure) {
      if (failure instanceof EngineError) return failure.code;
      throw failure;
    }
    return 'none';
  };

  it('a backing file that is missing, stands on itself, or is no image of ours', async () => {
    await create(at('a.qcow2'), '1M', {});
    await create(at('b.qcow2'), undefined, { backing: 'a.qcow2' });
    rmSync(at('a.qcow2'));
    expect(await refusal(() => openImage(imageHost('test'), at('b.qcow2')))).toBe('image-backing');
    symlinkSync('b.qcow2', at('a.qcow2'));
    expect(await refusal(() => openImage(imageHost('test'), at('b.qcow2')))).toBe('image-backing');
    rmSync(at('a.qcow2'));
    writeFileSync(at('a.qcow2'), 'KDMV');
    expect(await refusal(() => openImage(imageHost('test'), at('b.qcow2')))).toBe('image-format');
  });

  it('a disk that is said to be huge is shown at once', async () => {
    await create(at('huge.qcow2'), '1P', {});
    expect(JSON.parse(info(at('huge.qcow2'), { json: true }).text)).toMatchObject({ diskBytes: 2 ** 50, allocatedBytes: 0 });
  });

  it('too many images behind each other', async () => {
    await create(at('deep0.qcow2'), '1M', {});
    for (let i = 1; i < 70; i++) {
      try {
        await create(at(`deep${i}.qcow2`), '1M', { backing: `deep${i - 1}.qcow2` });
      } catch (failure) {
        expect((failure as EngineError).code).toBe('image-backing');
        return;
      }
    }
    expect.fail('no end');
  });

  it('a truncated image is refused or read as far as it goes', async () => {
    await create(at('cut.qcow2'), '4M', {});
    const image = openImage(imageHost('test'), at('cut.qcow2'));
    image.write(0, [new Uint8Array(2 ** 20).fill(1)]);
    image.close();
    truncateSync(at('cut.qcow2'), 300_000);
    expect(check(at('cut.qcow2')).status).toBe(1);
    // No repair brings back what was cut off.
    expect(check(at('cut.qcow2'), { repair: 'all' })).toMatchObject({
      status: 1,
      text: expect.stringMatching(/after the repair [1-9]/),
    });
    expect(info(at('cut.qcow2')).text).toContain('4 MiB');
  });

  it.each([
    ['no size', () => create(at('x'), undefined, {}), 'usage'],
    ['nonsense for a size', () => create(at('x'), '12 apples', {}), 'setting-invalid'],
    ['clusters of 3 KiB', () => create(at('x'), '1M', { clusterSize: '3K' }), 'setting-invalid'],
    ['more than the clusters can hold', () => create(at('x'), '100T', { clusterSize: '512' }), 'image-size'],
    [
      'shrinking unasked',
      async () => {
        await create(at('s.qcow2'), '2M', {});
        resize(at('s.qcow2'), '1M');
      },
      'image-size',
    ],
    ['a snapshot that is not there', () => snapshot(at('s.qcow2'), { apply: 'never' }), 'image-snapshot'],
    ['an image that is not there', () => info(at('nowhere')), 'file-missing'],
    [
      'filling one that stands on another',
      () => create(at('top.qcow2'), undefined, { backing: 's.qcow2', preallocation: 'full' }),
      'usage',
    ],
  ])('%s', async (_name, body, code) => {
    expect(await refusal(body)).toBe(code);
  });
});
