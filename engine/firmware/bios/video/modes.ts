/**
 * The VGA's standard modes: register values as the BIOS leaves them (IBM PS/2 Hardware Interface Technical Reference, video subsystem,
 * and VGA data sheets), and what BIOS services need to know of each.
 */
export type Layout = 'text' | 'cga4' | 'cga2' | 'planar' | 'packed';
export type Colours = 'ega' | 'cga' | 'mono' | 'vga';

export interface VideoMode {
  readonly number: number;
  readonly layout: Layout;
  readonly colours: Colours;
  readonly columns: number;
  readonly rows: number;
  /** Pixels; of text modes as they are displayed with 16-line characters. */
  readonly width: number;
  readonly height: number;
  readonly characterHeight: number;
  readonly segment: number;
  readonly pageBytes: number;
  readonly pages: number;
  readonly miscellaneous: number;
  /** Registers 1 to 4; 0 becomes 3. */
  readonly sequencer: readonly number[];
  readonly crtc: readonly number[];
  readonly attribute: readonly number[];
  readonly graphics: readonly number[];
}

const hex = (text: string): number[] => (text.match(/[0-9a-f]{2}/g) ?? []).map((byte) => Number.parseInt(byte, 16));

const EGA = hex('000102030405140738393a3b3c3d3e3f');
const CGA = hex('00010203040506071011121314151617');
const GRAPHICS_ATTRIBUTES = hex('01000f00');

const TEXT = {
  attribute: [...EGA, ...hex('0c000f08')],
  graphics: hex('0000000000100e00ff'),
  miscellaneous: 0x67,
} as const;
const MONO_TEXT = {
  attribute: hex('000808080808080810181818181818180e000f08'),
  graphics: hex('0000000000100a00ff'),
  miscellaneous: 0x66,
} as const;
const NARROW = '2d272890';
const WIDE = '5f4f5082';
/** CRTC: horizontal, vertical total to maximum scan line, cursor and start, vertical sync to end, pitch and underline, blank, mode. */
const crtc = (horizontal: string, total: string, cursor: string, sync: string): number[] =>
  hex(`${horizontal}${total}${cursor}00000000${sync}ff`);

const text = (number: number, columns: 40 | 80, mono = false): VideoMode => ({
  number,
  layout: 'text',
  colours: mono ? 'mono' : 'ega',
  columns,
  rows: 25,
  width: columns * 9,
  height: 400,
  characterHeight: 16,
  segment: mono ? 0xb000 : 0xb800,
  pageBytes: columns === 40 ? 0x800 : 0x1000,
  pages: 8,
  sequencer: hex(columns === 40 ? '08030002' : '00030002'),
  crtc:
    columns === 40
      ? crtc(`${NARROW}2ba0`, 'bf1f004f', '0d0e', '9c8e8f141f96b9a3')
      : crtc(`${WIDE}5581`, 'bf1f004f', '0d0e', mono ? '9c8e8f280f96b9a3' : '9c8e8f281f96b9a3'),
  ...(mono ? MONO_TEXT : TEXT),
});

type Rest = Partial<VideoMode> &
  Pick<
    VideoMode,
    'layout' | 'width' | 'height' | 'characterHeight' | 'pageBytes' | 'pages' | 'sequencer' | 'crtc' | 'attribute' | 'graphics'
  >;
const drawn = (number: number, rest: Rest): VideoMode => ({
  number,
  colours: 'cga',
  columns: rest.width / 8,
  rows: Math.floor(rest.height / rest.characterHeight),
  segment: 0xa000,
  miscellaneous: 0x63,
  ...rest,
});

const cga4 = (number: number): VideoMode =>
  drawn(number, {
    layout: 'cga4',
    width: 320,
    height: 200,
    characterHeight: 8,
    segment: 0xb800,
    pageBytes: 0x4000,
    pages: 1,
    sequencer: hex('09030002'),
    crtc: crtc(`${NARROW}2b80`, 'bf1f00c1', '0000', '9c8e8f140096b9a2'),
    attribute: hex('0013151702040607101112131415161701000300'),
    graphics: hex('0000000000300f00ff'),
  });

