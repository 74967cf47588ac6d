import { describe, expect, it } from 'vitest';
import { dataIn } from './sparse.ts';

describe('what of a piece is written', () => {
  const piece = Buffer.alloc(5 * 4096 + 100);

  it('is nothing of zeros, and all of what holds none', () => {
    expect([...dataIn(piece, 0)]).toEqual([]);
    expect([...dataIn(Buffer.alloc(10_000, 1), 123)]).toEqual([[0, 10_000]]);
    expect([...dataIn(Buffer.alloc(0), 0)]).toEqual([]);
  });

  it('goes by the blocks of the file, not by those of the piece', () => {
    const some = Buffer.from(piece);
    some[4096] = 1;
    some[some.length - 1] = 1;
    expect([...dataIn(some, 0)]).toEqual([
      [4096, 8192],
      [5 * 4096, some.length],
    ]);
    expect([...dataIn(some, 4095)]).toEqual([
      [1, 4097],
      [5 * 4096 + 1, some.length],
    ]);
  });
});
