/**
 * `npm run layers [-- --write]`: imports against the table of layers, house rules, and the diagram in ARCHITECTURE.md.
 * With `--write` the diagram is redrawn instead of compared. Exit status 1 when something is found.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { conventionFindings } from './conventions.ts';
import { withDiagram } from './diagram.ts';
import { violations } from './import-rules.ts';
import { root } from './run.ts';

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
const findings: string[] = [];

const folders = ['engine', 'electron', 'renderer', 'build'].filter((folder) => existsSync(join(root, folder)));
for (const { rule, from, to } of await violations(root, folders)) findings.push(`${from} -> ${to}: ${rule}`);
findings.push(...conventionFindings(root));

const page = join(root, 'ARCHITECTURE.md');
const before = readFileSync(page, 'utf8');
const after = withDiagram(before);
if (values.write) writeFileSync(page, after);
else if (before !== after) findings.push('ARCHITECTURE.md: the diagram of layers is stale; npm run layers -- --write');

for (const finding of findings) process.stdout.write(`${finding}\n`);
process.exitCode = findings.length > 0 ? 1 : 0;
