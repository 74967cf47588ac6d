/** How much the threads count that V8 keeps for a whole process: they optimize code and collect garbage beside all others. */
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** Node's name of each of them. */
const NAME = 'V8Worker';
const TASKS = '/proc/self/task';
/** Seven steps of nice leave a fifth of the weight. */
const STEPS = 7;
const LEAST = 19;

/**
 * From here on V8's threads leave processors to the other threads of this process where there are too few for all (decision 0128). Linux
 * only; elsewhere, and where /proc cannot be read, all count the same.
 */
export function yieldOfWorkers(): void {
  if (process.platform !== 'linux') return;
  try {
    // What Linux calls a process here is a thread.
    const priority = Math.min(LEAST, getPriority() + STEPS);
    for (const thread of readdirSync(TASKS))
      if (readFileSync(`${TASKS}/${thread}/comm`, 'utf8').trim() === NAME) setPriority(Number(thread), priority);
  } catch {
    // A machine runs without as well.
  }
}
