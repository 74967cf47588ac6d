import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodePng } from '../../../host/png.ts';
import type { Rectangle } from '../../screen.ts';
import { Dispi, DispiEnable } from '../spec.ts';
import { type Adapter, adapter } from '../testing/adapter.ts';
import { graphicsMode, textMode } from '../testing/modes.ts';

/** Red, green, blue of a pixel. */
function pixel(v: Adapter, x: number, y: number): string {
  const { picture } = v.screen.update();
  return ((picture.pixels[y * picture.width + x] ?? 0) & 0xffffff).toString(16).padStart(6, '0');
}

/** Golden pictures: sizes and a digest of all pixels. `ROOTMODE_PICTURES=FOLDER` writes them as PNG, to be looked at before a digest is changed. */
function picture(v: Adapter, name: string): string {
  const { picture: shown } = v.screen.update();
  const { width, height, pixels } = shown;
  const folder = process.env.ROOTMODE_PICTURES;
  if (folder !== undefined) writeFileSync(`${folder}/${name}.png`, encodePng(shown));
  const digest = createHash('sha256')
    .update(new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength))
    .digest('hex');
  return `${width}x${height} ${digest.slice(0, 16)}`;
}

const write = (v: Adapter, at: number, text: string, attribute: number) => {
  for (const [i, letter] of [...text].entries()) v.poke(0xb8000 + (at + i) * 2, letter.charCodeAt(0), attribute);
};

describe('golden pictures', () => {
  it('text with colours, blinking, underline and cursor', () => {
    const v = adapter();
    textMode(v);
    for (let i = 0; i < 256; i++) v.poke(0xb8000 + (160 + i) * 2, i, i);
    v.set(0x3d4, [0x0e, 0x00], [0x0f, 5], [0x14, 0x0d]);
    write(v, 0, 'rootmode', 0x01);
    expect(picture(v, 'text')).toMatchSnapshot();
    v.advance((8 / 70) * 1e9);
    expect(picture(v, 'text-no-cursor')).toMatchSnapshot();
    v.advance((8 / 70) * 1e9);
    expect(picture(v, 'text-blinked')).toMatchSnapshot();
  });

  it('text of 8 dots with two fonts, smooth panning and a split screen', () => {
    const v = adapter();
    textMode(v);
    for (let i = 0; i < 256; i++) {
      for (let row = 0; row < 16; row++) v.video.bytes[(0x4000 + i * 32 + row) * 4 + 2] = i ^ (row * 17);
    }
    for (let i = 0; i < 2000; i++) v.poke(0xb8000 + i * 2, i & 0xff, (i * 7) & 0xff);
    v.set(0x3c4, [1, 0x01], [3, 0x04]);
    v.in(0x3da);
    v.out(0x3c0, 0x33);
    v.out(0x3c0, 3);
    v.in(0x3da);
    v.out(0x3c0, 0x30);
    v.out(0x3c0, 0x2c);
    v.set(0x3d4, [0x08, 0x05], [0x0c, 0], [0x0d, 85], [0x18, 0x2c], [0x09, 0x0f]);
    expect(picture(v, 'text-split')).toMatchSnapshot();
  });

  it('16 colours in planes', () => {
    const v = adapter();
    graphicsMode(v, 0x12);
    v.set(0x3ce, [5, 2]);
    for (let y = 0; y < 480; y++) for (let x = 0; x < 80; x++) v.poke(0xa0000 + y * 80 + x, (x >>> 2) ^ (y >>> 4));
    expect(picture(v, 'planar')).toMatchSnapshot();
    v.set(0x3d4, [0x0d, 40], [0x13, 0x29]);
    expect(picture(v, 'planar-panned')).toMatchSnapshot();
  });

  it('16 colours at 320 dots, doubled', () => {
    const v = adapter();
    graphicsMode(v, 0x0d);
    for (let plane = 0; plane < 4; plane++) {
      v.set(0x3c4, [2, 1 << plane]);
      for (let i = 0; i < 8000; i++) v.poke(0xa0000 + i, (i * (plane + 1)) & 0xff);
    }
    expect(picture(v, 'planar-320')).toMatchSnapshot();
  });

  it('CGA: four colours and two, in two banks of lines', () => {
    const four = adapter();
    graphicsMode(four, 0x04);
    for (let i = 0; i < 0x4000; i++) four.poke(0xb8000 + i, i < 0x2000 ? 0x1b : (i >>> 2) & 0xff);
    expect(picture(four, 'cga4')).toMatchSnapshot();
    const two = adapter();
    graphicsMode(two, 0x06);
    for (let i = 0; i < 0x4000; i++) two.poke(0xb8000 + i, i < 0x2000 ? 0xcc : i & 0xff);
    expect(picture(two, 'cga2')).toMatchSnapshot();
  });

  it('256 colours: mode 13h, then unchained with page flip and palette animation', () => {
    const v = adapter();
    graphicsMode(v, 0x13);
    for (let y = 0; y < 200; y++) for (let x = 0; x < 320; x++) v.poke(0xa0000 + y * 320 + x, (x ^ y) & 0xff);
    expect(picture(v, 'mode13')).toMatchSnapshot();
    v.set(0x3c4, [4, 0x06]);
    v.set(0x3d4, [0x14, 0x00], [0x17, 0xe3], [0x0c, 0x40]);
    for (let plane = 0; plane < 4; plane++) {
      v.set(0x3c4, [2, 1 << plane]);
      for (let i = 0; i < 16000; i++) v.poke(0xa4000 + i, (i % 80) + plane * 64);
    }
    expect(picture(v, 'mode-x')).toMatchSnapshot();
    v.out(0x3c8, 0);
    for (let i = 0; i < 64; i++) for (const part of [i, 63 - i, 0]) v.out(0x3c9, part);
    expect(picture(v, 'mode-x-palette')).toMatchSnapshot();
  });

  it.each([4, 8, 15, 16, 24, 32])('the display interface at %i bits, with a virtual screen', (depth) => {
    const v = adapter();
    graphicsMode(v, 0x13);
    const row = depth === 4 ? 176 / 8 : 176 * Math.ceil(depth / 8);
    for (const [index, value] of [
      [Dispi.Width, 160],
      [Dispi.Height, 100],
      [Dispi.Depth, depth],
      [Dispi.Enable, DispiEnable.On | DispiEnable.Linear],
      [Dispi.VirtualWidth, 176],
      [Dispi.XOffset, 9],
      [Dispi.YOffset, 3],
    ] as const)
      v.dispi(index, value);
    const bytes = row * 120 * (depth === 4 ? 4 : 1);
    for (let i = 0; i < bytes; i++) v.video.bytes[i] = (i + Math.floor(i / row) * 3) & 0xff;
    expect(picture(v, `dispi-${depth}`)).toMatchSnapshot();
  });
});

