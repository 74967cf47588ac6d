import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openImageFile } from './image-file.ts';

const MIB = 1 << 20;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-hole-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('gives a large range back to the host, and leaves a small one and the rest alone', (ctx) => {
  const path = join(folder, 'image');
  writeFileSync(path, new Uint8Array(8 * MIB).fill(0xa5));
  const file = openImageFile(path, 'write', 'a test');
  try {
    const before = file.allocated();
    expect(file.punch(0, 4096)).toBe(false);
    if (!file.punch(2 * MIB, 4 * MIB)) return ctx.skip('this host or file system has no holes, or no fallocate');
    expect([file.size(), before - file.allocated()]).toEqual([8 * MIB, 4 * MIB]);
    const bytes = new Uint8Array(8 * MIB);
    file.read(0, [bytes]);
    const expected = new Uint8Array(8 * MIB).fill(0xa5).fill(0, 2 * MIB, 6 * MIB);
    expect(Buffer.compare(bytes, expected)).toBe(0);
  } finally {
    file.close();
  }
  return undefined;
});
