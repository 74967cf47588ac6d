/** Measures what a person sees of a guest's screen in a real browser: pictures a second, and how long a key takes to change a pixel. */
import type { Page } from 'playwright-core';

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Runs in the page: counts pictures as they are drawn, and tells when the pixel that is watched becomes another one. */
export const PROBE = `
  const probe = { frames: 0, changed: 0, watch: undefined, last: 0 };
  globalThis.probe = probe;
  probe.read = (context, { x, y }) => {
    const [red, green, blue] = context.getImageData(x, y, 1, 1).data;
    return (red << 16) | (green << 8) | blue;
  };
  const draw = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...args) {
    draw.apply(this, args);
    probe.frames++;
    if (probe.watch === undefined) return;
    const value = probe.read(this, probe.watch);
    if (value !== probe.last) probe.changed = performance.now();
    probe.last = value;
  };
`;

/** Before the page loads. */
export async function installProbe(page: Page): Promise<void> {
  await page.addInitScript(PROBE);
}

export function frames(page: Page): Promise<number> {
  return page.evaluate('globalThis.probe.frames');
}

/** Of so many seconds, the median of how many frames of the window showed a new picture of the guest. */
export async function framesPerSecond(page: Page, seconds: number): Promise<number> {
  const counts = (await page.evaluate(`(async () => {
    const counts = [];
    let drawn = probe.frames;
    let count = 0;
    let second = performance.now() + 1000;
    while (counts.length < ${seconds}) {
      const now = await new Promise(requestAnimationFrame);
      if (probe.frames !== drawn) count++;
      drawn = probe.frames;
      if (now < second) continue;
      counts.push((count * 1000) / (now - second + 1000));
      count = 0;
      second = now + 1000;
    }
    return counts;
  })()`)) as number[];
  return counts.sort((a, b) => a - b)[seconds >> 1] as number;
}

/** Colour of a pixel of the guest, as 0xRRGGBB. */
export function pixel(page: Page, at: Point): Promise<number> {
  return page.evaluate(`probe.read(document.querySelector('canvas').getContext('2d'), ${JSON.stringify(at)})`);
}

/** Milliseconds from a key of the keyboard to another colour of a pixel. Rejects when it stays the same for two seconds. */
export function keyToPixel(page: Page, code: string, at: Point): Promise<number> {
  const [key, point] = [JSON.stringify(code), JSON.stringify(at)];
  return page.evaluate(`(async () => {
    const canvas = document.querySelector('canvas');
    probe.watch = ${point};
    probe.last = probe.read(canvas.getContext('2d'), ${point});
    probe.changed = 0;
    const start = performance.now();
    for (const type of ['keydown', 'keyup']) {
      canvas.dispatchEvent(new KeyboardEvent(type, { code: ${key}, bubbles: true, cancelable: true }));
    }
    while (probe.changed === 0) {
      if (performance.now() - start > 2000) throw new Error('no pixel changed');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    probe.watch = undefined;
    return probe.changed - start;
  })()`);
}
