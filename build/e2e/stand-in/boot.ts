/** Starts Chromium, says where its debugger listens as Electron does, then runs the program's main process. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startChromium } from './chromium.ts';
import { app } from './electron.ts';

const folder = resolve(process.argv[2] ?? '.');
const { main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { main: string };
process.argv.splice(1, 2, folder);
const { debuggerUrl } = await startChromium();
process.stderr.write(`DevTools listening on ${debuggerUrl}\n`);
app.becomeReady();
await import(pathToFileURL(join(folder, main)).href);
