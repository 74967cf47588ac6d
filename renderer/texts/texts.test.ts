import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';

let languages: Readonly<Record<string, unknown>>;
beforeAll(async () => {
  vi.stubGlobal('localStorage', { getItem: () => null });
  vi.stubGlobal('navigator', { languages: ['en'] });
  vi.stubGlobal('document', { documentElement: {}, createElement: () => ({}) });
  ({ languages } = await import('./texts.ts'));
});

function flat(tree: unknown, path = ''): Map<string, string> {
  if (typeof tree === 'string') return new Map([[path, tree]]);
  const parts = Object.entries(tree as object).flatMap(([key, value]) => [...flat(value, path === '' ? key : `${path}.${key}`)]);
  return new Map(parts);
}
const slots = (text: string): string =>
  [...text.matchAll(/\{(\w+)\}/g)]
    .map(([, name]) => name)
    .sort()
    .join();

it('every language says everything, with the same values in it', () => {
  const { en, ...others } = languages;
  const english = flat(en);
  for (const other of Object.values(others)) {
    const translated = flat(other);
    expect([...translated.keys()].sort()).toEqual([...english.keys()].sort());
    for (const [key, text] of translated) expect([key, slots(text)]).toEqual([key, slots(english.get(key) as string)]);
  }
});

it('every word a screen asks for is there, and every word there is asked for', () => {
  const folder = join(import.meta.dirname, '..');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(vue|ts)$/.test(file) && !/texts\/|\.test\.ts$/.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
  const keys = [...flat(languages['en']).keys()];
  const fixed = [...sources.matchAll(/\bt\(\s*'([\w.-]+)'/g)].map(([, key]) => key as string);
  expect(fixed.filter((key) => !keys.includes(key))).toEqual([]);
  // Chosen while it runs: t(`state.${state}`), t(ok ? 'a.b' : 'a.c').
  const computed = [...sources.matchAll(/`([\w-]+(?:\.[\w-]+)*[.-])\$\{/g)].map(([, start]) => start as string);
  const asked = (key: string): boolean => sources.includes(`'${key}'`) || computed.some((start) => key.startsWith(start));
  expect(keys.filter((key) => !asked(key))).toEqual([]);
});