describe('pixels', () => {
  it('repeat the eighth dot for line drawing characters only', () => {
    const v = adapter();
    textMode(v);
    v.set(0x3d4, [0x0a, 0x20]);
    v.poke(0xb8000, 0xc4, 0x0f, 0x20, 0x0f, 0xe0, 0x0f);
    expect([pixel(v, 7, 0), pixel(v, 8, 0), pixel(v, 9 + 8, 0), pixel(v, 18 + 8, 0)]).toEqual([
      'ffffff',
      'ffffff',
      '000000',
      '000000',
    ]);
  });

  it('of two bits follow one another in a byte, odd lines from the upper bank', () => {
    const v = adapter();
    graphicsMode(v, 0x04);
    v.poke(0xb8000, 0x1b, 0xc0);
    v.poke(0xba000, 0xe4);
    const line = (y: number) => [0, 2, 4, 6, 8, 10].map((x) => pixel(v, x, y));
    const [black, one, two, three] = line(0);
    expect(new Set([black, one, two, three]).size).toBe(4);
    expect(line(0)).toEqual([black, one, two, three, three, black]);
    expect([line(1), line(2).slice(0, 4)]).toEqual([line(0), [three, two, one, black]]); // lines are doubled
  });

  it('of 32 bits have red, green and blue in their places', () => {
    const v = adapter();
    for (const [index, value] of [
      [Dispi.Width, 64],
      [Dispi.Height, 64],
      [Dispi.Depth, 32],
      [Dispi.Enable, 1],
    ] as const)
      v.dispi(index, value);
    v.video.words[1] = 0x00_12_34_56;
    expect(pixel(v, 1, 0)).toBe('563412');
  });

  it('are black while the screen is off, and the size stays', () => {
    const v = adapter();
    expect(v.screen.update().picture).toMatchObject({ width: 720, height: 400 });
    textMode(v);
    v.poke(0xb8000, 0x41, 0x70);
    v.set(0x3c4, [1, 0x20]);
    expect([pixel(v, 0, 8), v.screen.update().picture.height]).toEqual(['000000', 400]);
  });
});

