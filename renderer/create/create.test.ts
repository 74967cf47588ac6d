import { describe, expect, it } from 'vitest';
import { StoredSettings } from '../../engine/contract/machine-file.ts';
import { commandOf, newDraft, problemsOf, requestOf, settingsOf } from './draft.ts';
import { nameFor, presetFor, presetIds, sourceFor } from './presets.ts';

const limits = { maximumMiB: 2048, taken: (name: string) => name === 'old' };

describe('presets', () => {
  it.each(presetIds)('%s makes a machine as soon as it has a name and a file', (preset) => {
    const draft = { ...newDraft(preset), name: 'one', file: '/images/file' };
    expect(problemsOf(draft, limits, true)).toEqual({});
    const { settings } = requestOf(draft);
    expect(JSON.stringify(settings)).toContain('/images/file');
    expect(StoredSettings.parse(settings)).toEqual(settings);
  });

  it('are chosen by what a file is', () => {
    expect([presetFor('kernel'), presetFor('boot-sector'), presetFor('archive')]).toEqual(['kernel', 'bootSector', undefined]);
    expect([sourceFor('iso'), sourceFor('disk'), sourceFor('other')]).toEqual(['iso', 'disk', undefined]);
  });

  it.each([
    ['/x/debian 12 (amd64).iso', 'debian-12-amd64-'],
    ['C:\\images\\dos.img', 'dos'],
    ['/x/old', 'old-2'],
    ['/x/---.iso', 'machine'],
  ])('%s gives a name that is allowed and free', (path, name) => {
    expect(nameFor(path, limits.taken)).toBe(name);
  });
});

describe('a draft', () => {
  const draft = { ...newDraft('linux'), name: 'one', file: '/a.iso' };
  it.each([
    ['a name that is taken', { name: 'old' }, 'name'],
    ['a name that leaves its folder', { name: '../a' }, 'name'],
    ['more memory than the host gives', { memoryMiB: 3000 }, 'memoryMiB'],
    ['no memory at all', { memoryMiB: Number.NaN }, 'memoryMiB'],
    ['too many processors', { cpus: 99 }, 'cpus'],
    ['a disk of no size', { diskGiB: Number.NaN }, 'diskGiB'],
    ['no boot order', { order: [] }, 'boot'],
  ])('refuses %s', (_what, change, field) => {
    expect(Object.keys(problemsOf({ ...draft, ...change }, limits, false))).toEqual([field]);
  });

  it('does not scold before anything was typed', () => {
    expect(problemsOf(newDraft('kernel'), limits, false)).toEqual({});
    expect(Object.keys(problemsOf(newDraft('kernel'), limits, true))).toEqual(['name', 'file']);
  });

  it('puts the disk it makes behind the one it was given', () => {
    expect(settingsOf({ ...draft, source: 'disk' })).toMatchObject({
      disks: [{ file: '/a.iso' }, { file: 'disk.img' }],
      cdroms: [],
    });
    expect(requestOf(draft).emptyDisks).toEqual([{ file: 'disk.img', bytes: 16 * 2 ** 30, preallocate: false }]);
    expect(requestOf({ ...draft, preallocate: true }).emptyDisks[0]?.preallocate).toBe(true);
    expect(requestOf({ ...draft, tags: ' a, b,a,' }).tags).toEqual(['a', 'b']);
  });

  it('is a command as well', () => {
    const kernel = { ...newDraft('kernel'), name: 'k', file: "/it's/vmlinuz", initrd: '/i.gz', append: 'a b' };
    expect(commandOf(kernel)).toBe(
      `rootmode create k --kernel '/it'\\''s/vmlinuz' --initrd /i.gz --append 'a b' --memory 512 --cpus 1`,
    );
    expect(commandOf({ ...kernel, initrd: '', append: '', jit: 'off', rtc: 'local', noReboot: true })).toMatch(
      / --cpus 1 --jit off --rtc local --no-reboot$/,
    );
  });
});
