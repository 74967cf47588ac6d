import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KEYS } from '../devices/i8042/keys.ts';
import { type KeyLayout, strokesOfKeys, strokesOfText } from './keymap.ts';

const folder = new URL('../../assets/keymaps/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
const layoutOf = (name: string): KeyLayout => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as KeyLayout;
const known = KEYS.map(({ name }) => name);

/** Strokes as `+Key` and `-Key`. */
const written = (strokes: readonly { key: string; down: boolean }[]) =>
  strokes.map(({ key, down }) => (down ? '+' : '-') + key).join(' ');

describe.each(names)('%s', (name) => {
  const layout = layoutOf(name);

  it('types all of ASCII that a shell needs, with keys that the keyboard has', () => {
    const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).filter((sign) => {
      // Keyboards of these countries have no key for some signs; people there use other ways.
      return !(
        (name === 'it.json' && '`~{}'.includes(sign)) ||
        (name === 'se.json' && sign === '') ||
        (name === 'es.json' && sign === '')
      );
    });
    for (const sign of ascii) {
      const strokes = strokesOfText(sign, layout);
      expect(strokes.length % 2).toBe(0);
      for (const { key } of strokes) expect(known, `${sign} by ${key}`).toContain(key);
    }
  });

  it('has rows of the length of a keyboard, and dead keys that are there', () => {
    expect([layout.plain, layout.shift].map((rows) => rows.map((row) => row.length))).toEqual([
      [13, 12, 12, 11],
      [13, 12, 12, 11],
    ]);
    for (const [key, signs] of Object.entries(layout.dead)) {
      expect(known).toContain(key);
      expect([layout.plain, layout.shift, layout.altgr].flat().join('')).toContain(signs[0]);
    }
  });
});

it('holds shift and AltGr for what needs them', () => {
  const de = layoutOf('de.json');
  expect(written(strokesOfText('zZ@', de))).toBe('+KeyY -KeyY +ShiftLeft +KeyY -KeyY -ShiftLeft +AltRight +KeyQ -KeyQ -AltRight');
});

it('types accents by dead keys', () => {
  const de = layoutOf('de.json');
  expect(written(strokesOfText('é^', de))).toBe('+Equal -Equal +KeyE -KeyE +Backquote -Backquote +Space -Space');
  expect(written(strokesOfText('é', layoutOf('fr.json')))).toBe('+Digit2 -Digit2');
});

it('says what cannot be typed, and types nothing', () => {
  expect(() => strokesOfText('a→b€', layoutOf('us.json'))).toThrow('→ €');
});

it('presses keys together by their names, signs by the layout', () => {
  const us = layoutOf('us.json');
  expect(written(strokesOfKeys('ctrl-alt-del', us))).toBe('+ControlLeft +AltLeft +Delete -Delete -AltLeft -ControlLeft');
  expect(written(strokesOfKeys('F12', us))).toBe('+F12 -F12');
  expect(written(strokesOfKeys('ctrl-c', layoutOf('fr.json')))).toBe('+ControlLeft +KeyC -KeyC -ControlLeft');
  expect(() => strokesOfKeys('ctrl-frob', us)).toThrow('frob');
});
