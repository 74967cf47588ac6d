/**
 * What the system's scheduler knows of our threads. Somebody waits for what a vCPU does; a thread that compiles for it, and those of V8 that
 * optimize and collect, take what vCPUs leave over of the host's processors.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import { isMainThread, threadName } from 'node:worker_threads';

const TASKS = '/proc/self/task';
/** Of a thread's name, as Linux knows it. */
const NAME_BYTES = 15;
/** As Node names V8's threads. */
const V8_THREAD = 'V8Worker';
/** Steps of `nice`: a third of the share of a vCPU where both want a processor. */
const BEHIND = 5;

/** This thread and those of V8 step behind the others of the process. Only Linux has priorities of threads: elsewhere nothing happens. */
export function stepBehind(): void {
  const own = threadName?.slice(0, NAME_BYTES);
  const priority = Math.min(getPriority() + BEHIND, constants.priority.PRIORITY_LOW);
  for (const task of tasks()) {
    try {
      const called = readFileSync(`${TASKS}/${task}/comm`, 'utf8').trim();
      if (called === V8_THREAD || (called === own && !isMainThread)) setPriority(Number(task), priority);
    } catch {
      // It has ended, or the system does not let us: it keeps its share.
    }
  }
}

function tasks(): string[] {
  try {
    return readdirSync(TASKS);
  } catch {
    return [];
  }
}
