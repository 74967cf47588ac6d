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
  return () => {
    for (let orders = options.take(BATCH); orders.length > 0; orders = options.take(BATCH)) {
      const near = orders.filter(({ far }) => far === undefined);
      if (near.length > 0) options.answer(compiler.compile(near));
      // Who ordered these has a region already.
      for (const order of orders) if (order.far !== undefined) options.answer(compiler.compile([order]));
    }
  };
}
