/**
 * The server's half: handlers beside their commands, and one dispatcher that checks whatever arrives before a handler sees it.
 */
import * as z from 'zod';
import type { Command, InputOf, ParamsOf, ResultOf } from './command.ts';
import { EngineError } from './errors.ts';
import { firstProblem, printable } from './problem-text.ts';
import type { MachineStatus } from './settings.ts';
import { WireRequest, type WireResponse } from './wire.ts';

export interface Served<Context> {
  readonly command: Command;
  handle(params: unknown, context: Context): Promise<unknown>;
}

/** Bind a handler to its command. It runs only with arguments that passed the command's schema, in a status the command allows. */
export function serve<C extends Command, Context>(
  command: C,
  handler: (params: ParamsOf<C>, context: Context) => ResultOf<C> | Promise<ResultOf<C>>,
): Served<Context> {
  return { command, handle: async (params, context) => handler(params as ParamsOf<C>, context) };
}

export interface Dispatcher {
  /** Answer one decoded message, whatever it is. Never rejects: every failure is an answer. */
  dispatch(message: unknown): Promise<WireResponse>;
  /** The same by name, for callers inside the process. Rejects with `EngineError`. */
  call<C extends Command>(command: C, params: InputOf<C>): Promise<ResultOf<C>>;
}

export interface DispatcherOptions<Context> {
  readonly served: readonly Served<Context>[];
  readonly context: Context;
  status(): MachineStatus;
}

export function createDispatcher<Context>({ served, context, status }: DispatcherOptions<Context>): Dispatcher {
  const byName = new Map(served.map((entry) => [entry.command.name, entry]));

  async function execute(name: string, params: unknown): Promise<unknown> {
    const entry = byName.get(name);
    if (entry === undefined) throw new EngineError('command-unknown', { command: printable(name) });
    const { command } = entry;
    const now = status();
    if (command.allowedIn !== undefined && !command.allowedIn.includes(now)) {
      throw new EngineError('command-not-allowed', { command: name, status: now });
    }
    const parsed = command.params.safeParse(params);
    if (!parsed.success) throw new EngineError('arguments-invalid', { command: name, reason: firstProblem(parsed.error) });
    return command.result.parse(await entry.handle(parsed.data, context));
  }

  return {
    async dispatch(message) {
      const request = WireRequest.safeParse(message);
      const id = request.success ? request.data.id : undefined;
      const tag = id === undefined ? {} : { id };
      try {
        if (!request.success) throw new EngineError('message-invalid', { reason: firstProblem(request.error) });
        return { return: await execute(request.data.execute, request.data.arguments ?? {}), ...tag };
      } catch (error) {
        return { error: toWire(error), ...tag };
      }
    },
    call: async <C extends Command>(command: C, params: InputOf<C>) => (await execute(command.name, params)) as ResultOf<C>,
  };
}

/** An error as an answer. What is not an `EngineError` is a defect of ours: its text goes out, its stack does not. */
export function toWire(error: unknown): { class: string; desc: string; data: Record<string, unknown> } {
  const known = error instanceof EngineError ? error : new EngineError('internal', { reason: String(error) });
  return { class: known.code, desc: known.message, data: { ...known.data } };
}

/** A command as `command-list` shows it. */
export function describeCommand(command: Command): {
  name: string;
  since: string;
  doc: string;
  params: Record<string, unknown>;
  result: Record<string, unknown>;
  errors: string[];
} {
  const schema = (type: z.ZodType): Record<string, unknown> => ({ ...z.toJSONSchema(type, { io: 'input' }) });
  const { name, since, doc, params, result, errors } = command;
  return { name, since, doc, params: schema(params), result: schema(result), errors: [...errors] };
}
