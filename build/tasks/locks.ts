/**
 * `npm run locks [-- --write]`: what must not change by accident, and the JSON Schema files in assets/schema. Prints one sentence per finding; exit status 1 when there are any.
 * `--write` brings new and retired names into build/locks; it cannot give a stored name another meaning.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { contractSchemas } from '../../engine/contract/schemas.ts';
import { compareLock, type LockText, lockFileText } from './lock-rules.ts';
import { lockedSources } from './locked-sources.ts';
import { packageLockFindings } from './package-lock.ts';
import { root } from './run.ts';

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
const text = (name: string) => readFileSync(join(root, name), 'utf8');
const findings = [...packageLockFindings(text('package.json'), text('package-lock.json'))];

for (const { file, rules, current } of lockedSources) {
  const path = `build/locks/${file}`;
  const locked = existsSync(join(root, path)) ? (JSON.parse(text(path)) as LockText) : {};
  const { refused, stale, next } = compareLock(locked, await current(), rules);
  findings.push(...refused.map((finding) => `${path}: ${finding}`));
  if (!values.write) findings.push(...stale.map((finding) => `${path}: ${finding}; npm run locks -- --write`));
  else if (refused.length === 0) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), lockFileText(next));
  }
}
// Not locked, only current: the contract for programs in other languages.
for (const [name, schema] of Object.entries(contractSchemas())) {
  const path = `assets/schema/${name}`;
  const current = `${JSON.stringify(schema, undefined, 2)}\n`;
  if (existsSync(join(root, path)) && text(path) === current) continue;
  if (values.write) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), current);
  } else findings.push(`${path}: is not what the contract says; npm run locks -- --write`);
}
for (const finding of findings) process.stdout.write(`${finding}\n`);
process.exitCode = findings.length > 0 ? 1 : 0;
