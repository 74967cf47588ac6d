/** Where bytes of a drive's medium lie in files, in shared memory: the last few runs that the I/O thread has told. */
import type { Extent } from '../../block/image.ts';

/** Runs kept; the oldest is forgotten first. */
const RUNS = 16;
/** f64 words of a run. */
const Run = { At: 0, End: 1, Handle: 2, Offset: 3, WriteFrom: 4, Words: 5 } as const;
/** f64 words before the runs: how many there are, and where the next one goes. */
const [COUNT, NEXT, FIRST] = [0, 1, 2] as const;

export const EXTENTS_BYTES = 8 * (FIRST + RUNS * Run.Words);

/** A place in a file. */
export interface FilePlace {
  readonly handle: number;
  readonly offset: number;
}

/** Whoever has the drive in use; emptied under the machine lock, too, when the medium goes. */
export class Extents {
  readonly #words: Float64Array;

  /** `words`: `EXTENTS_BYTES` of the machine's memory, zero at first. */
  constructor(words: Float64Array) {
    this.#words = words;
  }

  clear(): void {
    this.#words[COUNT] = 0;
    this.#words[NEXT] = 0;
  }

  /** Runs that go on where another ends, in the same file, become one. */
  add({ at, bytes, handle, offset, writeFrom }: Extent): void {
    const words = this.#words;
    const end = at + bytes;
    const count = words[COUNT] as number;
    const readonly = writeFrom >= end;
    for (let run = FIRST; run < FIRST + count * Run.Words; run += Run.Words) {
      const [from, to] = [words[run + Run.At] as number, words[run + Run.End] as number];
      const sameFile = words[run + Run.Handle] === handle && (words[run + Run.Offset] as number) - from === offset - at;
      if (!sameFile || at > to || end < from) continue;
      const wasReadonly = (words[run + Run.WriteFrom] as number) >= to;
      if (wasReadonly !== readonly) continue;
      words[run + Run.At] = Math.min(at, from);
      words[run + Run.Offset] = Math.min(offset, words[run + Run.Offset] as number);
      words[run + Run.End] = Math.max(end, to);
      const first = Math.min(writeFrom, words[run + Run.WriteFrom] as number);
      words[run + Run.WriteFrom] = readonly ? Math.max(end, to) : first;
      return;
    }
    const slot = count < RUNS ? count : (words[NEXT] as number);
    words.set([at, end, handle, offset, writeFrom], FIRST + slot * Run.Words);
    words[NEXT] = (slot + 1) % RUNS;
    words[COUNT] = Math.min(RUNS, count + 1);
  }

  find(op: 'read' | 'write', offset: number, bytes: number): FilePlace | undefined {
    const words = this.#words;
    const end = FIRST + (words[COUNT] as number) * Run.Words;
    for (let run = FIRST; run < end; run += Run.Words) {
      const at = words[run + Run.At] as number;
      if (offset < at || offset + bytes > (words[run + Run.End] as number)) continue;
      if (op === 'write' && offset < (words[run + Run.WriteFrom] as number)) continue;
      return { handle: words[run + Run.Handle] as number, offset: (words[run + Run.Offset] as number) + offset - at };
    }
    return undefined;
  }
}
