/** The commit-msg check: `area: what changes` in at most 72 columns, then an empty line and a body with cause and reason. */
import { readFileSync } from 'node:fs';
import { messageFindings } from './commit-rules.ts';

const file = process.argv[2];
if (file === undefined) throw new Error('git gives the file with the message as the first argument');
const findings = messageFindings(readFileSync(file, 'utf8'));
for (const finding of findings) process.stderr.write(`commit message: ${finding}\n`);
process.exitCode = findings.length > 0 ? 1 : 0;
