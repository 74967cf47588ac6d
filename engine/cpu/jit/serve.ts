/** The compiler's thread: carries out orders, several in one module when they come thick and fast. */
import { definitions } from '../../isa/all.ts';
import { createDecoder } from '../../isa/decoder.ts';
import type { RegionAnswer, RegionOrder } from './order.ts';
import { RegionCompiler, type RegionCompilerOptions } from './region-compiler.ts';

export interface CompilerThreadOptions {
  readonly memory: WebAssembly.Memory;
  /** Microseconds of a clock that runs on. */
  readonly now: () => number;
  /** Orders that have come so far, at most so many of them; empty: none is waiting. */
  readonly take: (most: number) => readonly RegionOrder[];
  readonly answer: (answer: RegionAnswer) => void;
  /** As in `RegionCompilerOptions`. */
  readonly optimized: RegionCompilerOptions['optimized'];
  readonly quick: RegionCompilerOptions['quick'];
}

/** Regions of one module: V8 lays each module out by itself, and the last of a batch waits for all others. */
const BATCH = 16;

/** Returns what is to be called when orders have come. */
export function createCompilerThread(options: CompilerThreadOptions): () => void {
  const decode = createDecoder(definitions);
  const { now, optimized, quick } = options;
  const compiler = new RegionCompiler({ decode, memory: new Uint8Array(options.memory.buffer), now, optimized, quick });
  const far: RegionOrder[] = [];
  /** Returns how many orders had come. */
  const serveNear = (): number => {
    const orders = options.take(BATCH);
    const near = orders.filter((order) => order.far === undefined);
    far.push(...orders.filter((order) => order.far !== undefined));
    if (near.length > 0) options.answer(compiler.compile(near));
    return orders.length;
  };
  return () => {
    for (;;) {
      const orders = serveNear();
      if (orders === BATCH) continue;
      // Who ordered this has a region already; the others wait in the interpreter.
      const next = far.shift();
      if (next !== undefined) options.answer(compiler.compile([next], serveNear));
      else if (orders === 0) return;
    }
  };
}
