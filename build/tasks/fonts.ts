/**
 * The BIOS's character shapes: drawn once on a cell of 6 by 9 points (assets/firmware/glyphs.txt), made into the three heights of the VGA.
 * Box-drawing characters and blocks are computed, accented letters put together, so that every height is exact.
 */

/** Lines of a glyph as drawn: seven above the base line, two below. */
const DRAWN_LINES = 9;
const LETTERS = 256;

type Height = 8 | 14 | 16;
type Glyph = readonly number[];

/** Which drawn line each line of the result shows; -1: none. */
const STRETCH: Readonly<Record<Height, readonly number[]>> = {
  8: [0, 1, 2, 3, 4, 5, 6, 7],
  14: [-1, 0, 1, 1, 2, 3, 4, 5, 5, 6, 7, 8, -1, -1],
  16: [-1, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 8, -1, -1],
};

interface Drawing {
  readonly glyphs: ReadonlyMap<number, Glyph>;
  /** Letters that are a base under an accent: code, base, accent. */
  readonly composed: readonly (readonly [number, number, string])[];
  readonly accents: ReadonlyMap<string, readonly number[]>;
}

const bits = (line: string): number => [...line].reduce((all, point, i) => (point === '#' ? all | (0x40 >>> i) : all), 0);

/**
 * A line of the file: what (a character's code in hexadecimal, or `accent NAME`), then its lines, `.` and `#`, separated by blanks.
 * `CODE = BASE + NAME` puts letters together. `;` begins a comment.
 */
