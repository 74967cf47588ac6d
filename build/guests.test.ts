import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cachedGuests, guestFolder } from './tasks/guest-cache.ts';
import { obtainGuests } from './tasks/guests.ts';
import { initramfs, initScript } from './tasks/initramfs.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-guests-'));
  vi.stubEnv('XDG_CACHE_HOME', folder);
  // A machine without apt: nothing can be obtained from outside.
  vi.stubEnv('PATH', join(folder, 'no-programs'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function placed(name: string, content: string): void {
  mkdirSync(guestFolder(), { recursive: true });
  writeFileSync(join(guestFolder(), name), content);
}

describe('guests on a machine without packages', () => {
  it('says what to place where, and leaves nothing behind', () => {
    expect(obtainGuests()).toContain(`as vmlinuz and a static busybox as busybox into ${guestFolder()}`);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('takes what was placed and builds the rest', () => {
    placed('vmlinuz', 'kernel');
    placed('busybox', 'shell');
    const guests = obtainGuests();
    expect(guests).toMatchObject({ kernel: join(guestFolder(), 'vmlinuz'), origin: ['placed by hand'] });
    expect(cachedGuests()).toEqual(guests);
    expect(gunzipSync(readFileSync(join(guestFolder(), 'initramfs.gz'))).includes('shell')).toBe(true);
    expect(readdirSync(dirname(guestFolder()))).toEqual(['guests']);
  });

  it('builds the initramfs anew when its recipe changed', () => {
    placed('vmlinuz', 'kernel');
    placed('busybox', 'shell');
    obtainGuests();
    placed('guests.json', '{"recipe":"of an older version","origin":["somewhere 1.0"]}');
    expect(cachedGuests()).toBeUndefined();
    expect(obtainGuests()).toMatchObject({ origin: ['somewhere 1.0'] });
  });
});

it('ignores a relative cache folder, as the XDG specification says', () => {
  vi.stubEnv('XDG_CACHE_HOME', 'relative');
  expect(guestFolder()).toMatch(/^\/.*\.cache\/rootmode\/guests$/);
});

describe('initramfs', () => {
  const modules = new Map([['button', Buffer.from('module code')]]);

  it('holds busybox, the init script and the modules, the same bytes every time', () => {
    const archive = initramfs({ busybox: Buffer.from('shell'), modules });
    const content = gunzipSync(archive);
    for (const part of ['bin/busybox', 'shell', 'lib/modules/button.ko', 'module code', initScript])
      expect(content.includes(part)).toBe(true);
    expect(initramfs({ busybox: Buffer.from('shell'), modules }).equals(archive)).toBe(true);
  });
});
