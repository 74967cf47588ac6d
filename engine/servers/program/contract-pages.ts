/** Manual pages about what other programs rely on: the contract's messages, and the file of a machine. */
import type { Command } from '../../contract/command.ts';
import { engineCommands } from '../../contract/commands.ts';
import { EngineError, type ErrorCode, errorCodes } from '../../contract/errors.ts';
import { eventSchemas } from '../../contract/events.ts';
import { managerEventSchemas } from '../../contract/job-commands.ts';
import { managerCommands } from '../../contract/library-commands.ts';
import { MachineFile } from '../../contract/machine-file.ts';
import { schemaOf } from '../../contract/schemas.ts';
import { entry, escaped, type PageFacts, sentence } from './roff.ts';

/** The part of JSON Schema that our declarations come to. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly description?: string;
}

/** What a value may be, in a few words. */
function typeText(schema: Schema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((one) => JSON.stringify(one)).join(' | ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(' | ');
  if (schema.type === 'array') return `[${typeText(schema.items ?? {})}, ...]`;
  if (schema.type === 'object') return objectText(schema);
  const { type = 'anything', minimum, maximum } = schema;
  // Bounds of the number format are no bounds of ours.
  const bounds = [minimum, maximum].map((bound) => (Math.abs(bound ?? 2 ** 53) >= 2 ** 53 - 1 ? '' : String(bound)));
  return `${[type].flat().join(' | ')}${bounds.some(Boolean) ? ` ${bounds.join('..')}` : ''}`;
}

function objectText({ properties, required = [], additionalProperties }: Schema): string {
  const members = Object.entries(properties ?? {}).map(
    ([name, member]) => `${name}${required.includes(name) ? '' : '?'}: ${typeText(member)}`,
  );
  if (typeof additionalProperties === 'object') members.push(`NAME: ${typeText(additionalProperties)}`);
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}

/** The sentence of an error with the names of its data in their places; without one where it depends on what they are. */
function errorText(code: ErrorCode): string {
  const data = new Proxy({}, { get: (_target, name) => `<${String(name)}>` });
  try {
    const text = new EngineError(code, data as never).message;
    return /NaN|undefined|Infinity/.test(text) ? '' : text;
  } catch {
    return '';
  }
}

const head = (name: string, section: number, { version, date }: PageFacts, title: string): string =>
  `.TH ${name.toUpperCase()} ${section} "${date}" "Rootmode ${version}" "${title}"`;

function commandLines({ name, doc, allowedIn, params, result, errors }: Command): string[] {
  return [
    `.SS ${escaped(name)}`,
    sentence(doc),
    ...(allowedIn === undefined ? [] : ['.br', escaped(`Allowed while the machine is ${allowedIn.join(' or ')}.`)]),
    ...entry('takes', typeText(schemaOf(params, 'input'))),
    ...entry('gives', typeText(schemaOf(result, 'output'))),
    ...(errors.length === 0 ? [] : entry('fails with', errors.join(', '))),
  ];
}

/** rootmode-contract(7): every command, event and error. */
export function contractPage(facts: PageFacts): string {
  return [
    head('rootmode-contract', 7, facts, 'Rootmode Contract'),
    '.SH NAME',
    'rootmode\\-contract \\- messages by which programs use machines and the library',
    '.SH DESCRIPTION',
    'A running machine answers on the socket rootmode/NAME.sock in $XDG_RUNTIME_DIR: one JSON object a line. It greets with',
    '.IP',
    escaped('{"rootmode":{"version":"...","machine":"NAME"}}'),
    '.PP',
    'A request and its answers are',
    '.IP',
    escaped('{"execute":"machine-status","arguments":{},"id":1}'),
    '.br',
    escaped('{"return":{...},"id":1}'),
    '.br',
    escaped('{"error":{"class":"...","desc":"...","data":{...}},"id":1}'),
    '.PP',
    'The window uses the same messages; those to the library go to its manager. In the forms below a question mark follows what may be absent.',
    '.SH COMMANDS OF A MACHINE',
    ...engineCommands.flatMap(commandLines),
    '.SH COMMANDS OF THE LIBRARY',
    ...managerCommands.flatMap(commandLines),
    '.SH EVENTS',
    ...Object.entries({ ...eventSchemas, ...managerEventSchemas }).flatMap(([name, data]) =>
      entry(name, typeText(schemaOf(data, 'output'))),
    ),
    '.SH ERRORS',
    ...errorCodes.flatMap((code) => entry(code, errorText(code))),
    '.SH SEE ALSO',
    '.BR rootmode (1),',
    '.BR rootmode\\-machine (5)',
    '',
  ].join('\n');
}

function memberLines([name, schema]: readonly [string, Schema]): string[] {
  const fallback = schema.default === undefined ? '' : ` Otherwise ${JSON.stringify(schema.default)}.`;
  return entry(`${name}: ${typeText(schema)}`, `${schema.description ?? ''}${fallback}`.trim());
}

/** rootmode-machine(5): what stands in a machine's folder. */
export function machinePage(facts: PageFacts): string {
  const { settings, ...notes } = (schemaOf(MachineFile, 'input') as Schema).properties ?? {};
  return [
    head('rootmode-machine', 5, facts, 'Rootmode Machines'),
    '.SH NAME',
    'rootmode\\-machine \\- the folder of a machine and its machine.json',
    '.SH DESCRIPTION',
    'A machine is a folder NAME.rmvm in the library, and can be moved as such: its file machine.json, which is read and edited by people, and',
    'whatever belongs to it. Relative paths start at the folder. While it runs, the file lock names its process; logs are below logs.',
    '.SH MEMBERS',
    ...Object.entries(notes).flatMap(memberLines),
    '.SH SETTINGS',
    'These stand in the member settings. What is absent is as for a new machine.',
    ...Object.entries(settings?.properties ?? {}).flatMap(memberLines),
    '.SH SEE ALSO',
    '.BR rootmode (1),',
    '.BR rootmode\\-contract (7)',
    '',
  ].join('\n');
}
