import { beforeAll, describe, expect, it, vi } from 'vitest';

let route: typeof import('./route.ts');
let commands: typeof import('./commands.ts');
beforeAll(async () => {
  vi.stubGlobal('location', { hash: '' });
  vi.stubGlobal('addEventListener', () => undefined);
  route = await import('./route.ts');
  commands = await import('./commands.ts');
});

describe('the route', () => {
  it.each([
    ['', { screen: 'library' }],
    ['#/host', { screen: 'host' }],
    ['#/machine/a.b-c', { screen: 'machine', name: 'a.b-c', tab: undefined }],
    ['#/machine/one/inspector', { screen: 'machine', name: 'one', tab: 'inspector' }],
    ['#/machine/one/nothing', { screen: 'machine', name: 'one', tab: undefined }],
    ['#/machine/<img>', { screen: 'library' }],
    ['#/__proto__', { screen: 'library' }],
  ])('of %j', (hash, expected) => {
    expect(route.parseRoute(hash)).toEqual(expected);
  });
});

describe('chords', () => {
  const none = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
  it.each([
    [{ ...none, key: 'k', ctrlKey: true }, 'Ctrl+K'],
    [{ ...none, key: 'k', metaKey: true }, 'Ctrl+K'],
    [{ ...none, key: 'F11', shiftKey: true }, 'Shift+F11'],
    [{ ...none, key: '+', shiftKey: true }, '+'],
    [{ ...none, key: 'F10', altKey: true }, 'Alt+F10'],
  ])('%j is %s', (event, chord) => {
    expect(commands.chordOf(event)).toBe(chord);
  });
});