describe('changes', () => {
  const changes = (v: Adapter): readonly Rectangle[] => v.screen.update().changed;

  it('are everything at first and nothing after that', () => {
    const v = adapter();
    textMode(v);
    expect(changes(v)).toEqual([{ x: 0, y: 0, width: 720, height: 400 }]);
    v.set(0x3d4, [0x0a, 0x20]);
    changes(v);
    expect(changes(v)).toEqual([]);
  });

  it('are the cells that were written', () => {
    const v = adapter();
    textMode(v);
    v.set(0x3d4, [0x0a, 0x20]);
    changes(v);
    v.poke(0xb8000 + (2 * 80 + 10) * 2, 0xdb, 0x17);
    v.poke(0xb8000 + (5 * 80 + 1) * 2, 0xdb, 0x17);
    const rectangles = changes(v);
    expect(rectangles).toHaveLength(2);
    expect(rectangles[0]).toMatchObject({ x: 90, y: 32, width: 9, height: 16 });
    expect(rectangles[1]).toMatchObject({ x: 9, y: 80, width: 9, height: 16 });
  });

  it('are the lines of a written page, and among them what differs', () => {
    const v = adapter();
    for (const [index, value] of [
      [Dispi.Width, 256],
      [Dispi.Height, 128],
      [Dispi.Depth, 32],
      [Dispi.Enable, 1],
    ] as const)
      v.dispi(index, value);
    changes(v);
    v.video.words[256 * 50 + 20] = 0xffffff;
    expect(changes(v)).toEqual([]); // not marked: nobody said that it was written
    v.video.mark((256 * 50 + 20) * 4);
    expect(changes(v)).toEqual([{ x: 20, y: 50, width: 1, height: 1 }]);
  });
});

describe('text', () => {
  it('is what the cells say, as Unicode, with the cursor', () => {
    const v = adapter();
    textMode(v);
    v.set(0x3d4, [0x0c, 0], [0x0d, 80], [0x0e, 0], [0x0f, 83]);
    v.poke(0xb8000 + 160, 0x48, 7, 0x84, 7, 0xc9, 7, 0x01, 7);
    const text = v.screen.text();
    expect([text?.columns, text?.lines.length, text?.lines[0]?.slice(0, 5), text?.cursor]).toEqual([
      80,
      25,
      'Hä╔☺ ',
      { column: 3, line: 0 },
    ]);
    graphicsMode(v, 0x13);
    expect(v.screen.text()).toBeUndefined();
  });
});

it('bears any registers a guest can write', () => {
  const v = adapter();
  textMode(v);
  // A linear congruential sequence with a kept seed: the same registers in every run.
  let seed = 0x5eed_1234;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let round = 0; round < 400; round++) {
    for (let i = 0; i < 12; i++) {
      const port = [0x3c4, 0x3ce, 0x3d4, 0x3c0, 0x3c2, 0x1ce][next(6)] as number;
      if (port === 0x1ce) v.dispi(next(12), next(4) === 0 ? next(0x10000) : next(64) * 8);
      else if (port === 0x3c0 || port === 0x3c2) v.out(port, next(256) | (port === 0x3c2 ? 3 : 0));
      else v.set(port, [next(0x19), next(256)]);
      v.machine.bus.mmioWrite(0, 0xa0000 + next(0x20000), 4, next(2 ** 32));
    }
    const { picture: shown, changed } = v.screen.update();
    expect(shown.pixels.length).toBe(shown.width * shown.height);
    for (const { x, y, width, height } of changed) {
      expect(width > 0 && height > 0 && x >= 0 && x + width <= shown.width && y + height <= shown.height).toBe(true);
    }
    v.screen.text();
  }
});
