/** A small picture of the screen, kept in the machine's folder while it runs: what the library shows. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { encodePng } from '../host/png.ts';
import type { Coordinator } from '../machine/coordinator.ts';

/** The longest side in pixels. */
const SIDE = 320;
/** Between two pictures, in milliseconds. */
const PERIOD = 5000;
/** The first one, once the guest has had time to draw. */
const FIRST = 1500;

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array;
}

/** Half, a third, … of the size: each pixel the mean of those it stands for. */
function shrink({ width, height, pixels }: Picture, side: number): Picture {
  const factor = Math.max(1, Math.ceil(Math.max(width, height) / side));
  const small = { width: Math.max(1, Math.floor(width / factor)), height: Math.max(1, Math.floor(height / factor)) };
  const out = new Uint32Array(small.width * small.height);
  const count = factor * factor;
  for (let y = 0; y < small.height; y++) {
    for (let x = 0; x < small.width; x++) {
      let [red, green, blue] = [0, 0, 0];
      for (let line = y * factor; line < (y + 1) * factor; line++) {
        for (let at = line * width + x * factor, end = at + factor; at < end; at++) {
          const word = pixels[at] as number;
          red += word & 0xff;
          green += (word >>> 8) & 0xff;
          blue += (word >>> 16) & 0xff;
        }
      }
      const mean = (sum: number): number => Math.round(sum / count);
      out[y * small.width + x] = (mean(red) | (mean(green) << 8) | (mean(blue) << 16) | 0xff000000) >>> 0;
    }
  }
  return { ...small, pixels: out };
}

/** Keep `file` up to date while `machine` runs. A machine without a screen, and a disk that is full, have no picture. */
export function keepThumbnail(machine: Coordinator, file: string): { stop(): void } {
  let timer = setTimeout(() => void take(), FIRST);
  let before = '';
  let stopped = false;
  const take = async (): Promise<void> => {
    try {
      if (machine.status === 'running') {
        const { picture } = await machine.screen.ask({ kind: 'picture' });
        const png = encodePng(shrink(picture, SIDE));
        const text = Buffer.from(png).toString('base64');
        if (text !== before) {
          writeFileSync(`${file}.new`, png);
          renameSync(`${file}.new`, file);
          before = text;
        }
      }
      if (!stopped) timer = setTimeout(() => void take(), PERIOD);
    } catch {
      rmSync(`${file}.new`, { force: true });
    }
  };
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
