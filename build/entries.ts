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
   * One file without chunks, in CommonJS form, because it has to (`page`: a sandboxed preload) or to start faster: `start` is the first
   * code of a process; `kept` is loaded by engine/host/kept-code.ts with what V8 made of it in an earlier run; so is `thread`, with a file
   * of that name before it that does so.
   */
  readonly alone?: 'page' | 'start' | 'kept' | 'thread';
}

export const entries: readonly Entry[] = [
  { source: 'engine/cli.ts', output: 'cli.js' },
  { source: 'engine/run.ts', output: 'run.cjs', alone: 'start' },
  { source: 'engine/run-command.ts', output: 'run-command.cjs', alone: 'kept' },
  { source: 'engine/io-thread.ts', output: 'io-thread.cjs', alone: 'thread' },
  { source: 'engine/vcpu-thread.ts', output: 'vcpu-thread.cjs', alone: 'thread' },
  { source: 'engine/compiler.ts', output: 'compiler.cjs', alone: 'thread' },
  { source: 'electron/main/main.ts', output: 'electron-main.js' },
  { source: 'electron/preload/preload.ts', output: 'preload.cjs', alone: 'page' },
];
