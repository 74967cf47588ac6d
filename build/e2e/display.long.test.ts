/** A person at the screen of Debian's kernel: its text console is read, typed at and photographed from outside, by the commands for that. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedGuests, guestsMissing } from '../tasks/guest-cache.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

const guests = cachedGuests();
const reason = notBuilt ?? (guests === undefined ? guestsMissing : undefined);
const NAME = 'screen';
const BOOT_SECONDS = 180;

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.close());

const screen = async (): Promise<string> => (await bench.run('screen', NAME, '--text')).out;

/** The screen's text once it matches. */
async function shows(pattern: RegExp): Promise<string> {
  const end = Date.now() + BOOT_SECONDS * 1000;
  for (;;) {
    const text = await screen();
    if (pattern.test(text)) return text;
    if (Date.now() > end) throw new Error(`the screen never showed ${pattern}; it shows\n${text}`);
    await sleep(500);
  }
}

/** Width and height of a PNG file (ISO/IEC 15948, 11.2.2). */
function sizeOf(file: string): string {
  const bytes = readFileSync(file);
  expect(bytes.subarray(1, 4).toString('latin1')).toBe('PNG');
  return `${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`;
}

describe.skipIf(reason !== undefined)(`the screen${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  it('shows the boot log and a shell, which echoes what is typed', async () => {
    const { kernel, initrd } = guests as NonNullable<typeof guests>;
    const [photo, boot] = [join(bench.runtime, 'now.png'), join(bench.runtime, 'boot.png')];
    bench.start([
      ...['run', '--name', NAME, '--kernel', kernel, '--initrd', initrd, '--memory', '256', '--serial', 'none'],
      ...['--append', 'console=tty0', '--screenshot-at', `text:^.*Run /init as init process=${boot}`],
    ]);
    await shows(/Run \/init as init process/);
    await shows(/^guest# *$/m);
    expect(await bench.run('type', NAME, 'echo "Typed: <$((6*7))>" | tr a-z A-Z\\n')).toMatchObject({ status: 0, err: '' });
    expect(await shows(/^TYPED: <42>$/m)).toContain('echo "Typed: <$((6*7))>" | tr a-z A-Z');
    await bench.run('type', NAME, 'sleep 1000\\n');
    await bench.run('key', NAME, 'ctrl-c');
    await bench.run('type', NAME, 'echo status $?\\n');
    await shows(/^status 130$/m);
    expect(await bench.run('screenshot', NAME, photo)).toMatchObject({ status: 0 });
    expect([sizeOf(photo), sizeOf(boot)]).toEqual(['720x400', '720x400']);
    expect(statSync(photo).size).toBeGreaterThan(2000);
    expect((await bench.run('type', NAME, '→')).err).toContain('cannot type ');
    expect(await bench.run('power', NAME, 'off')).toMatchObject({ status: 0 });
  }, 600_000);
});
