/** Text and names of keys as strokes on a keyboard of a certain layout (assets/keymaps). */
import { EngineError } from '../base/index.ts';
import { keyNames } from '../board/keyboard.ts';

export interface KeyLayout {
  readonly name: string;
  /** Rows of writing keys from the upper left; a blank is a key that types nothing. */
  readonly plain: readonly string[];
  readonly shift: readonly string[];
  readonly altgr: readonly string[];
  /** By key: its signs that wait for a letter, plain, with shift, with AltGr. */
  readonly dead: Readonly<Record<string, string>>;
}

/** One key going down or up. */
export interface KeyStroke {
  readonly key: string;
  readonly down: boolean;
}

/** Strokes of keys that this keyboard has. */
export function knownStrokes(strokes: readonly KeyStroke[]): KeyStroke[] {
  return strokes.filter(({ key }) => keyNames.includes(key));
}

const ROWS: readonly (readonly string[])[] = [
  ['Backquote', ...['1', '2', '3', '4', '5', '6', '7', '8', '9', '0'].map((digit) => `Digit${digit}`), 'Minus', 'Equal'],
  [...'QWERTYUIOP'].map((letter) => `Key${letter}`).concat('BracketLeft', 'BracketRight'),
  [...'ASDFGHJKL'].map((letter) => `Key${letter}`).concat('Semicolon', 'Quote', 'Backslash'),
  ['IntlBackslash', ...[...'ZXCVBNM'].map((letter) => `Key${letter}`), 'Comma', 'Period', 'Slash'],
];
const LEVELS = ['plain', 'shift', 'altgr'] as const;
const HELD = { plain: [], shift: ['ShiftLeft'], altgr: ['AltRight'] } as const;

/** Signs of dead keys and the combining characters they stand for. */
const ACCENTS: ReadonlyMap<string, string> = new Map([
  ['^', '\u0302'],
  ['´', '\u0301'],
  ['`', '\u0300'],
  ['~', '\u0303'],
  ['¨', '\u0308'],
]);
/** Characters that every layout types alike. */
const ALIKE: ReadonlyMap<string, string> = new Map([
  [' ', 'Space'],
  ['\n', 'Enter'],
  ['\t', 'Tab'],
  ['\b', 'Backspace'],
  ['\u001b', 'Escape'],
]);

interface Chord {
  readonly key: string;
  readonly held: readonly string[];
}

/** What each character takes on this layout: one chord, or a dead key and a letter. */
function chordsOf(layout: KeyLayout): ReadonlyMap<string, readonly Chord[]> {
  const direct = new Map<string, readonly Chord[]>();
  const dead = new Map<string, Chord>();
  LEVELS.forEach((level, levelNumber) => {
    ROWS.forEach((keys, row) => {
      keys.forEach((key, column) => {
        const sign = layout[level][row]?.[column] ?? ' ';
        if (sign === ' ') return;
        const chord = { key, held: HELD[level] };
        if (layout.dead[key]?.[levelNumber] === sign) dead.set(sign, chord);
        else if (!direct.has(sign)) direct.set(sign, [chord]);
      });
    });
  });
  for (const [sign, key] of ALIKE) direct.set(sign, [{ key, held: [] }]);
  for (const [sign, chord] of dead) {
    const accent = ACCENTS.get(sign);
    if (!direct.has(sign)) direct.set(sign, [chord, { key: 'Space', held: [] }]);
    if (accent === undefined) continue;
    for (const letter of 'aeiounycAEIOUNYC') {
      const composed = (letter + accent).normalize('NFC');
      const base = direct.get(letter);
      if (composed.length === 1 && base !== undefined && !direct.has(composed)) direct.set(composed, [chord, ...base]);
    }
  }
  return direct;
}

function press({ key, held }: Chord): KeyStroke[] {
  const keys = [...held, key];
  return [...keys.map((one) => ({ key: one, down: true })), ...keys.toReversed().map((one) => ({ key: one, down: false }))];
}

/** Strokes that type `text`. Fails with `text-untypable` when the layout has no way to type some of it; nothing is typed then. */
export function strokesOfText(text: string, layout: KeyLayout): KeyStroke[] {
  const chords = chordsOf(layout);
  const characters = [...text.normalize('NFC').replaceAll('\r\n', '\n')];
  const unknown = [...new Set(characters.filter((character) => !chords.has(character)))];
  if (unknown.length > 0) throw new EngineError('text-untypable', { characters: unknown.slice(0, 10), layout: layout.name });
  return characters.flatMap((character) => (chords.get(character) ?? []).flatMap(press));
}

const NAMES: Readonly<Record<string, string>> = {
  ctrl: 'ControlLeft',
  control: 'ControlLeft',
  alt: 'AltLeft',
  altgr: 'AltRight',
  shift: 'ShiftLeft',
  meta: 'MetaLeft',
  win: 'MetaLeft',
  super: 'MetaLeft',
  menu: 'ContextMenu',
  del: 'Delete',
  ins: 'Insert',
  ret: 'Enter',
  return: 'Enter',
  esc: 'Escape',
  spc: 'Space',
  up: 'ArrowUp',
  down: 'ArrowDown',
  left: 'ArrowLeft',
  right: 'ArrowRight',
  pgup: 'PageUp',
  pgdn: 'PageDown',
  caps: 'CapsLock',
  num: 'NumLock',
  scroll: 'ScrollLock',
  print: 'PrintScreen',
  sysrq: 'PrintScreen',
  minus: 'Minus',
  plus: 'NumpadAdd',
};

/** Strokes that hold the named keys together, `ctrl-alt-del`, and let them go. Fails with `key-unknown`. */
export function strokesOfKeys(text: string, layout: KeyLayout): KeyStroke[] {
  const chords = chordsOf(layout);
  const keys = text.split('-').flatMap((name): readonly string[] => {
    const lower = name.toLowerCase();
    const spelled = NAMES[lower] ?? keyNames.find((key) => key.toLowerCase() === lower);
    if (spelled !== undefined) return [spelled];
    const chord = name.length === 1 ? chords.get(name)?.[0] : undefined;
    if (chord === undefined) throw new EngineError('key-unknown', { key: name });
    return [...chord.held, chord.key];
  });
  return [...keys.map((key) => ({ key, down: true })), ...keys.toReversed().map((key) => ({ key, down: false }))];
}
