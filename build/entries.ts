/**
 * The programs that the build writes into `.out/`: each source becomes one file there, beside chunks that they share.
 *
 * Code that names a worker, an asset or a built file writes `new URL('RELATIVE PATH', import.meta.url)` with the path of the source;
 * the build rewrites it to where the file is at run time (see tasks/bundle.ts), so the same line works from source and built.
 */
export interface Entry {
  readonly source: string;
  /** File name inside `.out/`. */
  readonly output: string;
  /**
   * One file without chunks: `page`, in CommonJS form, is what a sandboxed preload has to be; `thread` starts faster, because V8's kept
   * bytecode of a file holds the functions that the thread which wrote it has used, and each kind of thread uses others.
   */
  readonly alone?: 'page' | 'thread';
}

export const entries: readonly Entry[] = [
  { source: 'engine/cli.ts', output: 'cli.js' },
  { source: 'engine/main.ts', output: 'engine.js' },
  { source: 'engine/io-thread.ts', output: 'io-thread.js', alone: 'thread' },
  { source: 'engine/vcpu-thread.ts', output: 'vcpu-thread.js', alone: 'thread' },
  { source: 'engine/compiler.ts', output: 'compiler.js', alone: 'thread' },
  { source: 'electron/main/main.ts', output: 'electron-main.js' },
  { source: 'electron/preload/preload.ts', output: 'preload.cjs', alone: 'page' },
];
