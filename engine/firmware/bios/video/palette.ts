/** Colours of the standard modes as DAC entries of three 6-bit values. */
import type { Colours } from './modes.ts';

type Entry = readonly [red: number, green: number, blue: number];

const GREYS = [0x00, 0x05, 0x08, 0x0b, 0x0e, 0x11, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2d, 0x32, 0x38, 0x3f];
/** Five steps from the least to the most of a component: three brightnesses of three saturations each. */
const RAMPS: readonly (readonly number[])[] = [
  [0x00, 0x10, 0x1f, 0x2f, 0x3f],
  [0x1f, 0x27, 0x2f, 0x37, 0x3f],
  [0x2d, 0x31, 0x36, 0x3a, 0x3f],
  [0x00, 0x07, 0x0e, 0x15, 0x1c],
  [0x0e, 0x11, 0x15, 0x18, 0x1c],
  [0x14, 0x16, 0x18, 0x1a, 0x1c],
  [0x00, 0x04, 0x08, 0x0c, 0x10],
  [0x08, 0x0a, 0x0c, 0x0e, 0x10],
  [0x0b, 0x0c, 0x0d, 0x0f, 0x10],
];

/** Bits 2..0: two thirds of red, green, blue; bits 5..3: one third. */
const ega = (index: number): Entry => {
  const part = (bit: number) => (index & (4 >> bit) ? 0x2a : 0) + (index & (0x20 >> bit) ? 0x15 : 0);
  return [part(0), part(1), part(2)];
};
/** Bits 2..0 as above, bit 4: bright; dark yellow is brown. */
const cga = (index: number): Entry => {
  const bright = index & 0x10 ? 0x15 : 0;
  if ((index & 0x17) === 6) return [0x2a, 0x15, 0x00];
  const part = (bit: number) => (index & (4 >> bit) ? 0x2a : 0) + bright;
  return [part(0), part(1), part(2)];
};
const mono = (index: number): Entry => {
  const level = [0x00, 0x2a, 0x15, 0x3f][(index >>> 3) & 3] ?? 0;
  return [level, level, level];
};
/** One turn of hues in 24 steps from blue over red and green back to blue. */
const hues = (ramp: readonly number[]): Entry[] => {
  const [low = 0, , , , high = 0] = ramp;
  const up = ramp.slice(0, 4);
  const down = ramp.slice(1).reverse();
  return [
    ...up.map((step): Entry => [step, low, high]),
    ...down.map((step): Entry => [high, low, step]),
    ...up.map((step): Entry => [high, step, low]),
    ...down.map((step): Entry => [step, high, low]),
    ...up.map((step): Entry => [low, high, step]),
    ...down.map((step): Entry => [low, step, high]),
  ];
};

/** DAC entries from 0 on. */
export function colourTable(colours: Colours): readonly Entry[] {
  const sixtyFour = (of: (index: number) => Entry) => Array.from({ length: 64 }, (_, index) => of(index));
  switch (colours) {
    case 'ega':
      return sixtyFour(ega);
    case 'cga':
      return sixtyFour(cga);
    case 'mono':
      return sixtyFour(mono);
    case 'vga':
      return [
        ...Array.from({ length: 16 }, (_, index) => cga((index & 7) | (index & 8 ? 0x10 : 0))),
        ...GREYS.map((grey): Entry => [grey, grey, grey]),
        ...RAMPS.flatMap(hues),
        ...Array.from({ length: 8 }, (): Entry => [0, 0, 0]),
      ];
  }
}

/** The grey of a colour: 30 % red, 59 % green, 11 % blue. */
export function greyOf([red, green, blue]: Entry): Entry {
  const grey = Math.min(0x3f, Math.round(red * 0.3 + green * 0.59 + blue * 0.11));
  return [grey, grey, grey];
}