const PLANAR = { layout: 'planar', sequencer: hex('010f0006'), graphics: hex('0000000000 0005 0fff'.replace(/ /g, '')) } as const;
const LOW_LINES = '9c8e8f280096b9e3';
const EGA_LINES = '83855d280f63bae3';
const VGA_LINES = 'ea8cdf2800e704e3';

export const MODES: readonly VideoMode[] = [
  text(0, 40),
  text(1, 40),
  text(2, 80),
  text(3, 80),
  cga4(4),
  cga4(5),
  drawn(6, {
    layout: 'cga2',
    width: 640,
    height: 200,
    characterHeight: 8,
    segment: 0xb800,
    pageBytes: 0x4000,
    pages: 1,
    sequencer: hex('01010006'),
    crtc: crtc(`${WIDE}5480`, 'bf1f00c1', '0000', '9c8e8f280096b9c2'),
    attribute: hex('0017171717171717171717171717171701000100'),
    graphics: hex('0000000000000d00ff'),
  }),
  text(7, 80, true),
  drawn(0x0d, {
    ...PLANAR,
    width: 320,
    height: 200,
    characterHeight: 8,
    pageBytes: 0x2000,
    pages: 8,
    sequencer: hex('090f0006'),
    crtc: crtc(`${NARROW}2b80`, 'bf1f00c0', '0000', '9c8e8f140096b9e3'),
    attribute: [...CGA, ...GRAPHICS_ATTRIBUTES],
  }),
  drawn(0x0e, {
    ...PLANAR,
    width: 640,
    height: 200,
    characterHeight: 8,
    pageBytes: 0x4000,
    pages: 4,
    crtc: crtc(`${WIDE}5480`, 'bf1f00c0', '0000', LOW_LINES),
    attribute: [...CGA, ...GRAPHICS_ATTRIBUTES],
  }),
  drawn(0x0f, {
    ...PLANAR,
    colours: 'mono',
    width: 640,
    height: 350,
    characterHeight: 14,
    pageBytes: 0x8000,
    pages: 2,
    miscellaneous: 0xa2,
    crtc: crtc(`${WIDE}5480`, 'bf1f0040', '0000', EGA_LINES),
    attribute: hex('000800001818000000080000001800000b000500'),
    graphics: hex('0000000000000505ff'),
  }),
  drawn(0x10, {
    ...PLANAR,
    colours: 'ega',
    width: 640,
    height: 350,
    characterHeight: 14,
    pageBytes: 0x8000,
    pages: 2,
    miscellaneous: 0xa3,
    crtc: crtc(`${WIDE}5480`, 'bf1f0040', '0000', EGA_LINES),
    attribute: [...EGA, ...GRAPHICS_ATTRIBUTES],
  }),
  drawn(0x11, {
    ...PLANAR,
    colours: 'ega',
    width: 640,
    height: 480,
    characterHeight: 16,
    pageBytes: 0xa000,
    pages: 1,
    miscellaneous: 0xe3,
    crtc: crtc(`${WIDE}5480`, '0b3e0040', '0000', VGA_LINES),
    attribute: [0, ...Array<number>(15).fill(0x3f), ...GRAPHICS_ATTRIBUTES],
  }),
  drawn(0x12, {
    ...PLANAR,
    colours: 'ega',
    width: 640,
    height: 480,
    characterHeight: 16,
    pageBytes: 0xa000,
    pages: 1,
    miscellaneous: 0xe3,
    crtc: crtc(`${WIDE}5480`, '0b3e0040', '0000', VGA_LINES),
    attribute: [...EGA, ...GRAPHICS_ATTRIBUTES],
  }),
  drawn(0x13, {
    layout: 'packed',
    colours: 'vga',
    width: 320,
    height: 200,
    characterHeight: 8,
    pageBytes: 0x1_0000,
    pages: 1,
    sequencer: hex('010f000e'),
    crtc: crtc(`${WIDE}5480`, 'bf1f0041', '0000', '9c8e8f284096b9a3'),
    attribute: [...Array.from({ length: 16 }, (_, i) => i), ...hex('41000f00')],
    graphics: hex('000000000040050fff'),
  }),
];

export const modeOf = (number: number): VideoMode | undefined => MODES.find((mode) => mode.number === number);
