import { beforeAll, expect, it, vi } from 'vitest';

let Speed: typeof import('./transfers.ts').Speed;
let secondsLeft: typeof import('./transfers.ts').secondsLeft;
let imageNameOf: typeof import('./transfers.ts').imageNameOf;
beforeAll(async () => {
  vi.stubGlobal('location', { hash: '', protocol: 'http:', host: 'here' });
  vi.stubGlobal('sessionStorage', { getItem: () => null });
  vi.stubGlobal('WebSocket', class {});
  vi.stubGlobal('localStorage', { getItem: () => null });
  vi.stubGlobal('navigator', { languages: ['en'] });
  vi.stubGlobal('document', { documentElement: {}, createElement: () => ({}) });
  ({ Speed, secondsLeft, imageNameOf } = await import('./transfers.ts'));
});

it('a speed is smoothed, and looks too close together say nothing', () => {
  const speed = new Speed();
  expect([speed.at(0, 0), speed.at(100, 5000)]).toEqual([0, 0]);
  expect(speed.at(1000, 1000)).toBe(1000);
  expect(speed.at(1100, 90_000)).toBe(1000);
  expect(speed.at(2000, 3000)).toBeCloseTo(1000 * 0.6 + 2000 * 0.4);
});

it('the rest of the time is known only with a speed and an end', () => {
  expect(secondsLeft({ done: 10, total: 110, rate: 30 })).toBe(4);
  expect(secondsLeft({ done: 120, total: 110, rate: 30 })).toBe(0);
  expect(secondsLeft({ done: 10, total: undefined, rate: 30 })).toBeUndefined();
  expect(secondsLeft({ done: 10, total: 110, rate: 0 })).toBeUndefined();
});

it.each([
  ['a file.iso', 'a-file.iso'],
  ['../../.ssh', 'ssh'],
  ['süß', 's-'],
  ['', 'image'],
  ['x'.repeat(200), 'x'.repeat(128)],
])('the file %j becomes the image %j', (file, name) => {
  expect(imageNameOf(file)).toBe(name);
});
