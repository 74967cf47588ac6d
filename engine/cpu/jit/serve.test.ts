/** In what order the compiler's thread carries out what it was asked for. */
import { expect, it } from 'vitest';
import type { RegionOrder } from './order.ts';
import { createCompilerThread } from './serve.ts';

const PAGES = 64;
const CODE = 3;

function order(ticket: number, isFar: boolean): RegionOrder {
  return {
    vcpu: 0,
    ticket,
    cpu: 65536,
    page: CODE,
    entry: 0,
    mode: { code: 64, stack: 64, kind: 'long', features: 0 },
    flat: 0,
    flatCode: false,
    withinLimit: 4096,
    entries: undefined,
    warm: 1,
    targets: new Map(),
    far: isFar ? { entry: 0, base: 65536, low: 0, high: 0, keys: [1, 2], chains: 1 } : undefined,
    anyFloat: false,
    instructions: 10,
    under: [],
    beyond: 0,
  };
}

it('a place without a region does not wait for those that are to be made again with code of other pages', () => {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  // loop: dec ecx; jnz loop; hlt
  new Uint8Array(memory.buffer).set([0xff, 0xc9, 0x75, 0xfc, 0xf4], CODE * 4096);
  const far = [order(0, true), order(1, true)];
  // What comes while the first far one is under way, and after it.
  const came = [[...far, order(2, false)], [order(3, false)], [], [order(4, false)]];
  const answered: number[] = [];
  const times: number[] = [];
  let clock = 0;
  const serve = createCompilerThread({
    memory,
    now: () => clock,
    take: () => {
      // What comes after the first orders takes a while.
      clock += came.length < 4 ? 10 : 0;
      return came.shift() ?? [];
    },
    answer: ({ regions, failed, microseconds }) => {
      answered.push(...[...regions, ...failed].map(({ ticket }) => ticket));
      times.push(microseconds);
    },
    optimized: undefined,
    quick: undefined,
  });
  serve();
  expect(answered).toEqual([2, 3, 0, 4, 1]);
  // Each has its own time, not that of those between its parts.
  expect(times).toEqual([0, 0, 0, 0, 0]);
});
