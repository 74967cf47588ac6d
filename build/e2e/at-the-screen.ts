/** Somebody before the screen of a machine under test: what it shows, what is pressed. By the command line, as people do it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../tasks/run.ts';
import type { Bench } from './session.ts';

const command = join(root, 'build/cli/rootmode');
/** Between two looks, in milliseconds: each is a process. */
const LOOK = 2000;

export interface AtTheScreen {
  /** `rootmode VERB NAME WORD...`: what it prints. Fails when the command does. */
  command(verb: string, ...words: string[]): string;
  /** The text screen, looked at until it shows this. */
  shows(pattern: RegExp, milliseconds: number): Promise<string>;
  /** Look until `look` gives something. */
  until<T>(look: () => T | undefined | Promise<T | undefined>, milliseconds: number): Promise<T>;
}

export function atTheScreen({ runtime }: Bench, name: string): AtTheScreen {
  const run = (verb: string, words: readonly string[]) =>
    spawnSync(command, [verb, name, ...words], { encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: runtime } });
  const until = async <T>(look: () => T | undefined | Promise<T | undefined>, milliseconds: number): Promise<T> => {
    const end = performance.now() + milliseconds;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (performance.now() > end) throw new Error(`waited ${milliseconds} ms in vain`);
      await sleep(LOOK);
    }
  };
  return {
    until,
    command: (verb, ...words) => {
      const { status, stdout, stderr } = run(verb, words);
      if (status !== 0) throw new Error(`rootmode ${verb} ${name} ${words.join(' ')} failed: ${stderr}`);
      return stdout;
    },
    shows: async (pattern, milliseconds) => {
      let text = '';
      const look = () => {
        const { stdout, stderr } = run('screen', ['--text']);
        text = stdout === '' ? stderr : stdout;
        return pattern.test(stdout) ? stdout : undefined;
      };
      try {
        return await until(look, milliseconds);
      } catch {
        throw new Error(`the screen did not show ${pattern} within ${milliseconds} ms; it shows:\n${text}`);
      }
    },
  };
}
