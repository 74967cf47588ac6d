/**
 * What a command is. One declaration gives the wire message, the typed client, the server's checks and the JSON Schema.
 */
import type { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import type { MachineStatus } from './settings.ts';

/** A declared command. `allowedIn` absent means: in every status of the machine. */
export interface Command<
  Name extends string = string,
  Params extends z.ZodType = z.ZodType,
  Result extends z.ZodType = z.ZodType,
> {
  /** Lower case words joined by `-`; the name on the wire for ever. */
  readonly name: Name;
  /** The version that brought it. */
  readonly since: string;
  /** One sentence: what it does, and what happens when there is nothing to do. */
  readonly doc: string;
  readonly allowedIn?: readonly MachineStatus[];
  readonly params: Params;
  readonly result: Result;
  /** The errors it may answer with, besides those every command has (wrong arguments, wrong status). */
  readonly errors: readonly ErrorCode[];
}

export type ParamsOf<C> = C extends Command<string, infer Params, z.ZodType> ? z.output<Params> : never;
export type InputOf<C> = C extends Command<string, infer Params, z.ZodType> ? z.input<Params> : never;
export type ResultOf<C> = C extends Command<string, z.ZodType, infer Result> ? z.output<Result> : never;

/** Declare a command. Returns it unchanged: the value of the call is the inference of its types. */
export function command<const Name extends string, Params extends z.ZodType, Result extends z.ZodType>(
  declaration: Command<Name, Params, Result>,
): Command<Name, Params, Result> {
  return declaration;
}

/** `machine-power-button` as a method name: `machinePowerButton`. */
export type MethodName<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<MethodName<Tail>>}`
  : Name;

export function methodName<Name extends string>(name: Name): MethodName<Name> {
  return name.replace(/-([a-z])/g, (_all, letter: string) => letter.toUpperCase()) as MethodName<Name>;
}
