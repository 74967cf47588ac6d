/** Standard modes, by the registers that a BIOS gives them (IBM, mode tables). */
import type { Adapter } from './adapter.ts';

interface ModeRegisters {
  readonly misc: number;
  readonly seq: readonly number[];
  readonly crtc: readonly number[];
  readonly gfx: readonly number[];
  readonly attr: readonly number[];
}

const hex = (text: string): number[] => (text.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
const EGA = '000102030405140738393a3b3c3d3e3f';
const CGA = '00131517020406071011121314151617';
const SIXTEEN = '000102030405060708090a0b0c0d0e0f';

const MODES = {
  3: {
    misc: 0x67,
    seq: hex('0300030002'),
    crtc: hex('5f4f50825581bf1f004f0d0e000000009c8e8f281f96b9a3ff'),
    gfx: hex('0000000000100e00ff'),
    attr: hex(`${EGA}0c000f0800`),
  },
  4: {
    misc: 0x63,
    seq: hex('0309030002'),
    crtc: hex('2d2728902b80bf1f00c10000000000009c8e8f140096b9a2ff'),
    gfx: hex('0000000000300f00ff'),
    attr: hex(`${CGA}0100030000`),
  },
  6: {
    misc: 0x63,
    seq: hex('0301010006'),
    crtc: hex('5f4f50825480bf1f00c10000000000009c8e8f280096b9c2ff'),
    gfx: hex('0000000000000d00ff'),
    attr: hex('00171717171717171717171717171717' + '0100010000'),
  },
  13: {
    misc: 0x63,
    seq: hex('03090f0006'),
    crtc: hex('2d2728902b80bf1f00c00000000000009c8e8f140096b9e3ff'),
    gfx: hex('0000000000000500ff'),
    attr: hex(`${SIXTEEN}01000f0000`),
  },
  18: {
    misc: 0xe3,
    seq: hex('03010f0006'),
    crtc: hex('5f4f508254800b3e0040000000000000ea8cdf2800e704e3ff'),
    gfx: hex('0000000000000500ff'),
    attr: hex(`${EGA}01000f0000`),
  },
  19: {
    misc: 0x63,
    seq: hex('03010f000e'),
    crtc: hex('5f4f50825480bf1f0041000000000000' + '9c8e8f284096b9a3ff'),
    gfx: hex('0000000000400500ff'),
    attr: hex(`${SIXTEEN}41000f0000`),
  },
} as const satisfies Record<number, ModeRegisters>;

function program(v: Adapter, mode: ModeRegisters): void {
  v.out(0x3c2, mode.misc);
  v.set(0x3c4, ...mode.seq.map((value, index) => [index, value] as const));
  v.set(0x3d4, [0x11, 0], ...mode.crtc.map((value, index) => [index, value] as const));
  v.set(0x3ce, ...mode.gfx.map((value, index) => [index, value] as const));
  mode.attr.forEach((value, index) => {
    v.in(0x3da);
    v.out(0x3c0, index);
    v.out(0x3c0, value);
  });
  v.in(0x3da);
  v.out(0x3c0, 0x20);
  v.out(0x3c8, 0);
  for (let color = 0; color < 256; color++) {
    // 64 colours by two bits for each part, as of EGA, then the same at lower levels.
    const level = (bits: number) => ((bits & 1 ? 0x2a : 0) + (bits & 8 ? 0x15 : 0)) >>> (color >>> 6);
    for (const shift of [2, 1, 0]) v.out(0x3c9, level(color >>> shift));
  }
}

export function graphicsMode(v: Adapter, number: Exclude<keyof typeof MODES, 3>): void {
  program(v, MODES[number]);
}

/** Mode 3 with a font in which each character is a pattern of its own. */
export function textMode(v: Adapter): void {
  for (let code = 0; code < 256; code++) {
    for (let row = 0; row < 16; row++) {
      const at = (code * 32 + row) * 4 + 2;
      v.video.bytes[at] = row === 0 || row === 15 ? 0xff : (code * (row + 3)) & 0xff;
    }
  }
  program(v, MODES[0x03]);
}
