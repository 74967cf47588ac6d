import { describe, expect, it } from 'vitest';
import { outsideArchive } from './engines.ts';

describe('programs of a package', () => {
  it.each([
    ['/opt/Rootmode/resources/app.asar/out/cli.js', '/opt/Rootmode/resources/app.asar.unpacked/out/cli.js'],
    ['C:\\Rootmode\\resources\\app.asar\\out\\cli.js', 'C:\\Rootmode\\resources\\app.asar.unpacked\\out\\cli.js'],
    ['/home/me/rootmode/.out/cli.js', '/home/me/rootmode/.out/cli.js'],
    ['/x/app.asar.unpacked/out/cli.js', '/x/app.asar.unpacked/out/cli.js'],
  ])('%s starts from %s', (path, expected) => {
    expect(outsideArchive(path)).toBe(expected);
  });
});
