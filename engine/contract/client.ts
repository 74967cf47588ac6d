/**
 * The client's half: a method for each command, derived from the declarations. `client.machineStatus({})`.
 */
import { type Command, type InputOf, type MethodName, methodName, type ResultOf } from './command.ts';
import { EngineError } from './errors.ts';
import { errorOf } from './failure.ts';
import { type WireRequest, WireResponse } from './wire.ts';

/** Carries one request to the engine and brings its answer. Rejects with `EngineError` when the connection fails. */
export interface Transport {
  request(message: WireRequest): Promise<unknown>;
}

export type Client<Commands extends readonly Command[]> = {
  readonly [C in Commands[number] as MethodName<C['name']>]: (params: InputOf<C>) => Promise<ResultOf<C>>;
};

/** Methods check their answer with the command's schema: an engine of another version may answer differently. */
export function createClient<const Commands extends readonly Command[]>(
  commands: Commands,
  transport: Transport,
): Client<Commands> {
  const methods = commands.map((command) => {
    const call = async (params: unknown): Promise<unknown> => {
      const message: WireRequest = { execute: command.name, arguments: command.params.parse(params) as Record<string, unknown> };
      const answer = WireResponse.safeParse(await transport.request(message));
      if (!answer.success) throw new EngineError('answer-invalid', { command: command.name });
      if ('error' in answer.data) throw fromWire(answer.data.error);
      const result = command.result.safeParse(answer.data.return);
      if (!result.success) throw new EngineError('answer-invalid', { command: command.name });
      return result.data;
    };
    return [methodName(command.name), call] as const;
  });
  return Object.fromEntries(methods) as Client<Commands>;
}

/** The engine's error again, with its own sentence: the engine knows more about it than its code tells. */
function fromWire(wire: { class: string; desc: string; data: Record<string, unknown> }): EngineError {
  const error = errorOf(wire);
  if (error === undefined) return new EngineError('internal', { reason: wire.desc });
  error.message = wire.desc;
  return error;
}
