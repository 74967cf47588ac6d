/** `npm run check locks`: what must not change by accident. Prints one sentence per finding; exit status 1 when there are any. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageLockFindings } from './package-lock.ts';
import { root } from './run.ts';

const text = (name: string) => readFileSync(join(root, name), 'utf8');
const findings = packageLockFindings(text('package.json'), text('package-lock.json'));
for (const finding of findings) process.stdout.write(`${finding}\n`);
process.exitCode = findings.length > 0 ? 1 : 0;
