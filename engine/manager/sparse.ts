/** What is zero in a file that is made stays a hole. */

/** Zeros of this many bytes and place become holes: a page, and the block of most file systems. */
const HOLE = 4096;
const zeros = Buffer.alloc(HOLE);

/** Where a piece that stands at `offset` of its file has to be written: from and to, in bytes of the piece. */
export function* dataIn(piece: Buffer, offset: number): Generator<readonly [from: number, to: number]> {
  let start = 0;
  for (let at = 0; at < piece.length; ) {
    const end = Math.min(piece.length, at + HOLE - ((offset + at) % HOLE));
    if (piece.compare(zeros, 0, end - at, at, end) === 0) {
      if (start < at) yield [start, at];
      start = end;
    }
    at = end;
  }
  if (start < piece.length) yield [start, piece.length];
}
