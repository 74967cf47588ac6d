/** The ACPI tables of our PC by a judge from outside: the compiler of the ACPI component architecture. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { placeAcpiTables } from '../../engine/firmware/acpi/tables.ts';
import { i440fxPlatform } from '../../engine/firmware/platform.ts';
import { notInstalled } from '../tasks/debian-packages.ts';

const IASL = '/usr/bin/iasl';

describe('ACPI tables by the ACPI component architecture', () => {
  it.for([1, 2, 254])('disassemble and compile again without a word: %i processors', (cpus, context) => {
    const missing = notInstalled(IASL, 'acpica-tools');
    if (missing !== undefined) return context.skip(missing);
    const { pieces } = placeAcpiTables(i440fxPlatform({ cpus, ramBytes: 64 << 20 }), 0xf0000);
    const tables = new Map(pieces.map(({ bytes }) => [Buffer.from(bytes.subarray(0, 4)).toString(), bytes]));
    const folder = mkdtempSync(join(tmpdir(), 'rootmode-acpi-'));
    const iasl = (...words: string[]) => {
      const { status, stdout, stderr } = spawnSync(IASL, words, { cwd: folder, encoding: 'utf8' });
      return { status, said: `${stdout}${stderr}` };
    };
    try {
      for (const name of ['DSDT', 'FACP', 'APIC', 'RSDT', 'XSDT', 'FACS']) {
        const bytes = tables.get(name);
        if (bytes === undefined) throw new Error(`there is no ${name} among ${[...tables.keys()].join(', ')}`);
        writeFileSync(join(folder, `${name}.dat`), bytes);
        expect(iasl('-d', `${name}.dat`), name).toMatchObject({ status: 0 });
        const { status, said } = iasl(`${name}.dsl`);
        expect({ status, said }, name).toMatchObject({ status: 0 });
        expect(said).toContain('Compilation successful. 0 Errors, 0 Warnings');
      }
      return undefined;
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
