import { expect, it } from 'vitest';
import { packageLockFindings } from './tasks/package-lock.ts';

const manifest = (version: string) => JSON.stringify({ devDependencies: { zod: version } });
const lock = (version: string, resolved?: string) =>
  JSON.stringify({ packages: { '': { devDependencies: { zod: version } }, 'node_modules/zod': { resolved } } });

it.each([
  ['agreeing', '4.6.7', '4.6.7', undefined, 0],
  ['a range', '^4.6.7', '^4.6.7', undefined, 1],
  ['a lock left behind', '4.6.7', '4.6.6', undefined, 1],
  ['a registry host', '4.6.7', '4.6.7', 'https://registry.example/zod.tgz', 1],
  ['a folder of ours', 'file:build/zod', 'file:build/zod', 'build/zod', 0],
])('%s', (_what, wanted, locked, resolved, findings) => {
  expect(packageLockFindings(manifest(wanted), lock(locked, resolved))).toHaveLength(findings);
});
