/** What the monitor says about itself: a VESA E-EDID 1.4 block of 128 bytes with one preferred mode. */

export interface PreferredMode {
  readonly width: number;
  readonly height: number;
}

/** Blanking of a flat panel: 160 dots, 23 lines or so at 60 Hz (VESA CVT, reduced blanking). */
const BLANK_DOTS = 160;
const BLANK_LINES = 30;
const REFRESH_HZ = 60;
/** Established timings I and II: 640x480, 800x600, 1024x768 at 60 Hz. */
const ESTABLISHED = [0x21, 0x08, 0x00] as const;
/** Standard timings at 60 Hz: width / 8 - 31, aspect ratio. */
const STANDARD = [
  [1280, 2], // 5:4
  [1440, 0], // 16:10
  [1600, 1], // 4:3
  [1680, 0],
  [1920, 3], // 16:9
  [1920, 0],
] as const;

/** `width` and `height` in pixels, even and below 4096. */
export function edid({ width, height }: PreferredMode): Uint8Array {
  const block = new Uint8Array(128);
  block.set([0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00], 0);
  block.set([0x4a, 0x8d, 0x01, 0x00], 8); // maker RTM, product 1
  block.set([0x00, 36, 0x01, 0x04], 16); // made in 2026, EDID 1.4
  block.set([0xa5, 0x20, 0x18, 0x78, 0x06], 20); // digital at 8 bits; 32 by 24 cm; gamma 2.2; sRGB, first mode is native
  block.set([0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54], 25); // chromaticities of sRGB
  block.set(ESTABLISHED, 35);
  block.fill(0x01, 38, 54);
  block.set(
    STANDARD.flatMap(([across, aspect]) => [across / 8 - 31, aspect << 6]),
    38,
  );
  const dots = width + BLANK_DOTS;
  const lines = height + BLANK_LINES;
  const clock = Math.round((dots * lines * REFRESH_HZ) / 10_000);
  const [sync, pulse] = [48, 32];
  block.set(
    [
      clock & 0xff,
      clock >>> 8,
      width & 0xff,
      BLANK_DOTS & 0xff,
      ((width >>> 8) << 4) | (BLANK_DOTS >>> 8),
      height & 0xff,
      BLANK_LINES & 0xff,
      ((height >>> 8) << 4) | (BLANK_LINES >>> 8),
      sync,
      pulse,
      (3 << 4) | 4,
      0,
      320 & 0xff,
      240,
      (320 >>> 8) << 4,
      0,
      0,
      0x1a,
    ],
    54,
  );
  describe(block, 72, 0xfc, 'Rootmode');
  // Ranges: 50 to 125 Hz, 30 to 160 kHz, at most 600 MHz.
  block.set([0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 60, 0x00, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20], 90);
  block.set([0, 0, 0, 0x10], 108);
  block[127] = (256 - (block.reduce((sum, byte) => sum + byte, 0) & 0xff)) & 0xff;
  return block;
}

function describe(block: Uint8Array, at: number, tag: number, text: string): void {
  block.set([0, 0, 0, tag, 0], at);
  const field = `${text}\n`.padEnd(13, ' ');
  for (let i = 0; i < 13; i++) block[at + 5 + i] = field.charCodeAt(i);
}
