/** Where watching commands write, until the signals that end a command. */
import { onSignals } from '../../host/process.ts';
import type { WatchOutput } from './session.ts';

export interface WatchPorts {
  write(text: string): Promise<boolean>;
  note(text: string): void;
}

/** Signals end the pause and with it the command: what it has is printed first. `release` gives the signals back. */
export function createWatchOutput({ write, note }: WatchPorts): { readonly output: WatchOutput; release(): void } {
  let interrupted = false;
  let wake: () => void = () => undefined;
  const release = onSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], () => {
    interrupted = true;
    wake();
  });
  const pause = (milliseconds: number): Promise<boolean> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve(!interrupted), interrupted ? 0 : milliseconds);
      wake = () => {
        clearTimeout(timer);
        resolve(false);
      };
    });
  return { output: { write, note, pause }, release };
}