function parse(text: string): Drawing {
  const glyphs = new Map<number, Glyph>();
  const composed: [number, number, string][] = [];
  const accents = new Map<string, readonly number[]>();
  for (const [number, whole] of text.split('\n').entries()) {
    const words = whole.replace(/;.*/, '').trim().split(/\s+/);
    const [first = '', second = ''] = words;
    if (first === '') continue;
    const wrong = (why: string) => new Error(`glyphs.txt:${number + 1}: ${why}`);
    if (first === 'accent') accents.set(second, words.slice(2).map(bits));
    else if (second === '=') composed.push([Number.parseInt(first, 16), Number.parseInt(words[2] ?? '', 16), words[4] ?? '']);
    else {
      const lines = words.slice(1);
      if (lines.length > DRAWN_LINES) throw wrong(`${lines.length} lines`);
      if (lines.some((line) => !/^[.#]{1,8}$/.test(line))) throw wrong('a line is not of . and #');
      const glyph = lines.map(bits);
      while (glyph.length < DRAWN_LINES) glyph.push(0);
      glyphs.set(Number.parseInt(first, 16), glyph);
    }
  }
  return { glyphs, composed, accents };
}

/** An accent takes the two upper lines; capitals are pressed together below it. */
function compose({ glyphs, accents }: Drawing, base: number, accent: string): Glyph {
  const letter = glyphs.get(base) ?? [];
  const marks = accents.get(accent);
  if (letter.length === 0 || marks === undefined) throw new Error(`glyphs.txt: ${base.toString(16)} + ${accent} is not drawn`);
  if (accent === 'cedilla') return letter.map((line, i) => line | (marks[i - 7] ?? 0));
  const capital = (letter[0] ?? 0) !== 0 || (letter[1] ?? 0) !== 0;
  const dotless = base === 0x69;
  const body = capital && !dotless ? [0, 2, 3, 4, 6].map((i) => letter[i] ?? 0) : letter.slice(2, 7);
  return [marks[0] ?? 0, marks[1] ?? 0, ...body, letter[7] ?? 0, letter[8] ?? 0];
}

function stretched(glyph: Glyph, height: Height): number[] {
  const lines = STRETCH[height].map((from) => (from < 0 ? 0 : (glyph[from] ?? 0)));
  // The lowest cell line stands for both lines below the base line where there is room for one only.
  if (height === 8) lines[7] = (glyph[7] ?? 0) | (glyph[8] ?? 0);
  return lines;
}

/** CP437 B3h to DAh: lines up, right, down, left; 0 none, 1 single, 2 double. */
const BOXES =
  '1010 1011 1012 2021 0021 0012 2022 2020 0022 2002 2001 1002 0011 1100 1101 0111 1110 0101 1111 1210 2120 2200 0220 2202 0222 2220 0202 2222 1202 2101 0212 0121 2100 1200 0210 0120 2121 1212 1001 0110';
const FIRST_BOX = 0xb3;

/** Double arms are a band with its inside taken out again; single ones end at what they meet, or pass where they go on beyond it. */
function box(code: string, height: Height): number[] {
  const [up, right, down, left] = [...code].map(Number) as [number, number, number, number];
  const middle = Math.floor(height / 2) - 1;
  const lines = Array<number>(height).fill(0);
  const area = (x: readonly [number, number], y: readonly [number, number], on: boolean) => {
    const mask = (0xff >>> x[0]) & (0xff << (7 - x[1]));
    for (let at = Math.max(0, y[0]); at <= Math.min(height - 1, y[1]); at++) {
      lines[at] = on ? (lines[at] ?? 0) | mask : (lines[at] ?? 0) & ~mask;
    }
  };
  const vertical = Math.max(up, down);
  const horizontal = Math.max(left, right);
  const last = height - 1;
  const rows = horizontal === 2 ? ([middle - 1, middle + 1] as const) : ([middle, middle] as const);
  const columns = vertical === 2 ? ([2, 5] as const) : ([3, 4] as const);
  if (up === 2) area([2, 5], [0, rows[1]], true);
  if (down === 2) area([2, 5], [rows[0], last], true);
  if (left === 2) area([0, columns[1]], [middle - 1, middle + 1], true);
  if (right === 2) area([columns[0], 7], [middle - 1, middle + 1], true);
  if (up === 2) area([3, 4], [0, horizontal === 2 || down ? middle : middle - 1], false);
  if (down === 2) area([3, 4], [horizontal === 2 || up ? middle : middle + 1, last], false);
  if (left === 2) area([0, vertical === 2 || right ? 4 : 2], [middle, middle], false);
  if (right === 2) area([vertical === 2 || left ? 3 : 5, 7], [middle, middle], false);
  const [throughX, throughY] = [left !== 0 && right !== 0, up !== 0 && down !== 0];
  if (up === 1) area([3, 4], [0, down ? last : horizontal === 2 && throughX ? middle - 1 : rows[1]], true);
  if (down === 1) area([3, 4], [up ? 0 : horizontal === 2 && throughX ? middle + 1 : rows[0], last], true);
  if (left === 1) area([0, right ? 7 : vertical === 2 && throughY ? 2 : columns[1]], [middle, middle], true);
  if (right === 1) area([left ? 0 : vertical === 2 && throughY ? 5 : columns[0], 7], [middle, middle], true);
  return lines;
}

function block(code: number, height: Height): number[] | undefined {
  const half = Math.floor(height / 2);
  const fill = (of: (y: number) => number) => Array.from({ length: height }, (_, y) => of(y));
  switch (code) {
    case 0xb0:
      return fill((y) => (y % 2 === 0 ? 0x22 : 0x88));
    case 0xb1:
      return fill((y) => (y % 2 === 0 ? 0x55 : 0xaa));
    case 0xb2:
      return fill((y) => (y % 2 === 0 ? 0xdd : 0x77));
    case 0xdb:
      return fill(() => 0xff);
    case 0xdc:
      return fill((y) => (y >= half ? 0xff : 0));
    case 0xdd:
      return fill(() => 0xf0);
    case 0xde:
      return fill(() => 0x0f);
    case 0xdf:
      return fill((y) => (y < half ? 0xff : 0));
    default:
      return undefined;
  }
}

function font(drawing: Drawing, height: Height): Uint8Array {
  const boxes = BOXES.split(' ');
  const composed = new Map(drawing.composed.map(([code, base, accent]) => [code, compose(drawing, base, accent)]));
  const image = new Uint8Array(LETTERS * height);
  for (let code = 0; code < LETTERS; code++) {
    const lines = boxes[code - FIRST_BOX];
    const glyph = composed.get(code) ?? drawing.glyphs.get(code);
    const shape = lines !== undefined ? box(lines, height) : (block(code, height) ?? (glyph ? stretched(glyph, height) : []));
    image.set(shape, code * height);
  }
  return image;
}

/** The files that bios.asm includes. */
export function fontFiles(glyphs: string): ReadonlyMap<string, Uint8Array> {
  const drawing = parse(glyphs);
  return new Map(([8, 14, 16] as const).map((height) => [`font${height}.bin`, font(drawing, height)]));
}
