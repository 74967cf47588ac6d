/**
 * The contract as JSON Schema (draft 2020-12), for programs in other languages: what may be sent, what comes back, what a machine's file
 * holds. Everything follows from the declarations.
 */
import * as z from 'zod';
import type { Command } from './command.ts';
import { engineCommands } from './commands.ts';
import { eventSchemas } from './events.ts';
import { managerEventSchemas } from './job-commands.ts';
import { managerCommands } from './library-commands.ts';
import { MachineFile } from './machine-file.ts';

type Json = Readonly<Record<string, unknown>>;
const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** Of one declaration: what may be sent (`input`), or what comes back with everything filled in (`output`). */
export function schemaOf(type: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _version, ...rest } = z.toJSONSchema(type, { io, unrepresentable: 'any' });
  return rest;
}

const ID: Json = { anyOf: [{ type: 'integer' }, { type: 'string', maxLength: 128 }], description: 'Comes back with the answer.' };

/** A request is any of the commands; each command's result stands among the definitions. */
function requests(title: string, commands: readonly Command[]): Json {
  const entries = commands.map(({ name, since, doc, allowedIn, params, result, errors }) => {
    const request = {
      ...{ type: 'object', description: `${doc} Since ${since}.` },
      properties: { execute: { const: name }, arguments: schemaOf(params, 'input'), id: ID },
      ...{ required: ['execute'], additionalProperties: false },
      ...{ 'x-errors': [...errors], ...(allowedIn !== undefined && { 'x-allowed-in': [...allowedIn] }) },
    };
    return { name, request, result: schemaOf(result, 'output') };
  });
  return {
    $schema: DIALECT,
    title,
    oneOf: entries.map(({ name }) => ({ $ref: `#/$defs/${name}` })),
    $defs: Object.fromEntries(
      entries.flatMap(({ name, request, result }) => [
        [name, request],
        [`${name}.result`, result],
      ]),
    ),
  };
}

function events(): Json {
  const entries = Object.entries({ ...eventSchemas, ...managerEventSchemas }).map(([event, data]) => ({
    type: 'object',
    properties: { event: { const: event }, data: schemaOf(data, 'output') },
    required: ['event', 'data'],
  }));
  return { $schema: DIALECT, title: 'What an engine tells those who subscribed, and a manager every window', oneOf: entries };
}

/** By file name. */
export function contractSchemas(): Readonly<Record<string, Json>> {
  return {
    'machine.schema.json': { $schema: DIALECT, title: 'machine.json of a machine folder', ...schemaOf(MachineFile, 'input') },
    'engine.schema.json': requests('A request to the engine of a machine', engineCommands),
    'manager.schema.json': requests('A request to the manager of the library', managerCommands),
    'events.schema.json': events(),
  };
}
