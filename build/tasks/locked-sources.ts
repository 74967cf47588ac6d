/** What the sources declare now, in the form of the lock files. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as z from 'zod';
import { engineCommands } from '../../engine/contract/commands.ts';
import { managerCommands } from '../../engine/contract/library-commands.ts';
import { MachineSettings } from '../../engine/contract/settings.ts';
import { registeredLayouts } from '../../engine/state/layout.ts';
import { testPattern } from '../layers.ts';
import type { LockRules, LockText } from './lock-rules.ts';
import { root } from './run.ts';

/** Every part's members by id: `cpu/5`. Loads each module of the engine that declares state. */
async function stateIds(): Promise<LockText> {
  const isTest = new RegExp(testPattern);
  const declaring = globSync('engine/**/*.ts', { cwd: root }).filter(
    (path) => !isTest.test(path) && /\b(defineState|defineDevice)\(/.test(readFileSync(join(root, path), 'utf8')),
  );
  for (const path of declaring.sort()) await import(pathToFileURL(join(root, path)).href);
  const ids: Record<string, unknown> = {};
  for (const [part, layout] of registeredLayouts()) {
    for (const [name, { id, type, element, length, member }] of Object.entries(layout.fields)) {
      if (member === 'state') ids[`${part}/${id}`] = { name, type: type === 'array' ? `${element}[]` : type, length };
    }
  }
  return ids;
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): unknown {
  const { $schema: _version, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

function contractLock(): LockText {
  const commands = [...engineCommands, ...managerCommands].map(({ name, since, params, result, errors, ...rest }) => [
    name,
    {
      since,
      errors,
      ...('allowedIn' in rest ? { allowedIn: rest.allowedIn } : {}),
      params: jsonSchema(params, 'input'),
      result: jsonSchema(result, 'output'),
    },
  ]);
  return Object.fromEntries(commands);
}

function settingsLock(): LockText {
  return Object.fromEntries(Object.entries(MachineSettings.shape).map(([name, schema]) => [name, jsonSchema(schema, 'input')]));
}

export interface LockedSource {
  /** File in build/locks. */
  readonly file: string;
  readonly rules: LockRules;
  current(): Promise<LockText>;
}

export const lockedSources: readonly LockedSource[] = [
  { file: 'state.json', rules: { changes: 'refused' }, current: stateIds },
  { file: 'contract.json', rules: { changes: 'reviewed' }, current: async () => contractLock() },
  { file: 'settings.json', rules: { changes: 'reviewed' }, current: async () => settingsLock() },
];
