/** What every watching command needs: a connection to a machine, a way to write, and a way to be interrupted. */
import { type Client, createClient } from '../../contract/client.ts';
import { engineCommands } from '../../contract/commands.ts';
import { EngineError } from '../../contract/errors.ts';
import { firstProblem, printable } from '../../contract/problem-text.ts';
import { MachineName } from '../../contract/settings.ts';
import { connectEngine, runningMachines } from '../engine-connection.ts';

export type EngineClient = Client<typeof engineCommands>;

/** The terminal, or whatever the text goes to. */
export interface WatchOutput {
  /** False once the reader has gone. */
  write(text: string): Promise<boolean>;
  /** Sentences beside the figures. */
  note(text: string): void;
  /** Resolves after so many milliseconds; at once, and with false, when whoever watches has had enough. */
  pause(milliseconds: number): Promise<boolean>;
}

/** Run `work` with the machine `name`, or with the only one that runs. A machine that ends meanwhile ends it with a sentence. */
export async function withMachine(
  name: string | undefined,
  output: WatchOutput,
  work: (client: EngineClient, name: string) => Promise<void>,
): Promise<void> {
  const chosen = name === undefined ? await onlyMachine() : machineName(name);
  const connection = await connectEngine(chosen);
  try {
    await work(createClient(engineCommands, connection), chosen);
  } catch (failure) {
    if (!hasEnded(failure)) throw failure;
    output.note(`The machine ${chosen} has ended.`);
  } finally {
    connection.close();
  }
}

/** Whether a failure says that the machine is gone or going. */
export function hasEnded(failure: unknown): boolean {
  if (!(failure instanceof EngineError)) return false;
  if (failure.code === 'command-not-allowed') return (failure.data as { status?: unknown }).status === 'stopping';
  return failure.code === 'connection-closed';
}

export function machineName(name: string): string {
  const parsed = MachineName.safeParse(name);
  if (parsed.success) return parsed.data;
  throw new EngineError('setting-invalid', { setting: 'NAME', value: printable(name), reason: firstProblem(parsed.error) });
}

async function onlyMachine(): Promise<string> {
  const running = await runningMachines();
  const [only, ...others] = running;
  if (only !== undefined && others.length === 0) return only;
  throw new EngineError('machine-unnamed', { running });
}
