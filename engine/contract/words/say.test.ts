import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EngineError, errorCodes } from '../errors.ts';
import { errorOf, failureOf } from '../failure.ts';
import { MachineName } from '../settings.ts';
import { germanPhrases } from './phrases-de.ts';
import { errorSentences, sayError, sayPhrase } from './say.ts';

const engine = join(import.meta.dirname, '../..');
const sourcesBelow = (...folders: string[]): string =>
  folders
    .flatMap((folder) =>
      readdirSync(join(engine, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !/testing|words\//.test(file))
        .map((file) => readFileSync(join(engine, folder, file), 'utf8')),
    )
    .join('\n');

/** The parts of an error's data, by the sentence the engine has for it. */
function partsOf(code: string): Set<string> {
  const source = readFileSync(join(engine, 'base/errors.ts'), 'utf8');
  const [, data = ''] =
    new RegExp(`\\n  '?${code}'?: \\((?:d|_): (\\{.*?\\}|Record<never, never>)\\) =>`, 's').exec(source) ?? [];
  return new Set([...data.replaceAll(/\{ readonly by.*?\}\[\]/g, '').matchAll(/(\w+)\??:/g)].map(([, name]) => name as string));
}

describe('errors', () => {
  it('have a sentence in every language, and each names only what the error carries', () => {
    for (const sentences of Object.values(errorSentences)) {
      expect(Object.keys(sentences).sort()).toEqual([...errorCodes].sort());
      for (const [code, text] of Object.entries(sentences)) {
        const named = [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
        expect([code, named.filter((name) => !partsOf(code).has(name))]).toEqual([code, []]);
      }
    }
  });

  it('name the same parts in every language', () => {
    const slots = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string).sort();
    for (const code of errorCodes) expect([code, slots(errorSentences.de[code])]).toEqual([code, slots(errorSentences.en[code])]);
  });

  it('are said in both languages, with their values', () => {
    const missing = new EngineError('file-missing', { what: 'kernel', path: '/boot/vmlinuz' });
    expect(sayError(missing, 'en')).toBe('There is no kernel at /boot/vmlinuz. Check the path.');
    expect(sayError(missing, 'de')).toBe('Kernel: Unter /boot/vmlinuz ist nichts. Prüfen Sie den Pfad.');
    const room = new EngineError('boot-room', { what: 'kernel', bytes: 1, ramBytes: 16 << 20, neededBytes: 48 << 20 });
    expect(sayError(room, 'de')).toBe(
      'Kernel: Das braucht 48 MiB Speicher, und die Maschine hat 16 MiB. Geben Sie ihr in den Einstellungen mehr.',
    );
    expect(sayError(new Error('permission denied'), 'de')).toBe('keine Berechtigung');
  });

  it('say why they happened in the same language, however deep', () => {
    const cause = failureOf(
      new EngineError('boot-file', { file: 'k', defect: 'is empty', remedy: 'name an intact kernel file' }),
    );
    const start = new EngineError('machine-start', { name: 'one', reason: 'k is empty; name an intact kernel file.', cause });
    expect(sayError(start, 'de')).toBe(
      'Die Maschine one ist nicht gestartet: k ist leer; nennen Sie eine unversehrte Kernel-Datei.',
    );
    expect(sayError(start, 'en')).toBe('The machine one did not start: k is empty; name an intact kernel file.');
  });

  it('of another version stay words', () => {
    expect(errorOf({ class: 'from-the-future', data: {} })).toBeUndefined();
    expect(errorOf({ class: '__proto__', data: {} })).toBeUndefined();
  });
});

describe('phrases', () => {
  it.each([
    ['cannot be made (the disk is full)', 'lässt sich nicht anlegen (die Platte ist voll)'],
    ['settings.cpus: must be at most 16', 'settings.cpus: darf höchstens 16 sein'],
    ['it has 9 bytes, more than 5', 'sie hat 9 Bytes, mehr als 5'],
    ['something unheard of', 'something unheard of'],
    ['__proto__', '__proto__'],
  ])('%s', (english, german) => {
    expect(sayPhrase(english, 'de')).toBe(german);
    expect(sayPhrase(english, 'en')).toBe(english);
  });

  it('keep all that varies', () => {
    const count = (text: string): number => text.split('{}').length;
    for (const [english, german] of Object.entries(germanPhrases))
      expect([english, count(german)]).toEqual([english, count(english)]);
  });

  it('are there for every reason that the manager, the host, images, kernels and settings give', () => {
    const text = "(`[^`\\n]*`|'[^'\\n]*')";
    const found: string[] = [];
    const look = (source: string, before: string): void => {
      for (const match of source.matchAll(new RegExp(`${before}${text}(?:, ${text})?`, 'g'))) {
        for (const word of match.slice(1)) if (word !== undefined) found.push(word.slice(1, -1).replaceAll(/\$\{[^}]*\}/g, '{}'));
      }
    };
    const sources = sourcesBelow('manager', 'host', 'block', 'contract');
    look(sources, 'reason: ');
    look(sources, "\\b(?:refuse|fail)\\((?=['`](?:it|its|only|there) )");
    look(sources, '(?:\\.(?:min|max|regex)\\([^()\\n]*, |error: )');
    look(readFileSync(join(engine, 'manager/capabilities.ts'), 'utf8'), '(?:text: |return )');
    look(sourcesBelow('firmware'), '\\bdefect\\(file, ');
    look(sourcesBelow('firmware'), '\\brefuse\\(');
    look(readFileSync(join(engine, 'host/files.ts'), 'utf8'), '\\n  E[A-Z]+: ');
    expect(found.length).toBeGreaterThan(80);
    expect(found).toContain('permission denied');
    expect(found.filter((phrase) => /[a-z]/.test(phrase) && sayPhrase(phrase, 'de') === phrase)).toEqual([]);
  });

  it('are there for what is wrong with a name', () => {
    const words = MachineName.safeParse('.hidden').error?.issues[0]?.message ?? '';
    expect(sayPhrase(words, 'de')).toMatch(/^muss aus 1 bis 48 Buchstaben/);
  });
});

it('says an error whose cause came from a hostile file, whatever that carries', () => {
  const hostile = [
    {},
    { files: 5, machines: 7, reason: { toString: 1 } },
    { files: [{ path: { toString: 1 } }], machines: [[]] },
  ];
  for (const language of ['en', 'de'] as const) {
    for (const code of Object.keys(errorSentences.en)) {
      for (const data of hostile) {
        const failure = { name: 'one', reason: 'it ended', cause: { class: code, data } };
        expect(sayError(new EngineError('machine-start', failure), language)).toContain('one');
      }
    }
  }
});
