/** One run of the guest `assets/guests/peers.asm` on one emulator: what each of its programs took. */
import { spawn } from 'node:child_process';
import { processorSeconds } from './process-group.ts';

export interface ProgramTime {
  /** Seconds between the program's two lines, by the host's clock and of the emulator's processes. */
  readonly host: number;
  readonly processor: number;
  /** What it calculated. */
  readonly hash: string;
}

/** Times by program. Rejects when the guest does not come to its end within so many seconds. */
export function runPeer(command: readonly string[], seconds: number): Promise<Map<string, ProgramTime>> {
  const [program = '', ...words] = command;
  const child = spawn(program, words, { detached: true, stdio: 'pipe' });
  const group = child.pid ?? 0;
  const times = new Map<string, ProgramTime>();
  let rest = '';
  let errors = '';
  let begun: { readonly name: string; readonly host: number; readonly processor: number } | undefined;
  return new Promise((done, failed) => {
    const finish = (failure?: string): void => {
      clearTimeout(timer);
      try {
        process.kill(-group, 'SIGKILL');
      } catch {
        // Ended by itself.
      }
      if (failure === undefined) done(times);
      else failed(new Error(failure));
    };
    const timer = setTimeout(() => finish(`not at its end within ${seconds} s, ${times.size} programs done`), seconds * 1000);
    const now = () => ({ host: performance.now() / 1000, processor: processorSeconds(group) });
    const line = (text: string): void => {
      const [, mark, name = '', hash = ''] = /@(S|E|DONE) ?(\S*) ?(\S*)/.exec(text) ?? [];
      if (mark === 'S') begun = { name, ...now() };
      if (mark === 'E' && begun?.name === name) {
        const { host, processor } = now();
        times.set(name, { host: host - begun.host, processor: processor - begun.processor, hash });
      }
      if (mark === 'DONE') finish();
    };
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) line(text);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString('latin1')).slice(-2000);
    });
    child.on('error', (failure) => finish(failure.message));
    child.on('exit', (status) => finish(`ended with ${status}: ${errors.trim().split('\n').at(-1) ?? ''}`));
  });
}
