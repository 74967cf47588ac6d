/** Settings of V8 that suit generated code and threads that wait, for the whole process. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { hostProcessors } from './process.ts';

/** Threads that compile WebAssembly at the same time; one processor is left to the thread that runs the guest, which all others take turns with. */
const COMPILERS = Math.max(1, hostProcessors() - 1);

/**
 * Optimize functions of generated code earlier than by default: what has become a region was hot before (decision 0104). Heed branch hints:
 * what is behind a TLB miss stays out of the way. A thread that falls silent has its heap compacted once, not twice (decision 0130). Each with
 * V8's default.
 */
const CODE = [
  ['--wasm-tiering-budget=1000000', '--wasm-tiering-budget=13000000'],
  [`--wasm-num-compilation-tasks=${COMPILERS}`, '--wasm-num-compilation-tasks=128'],
  ['--experimental-wasm-branch-hinting', '--no-experimental-wasm-branch-hinting'],
  ['--memory-reducer-gc-count=1', '--memory-reducer-gc-count=2'],
] as const;

/** From here on. A thread that starts later starts slower: V8 takes no bytecode, not even that of Node itself, made under other settings. */
export function setCodeSettings(): void {
  for (const [ours] of CODE) setFlagsFromString(ours);
}

/** For one act: to make machine code while other threads may start. */
export function withCodeSettings<T>(act: () => T): T {
  setCodeSettings();
  try {
    return act();
  } finally {
    clearCodeSettings();
  }
}

/**
 * For one act: WebAssembly is compiled by the optimizer, at once. Threads that compile something else meanwhile do the same, which takes longer
 * but changes nothing.
 */
export const withOptimizer = <T>(act: () => T): T => without(['liftoff', 'wasm-lazy-compilation'], act);

/** For one act: V8's quick compiler makes code of WebAssembly at once, not when it is called first, which is on a thread that runs a guest. */
export const withQuickCompiler = <T>(act: () => T): T => without(['wasm-lazy-compilation'], act);

function without<T>(settings: readonly string[], act: () => T): T {
  for (const setting of settings) setFlagsFromString(`--no-${setting}`);
  try {
    return act();
  } finally {
    for (const setting of settings) setFlagsFromString(`--${setting}`);
  }
}

/** Those of V8 again, under which it takes up bytecode. */
export function clearCodeSettings(): void {
  for (const [, theirs] of CODE) setFlagsFromString(theirs);
}

let collect: (() => void) | undefined;

/**
 * Collect all garbage of this thread, which takes tens of milliseconds. V8 gives machine code back when no thread has any of it any more, but
 * the code counts for nothing when it decides whether to look: a thread with a small heap does that once in ten minutes.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
  }
  collect();
}

/** Room for young objects in threads that start later, in MiB. */
export function sizeNurseries(): void {
  // With 2, a vCPU's thread collects four times and marks its whole heap once before the guest's first instruction (decision 0093).
  setFlagsFromString('--min-semi-space-size=8');
  // They grow where much survives: in the compiler's thread, in the middle of a region (decision 0132).
  setFlagsFromString('--max-semi-space-size=16');
}
