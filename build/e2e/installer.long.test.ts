/** Debian's installer from a CD with ISOLINUX, on the built program: to its list of languages, as text by keyboard, as graphics by mouse. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isolinuxCd } from '../tasks/boot-media.ts';
import { obtainInstallers } from '../tasks/debian-installer.ts';
import { atTheScreen } from './at-the-screen.ts';
import { type Picture, readPng } from './png.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

/** Downloading 145 MB, once. */
const FETCHING = 600_000;
/** A kernel and an initial file system of up to 200 MB, unpacked by an interpreted processor beside other tests. */
const BOOT_LIMIT = 1_200_000;
const STEP_LIMIT = 120_000;
/** What a list takes to redraw. */
const REDRAW = 3000;

let bench: Bench;
let folder: string;
let installers: ReturnType<typeof obtainInstallers> = { missing: 'not tried' };
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-installer-'));
  if (notBuilt === undefined) installers = obtainInstallers();
}, FETCHING);
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.close());

interface Selection {
  readonly x: number;
  /** Middle of the selected line, and height of a line, in dots. */
  readonly y: number;
  readonly height: number;
  /** What a line has at `x` that is not selected. */
  readonly plain: number;
}

/** Where a selection has gone one line down between two pictures: a band becomes plain, and the next one looks as it did. */
function movedDown(before: Picture, after: Picture): Selection | undefined {
  if (before.width !== after.width || before.height !== after.height) return undefined;
  const x = Math.round(before.width * 0.6);
  const end = before.height;
  let top = 0;
  while (top < end && before.at(x, top) === after.at(x, top)) top += 1;
  if (top === end) return undefined;
  const plain = after.at(x, top);
  let below = top;
  while (below < end && after.at(x, below) === plain) below += 1;
  const line = below - top;
  if (line < 12 || line > 48 || below + line > end) return undefined;
  let alike = 0;
  for (let i = 0; i < line; i++) if (after.at(x, below + i) === before.at(x, top + i)) alike += 1;
  return alike >= line * 0.6 && before.at(x, below + 4) === plain
    ? { x, y: below + (line >> 1), height: line, plain }
    : undefined;
}

/** Starts an installer from a CD, in a machine of its name. */
function boot(kind: 'text' | 'gtk', append: string): ReturnType<typeof atTheScreen> | { readonly missing: string } {
  if ('missing' in installers) return installers;
  const cd = isolinuxCd(folder, { ...installers[kind], append });
  if ('missing' in cd) return cd;
  bench.start(['run', '--cdrom', cd.path, '--memory', '1024', '--name', kind, '--serial', 'none', '--jit', 'on']);
  return atTheScreen(bench, kind);
}

describe.skipIf(notBuilt !== undefined)(`Debian's installer${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`, () => {
  it('as text comes to its languages, and the keyboard goes on from there', { timeout: BOOT_LIMIT * 2 }, async (ctx) => {
    // Without mode setting the kernel's console stays in the text mode that the firmware left.
    const screen = boot('text', 'vga=normal fb=false nomodeset --- quiet');
    if ('missing' in screen) return ctx.skip(screen.missing);
    const languages = await screen.shows(/Choose the language/, BOOT_LIMIT);
    expect(languages).toMatch(/English/);
    screen.command('key', 'enter');
    const places = await screen.shows(/Select your location|country, territory or area/i, STEP_LIMIT);
    expect(places).toMatch(/United (States|Kingdom)/);
    screen.command('power', 'off');
    return undefined;
  });

  it('as graphics comes to its languages, chosen by keyboard and by mouse', { timeout: BOOT_LIMIT * 2 }, async (ctx) => {
    const screen = boot('gtk', 'vga=788 --- quiet');
    if ('missing' in screen) return ctx.skip(screen.missing);
    const photo = (): Picture => {
      screen.command('screenshot', join(folder, 'now.png'));
      return readPng(join(folder, 'now.png'));
    };
    await screen.until(() => {
      try {
        return photo();
      } catch {
        return undefined; // not powered on yet
      }
    }, STEP_LIMIT);
    const first = await screen.until(async () => {
      const before = photo();
      screen.command('key', 'down');
      await sleep(REDRAW);
      return movedDown(before, photo());
    }, BOOT_LIMIT);
    const third = { ...first, y: first.y + 2 * first.height };
    const shows = (place: Selection) => () => photo().at(place.x, place.y) !== place.plain || undefined;
    expect(shows(third)()).toBeUndefined();
    screen.command('pointer', 'to', String(third.x), String(third.y), 'click');
    // The pointer's own picture hangs below its tip: away with it.
    screen.command('pointer', 'by', '150', '0');
    await screen.until(shows(third), STEP_LIMIT);
    expect(shows(first)()).toBeUndefined();
    screen.command('key', 'up');
    await screen.until(shows({ ...first, y: first.y + first.height }), STEP_LIMIT);
    screen.command('power', 'off');
    return undefined;
  });
});
