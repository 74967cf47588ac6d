import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { engineCommands } from '../../contract/commands.ts';
import { errorCodes } from '../../contract/errors.ts';
import { eventSchemas } from '../../contract/events.ts';
import { managerCommands } from '../../contract/library-commands.ts';
import { StoredSettings } from '../../contract/machine-file.ts';
import { contractSchemas } from '../../contract/schemas.ts';
import { contractPage, machinePage } from './contract-pages.ts';

const facts = { version: '1.2.3', date: '2026-01-02' };
const plain = (roff: string): string => roff.replaceAll('\\-', '-').replaceAll('\\(dq', '"');

describe('the manual pages of the contract', () => {
  it('name every command, event and error, with what they take and give', () => {
    const page = plain(contractPage(facts));
    for (const { name } of [...engineCommands, ...managerCommands]) expect(page).toContain(`\n.SS ${name}\n`);
    for (const name of [...Object.keys(eventSchemas), ...errorCodes]) expect(page).toContain(`\n.B ${name}\n`);
    expect(page).toContain('takes\n{ name: string, lines?: integer 1..1000 }');
    expect(page).toContain('There is no vCPU <vcpu>; this machine has <vcpus>');
    expect(page).not.toMatch(/NaN|undefined|\[object/);
  });

  it('name every setting with what it is for and what it is otherwise', () => {
    const page = plain(machinePage(facts));
    for (const [name, schema] of Object.entries(StoredSettings.shape)) {
      expect(page).toContain(`\n.B ${name}: `);
      expect([name, schema.description]).toEqual([name, expect.stringMatching(/\.$/)]);
    }
    expect(page).toContain('Memory of the guest in KiB. Otherwise 524288.');
  });

  it('are taken by man without a warning', ({ skip }) => {
    if (spawnSync('man', ['--version']).error !== undefined) return skip('there is no man');
    for (const page of [contractPage(facts), machinePage(facts)]) {
      const { status, stdout, stderr } = spawnSync('man', ['--warnings', '-l', '-'], { input: page, encoding: 'utf8' });
      expect([status, stderr, stdout.length > 1000]).toEqual([0, '', true]);
    }
  });
});

describe('the JSON Schema files', () => {
  const schemas = contractSchemas() as Record<
    string,
    { oneOf: { $ref: string }[]; $defs: Record<string, { properties: object }> }
  >;

  it('hold a request and a result for every command', () => {
    const { oneOf, $defs } = schemas['engine.schema.json'] as (typeof schemas)[string];
    expect(oneOf.map(({ $ref }) => $ref)).toEqual(engineCommands.map(({ name }) => `#/$defs/${name}`));
    for (const { name } of engineCommands) expect($defs).toHaveProperty([`${name}.result`]);
    expect($defs['machine-registers']?.properties).toMatchObject({
      execute: { const: 'machine-registers' },
      arguments: { properties: { vcpu: { type: 'integer', minimum: 0 } }, additionalProperties: false },
    });
  });

  it('refer to nothing that is not there', () => {
    for (const [file, schema] of Object.entries(schemas)) {
      const references = [...JSON.stringify(schema).matchAll(/"\$ref":"#\/\$defs\/([^"]+)"/g)].map(([, name]) => name);
      expect([file, references.filter((name) => !Object.hasOwn(schema.$defs ?? {}, name as string))]).toEqual([file, []]);
    }
  });
});
