/**
 * Work on the inside of images, which the manager knows nothing of: `rootmode image` does it in a process of its own, so that neither the
 * window nor a machine waits for it.
 */
import { spawn } from 'node:child_process';
import * as z from 'zod';
import { EngineError } from '../contract/errors.ts';
import { Failure } from '../contract/failure.ts';
import { reasonOf } from '../host/files.ts';
import type { Work } from './jobs.ts';

/** A process of the command line that was started with these words. */
export interface ToolProcess {
  onOutput(listener: (text: string) => void): void;
  onError(listener: (text: string) => void): void;
  /** Called once: with its exit status, or with what ended it or kept it from starting. */
  onEnd(listener: (end: number | string) => void): void;
  /** Ask it to undo what it did, and end. */
  stop(): void;
}
export type StartTool = (words: readonly string[]) => ToolProcess;

/** On plain Node: `command` are the program and its first words. */
export function spawnedTool([file, ...first]: readonly [string, ...string[]]): StartTool {
  return (words) => {
    const child = spawn(file, [...first, ...words], { env: toolEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.setEncoding('utf8').resume();
    child.stderr.setEncoding('utf8');
    return {
      onOutput: (listener) => void child.stdout.on('data', listener),
      onError: (listener) => void child.stderr.on('data', listener),
      onEnd: (listener) => {
        child.once('error', (cause) => listener(reasonOf(cause)));
        child.once('close', (code, signal) => listener(code ?? `its process was ended by ${signal}`));
      },
      stop: () => void child.kill('SIGTERM'),
    };
  };
}

/** What makes a command say its failure by its parts. */
export const toolEnvironment = (): NodeJS.ProcessEnv => ({ ...process.env, ROOTMODE_ERRORS: 'json' });

const PROGRESS = /^\{"done":(\d+),"of":(\d+)\}$/;

/** Run `rootmode image WORDS` to its end. Fails with `image-work`, telling what it said. */
export async function runImageTool(
  start: StartTool,
  { name, words }: { name: string; words: readonly string[] },
  work: Work,
): Promise<void> {
  work.signal.throwIfAborted();
  const tool = start(['image', ...words, '--progress', 'json']);
  const stop = (): void => tool.stop();
  work.signal.addEventListener('abort', stop);
  let said = '';
  let last = '';
  tool.onError((text) => {
    const lines = (said + text).split('\n');
    said = lines.pop() ?? '';
    for (const line of lines) {
      const [, done, total] = PROGRESS.exec(line) ?? [];
      if (done === undefined) last = line;
      else work.report({ done: Number(done), total: Number(total) });
    }
  });
  const end = await new Promise<number | string>((resolve) => tool.onEnd(resolve));
  work.signal.removeEventListener('abort', stop);
  work.signal.throwIfAborted();
  if (end === 0) return;
  const failure = failureIn(said || last);
  const sentence = failure?.desc ?? (said || last).replace(/^rootmode: /, '');
  throw new EngineError('image-work', {
    name,
    reason: typeof end === 'string' ? end : sentence || `its process ended with status ${end}.`,
    cause: failure && { class: failure.class, data: failure.data },
  });
}

const Said = Failure.extend({ desc: z.string() });

function failureIn(line: string): z.output<typeof Said> | undefined {
  try {
    return Said.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
