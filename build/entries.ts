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
  /** One CommonJS file without chunks: what a sandboxed preload has to be. */
  readonly alone?: true;
}

export const entries: readonly Entry[] = [
  { source: 'engine/cli.ts', output: 'cli.js' },
  { source: 'engine/main.ts', output: 'engine.js' },
  { source: 'engine/compiler.ts', output: 'compiler.js' },
  { source: 'electron/main/main.ts', output: 'electron-main.js' },
  { source: 'electron/preload/preload.ts', output: 'preload.cjs', alone: true },
];
