#!/usr/bin/env node
// Spectron starts this file; the driver must match the Chromium inside Electron, so the user may name one.
const { spawn } = require('node:child_process');

const driver = spawn(process.env.CHROMEDRIVER ?? '/usr/bin/chromedriver', process.argv.slice(2), { stdio: 'inherit' });
driver.on('error', (cause) => {
  process.stderr.write(`chromedriver could not be started (${cause.message}); set CHROMEDRIVER to its path\n`);
  process.exitCode = 1;
});
driver.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1;
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => driver.kill(signal));
