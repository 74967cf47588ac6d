/**
 * `npm start`: the window. In Electron where its program is, otherwise in the browser, and then one line says so. Words that follow go to
 * the program.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { electronProgram } from '../../engine/host/electron-program.ts';
import { root } from './run.ts';

function program(): readonly [string, ...string[]] {
  const found = electronProgram(root);
  if (found !== undefined) return [found, root];
  process.stderr.write(
    'Electron is not installed here (`node node_modules/electron/install.js` fetches it): Rootmode opens in your browser instead.\n',
  );
  return [join(root, 'build/cli/rootmode'), 'serve', '--open'];
}

const [command, ...words] = program();
const child = spawn(command, [...words, ...process.argv.slice(2)], { stdio: 'inherit' });
// The terminal sends Ctrl-C to both; a signal sent to this process alone is handed on.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('error', (cause) => {
  process.stderr.write(`Rootmode could not be started: ${cause.message}\n`);
  process.exitCode = 1;
});
child.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
});
