import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkRegularFile, readRegularFile } from './files.ts';
import { checkOutputFile, openOutputFile } from './streams.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-files-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('regular files', () => {
  it('are read whole', () => {
    const bytes = new Uint8Array(100_000).map((_, at) => at * 7);
    writeFileSync(join(folder, 'data'), bytes);
    expect(readRegularFile(join(folder, 'data'), 'kernel')).toEqual(bytes);
    expect(checkRegularFile(join(folder, 'data'), 'kernel')).toBe(100_000);
  });

  it('are refused by a sentence that names them when they are missing', () => {
    const path = join(folder, 'none');
    expect(() => readRegularFile(path, 'kernel')).toThrow(`There is no kernel at ${path}; check the path.`);
  });

  it('are not folders', () => {
    expect(() => checkRegularFile(folder, 'initrd')).toThrow(/initrd .* cannot be read \(it is a folder\)/);
  });

  it('are not pipes, on which reading might never end', () => {
    const path = join(folder, 'pipe');
    execFileSync('sh', ['-c', 'mkfifo "$0"', path]);
    expect(() => readRegularFile(path, 'kernel')).toThrow('it is no regular file');
  });
});

describe('output files', () => {
  it('hold what was written when closed', async () => {
    const path = join(folder, 'out');
    checkOutputFile(path, 'serial file');
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, 'old content');
    checkOutputFile(path, 'serial file');
    const sink = openOutputFile(path, 'serial file');
    await sink.write(Uint8Array.of(1, 2));
    await sink.write(Uint8Array.of(3));
    await sink.close();
    expect([...readRegularFile(path, 'serial file')]).toEqual([1, 2, 3]);
  });

  it('are refused where no file can be', async () => {
    const path = join(folder, 'no-such-folder', 'out');
    expect(() => checkOutputFile(path, 'serial file')).toThrow(/serial file .* cannot be written \(the folder does not exist\)/);
    expect(() => openOutputFile(path, 'serial file')).toThrow(expect.objectContaining({ code: 'file-unwritable' }));
    expect(() => checkOutputFile(folder, 'serial file')).toThrow('it is a folder');
    await expect(openOutputFile('/dev/full', 'serial file').write(Uint8Array.of(1))).rejects.toThrow('the disk is full');
  });
});
