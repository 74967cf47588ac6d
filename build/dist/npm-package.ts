/** The headless edition as an npm package, for machines that have Node already. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../tasks/run.ts';
import { identity, place } from './application.ts';
import { expectSuccess, headlessFiles } from './executable.ts';

/** Node wants the hash-bang; the program itself is a module that runs when it is imported. */
const starter = "#!/usr/bin/env node\nawait import(process.argv[2] === 'run' ? '../out/run.cjs' : '../out/cli.js');\n";

/** Pack the application in the folder `application` into the folder `to`. Returns the path of the tarball. */
export async function makeNpmPackage(application: string, to: string): Promise<string> {
  const tree = join(to, 'npm.parts');
  rmSync(tree, { recursive: true, force: true });
  for (const file of headlessFiles(application)) place(join(application, file), join(tree, file));
  const { name, version, description, licence: license } = identity;
  const manifest = {
    name: `${name}-headless`,
    version,
    description,
    license,
    type: 'module',
    bin: { rootmode: 'bin/rootmode.js' },
    engines: { node: '>=24' },
    os: ['linux', 'darwin', 'win32'],
  };
  writeFileSync(join(tree, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  mkdirSync(join(tree, 'bin'));
  writeFileSync(join(tree, 'bin/rootmode.js'), starter, { mode: 0o755 });
  expectSuccess('npm', await run('npm', ['pack', tree, '--pack-destination', to, '--ignore-scripts', '--silent']));
  rmSync(tree, { recursive: true });
  return join(to, `${manifest.name}-${version}.tgz`);
}
