/**
 * `npm start`: boots a guest on this terminal. Debian's kernel with a shell where the guests can be had, otherwise the small guest of
 * ours that needs nothing from outside. Everything the program says beside the guest goes to standard error.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { obtainGuests } from './guests.ts';
import { root } from './run.ts';

const ownGuest = join(root, 'assets/guests/hello.bin');

function guestOptions(): readonly string[] {
  const guests = obtainGuests();
  if (typeof guests === 'string') {
    process.stderr.write(`${guests}\nBooting a small guest of ours instead.\n`);
    return ['--kernel', ownGuest, '--memory', '16'];
  }
  process.stderr.write(`Booting ${guests.origin[0] ?? 'the guest'}; 'poweroff -f' in it or Ctrl-A x ends it.\n`);
  return ['--kernel', guests.kernel, '--initrd', guests.initrd, '--append', 'console=ttyS0 panic=-1', '--memory', '512'];
}

const command = join(root, 'build/cli/rootmode');
const child = spawn(command, ['run', ...guestOptions(), ...process.argv.slice(2)], { stdio: 'inherit' });
// The terminal sends Ctrl-C to both; a signal sent to this process alone is handed on.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('error', (cause) => {
  process.stderr.write(`rootmode could not be started: ${cause.message}\n`);
  process.exitCode = 1;
});
child.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
});
