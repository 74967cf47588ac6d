/**
 * Lets the bundled programs run once, so that they keep what V8 made of them (engine/host/kept-code.ts). The guest is a boot sector that reads
 * and writes its disk and then computes, so that all threads of a machine have done what a start and a system ask of them.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './run.ts';

/** What the guest (assets/guests/ide-stream.asm) says when it has read and written. */
const MARK = '>';
/** Commands of each kind: the first go by the I/O thread. */
const COMMANDS = 16;
const DISK_BYTES = 66 * 2 ** 20;
/** Seconds until a machine that has not booted is given up. */
const PATIENCE = 120;
const POLL = 20;

const early = ['run-command.cjs', 'io-thread.program.cjs', 'compiler.program.cjs'];
const programs = [...early, 'vcpu-thread.program.cjs'];

function keptFile(out: string, program: string): string {
  return join(out, `${program}.code`);
}

/** Names what is kept: programs that stayed the same keep what they have. */
function fingerprint(out: string): string {
  const hash = createHash('sha256').update(process.version);
  for (const program of [...programs, 'run.cjs']) hash.update(readFileSync(join(out, program)));
  return hash.digest('hex');
}

/** Run the programs of the folder `out` unless they have been. Throws Error with what they said when they do not boot or keep nothing. */
export async function keepCode(out: string): Promise<void> {
  const stamp = join(out, 'kept-code.stamp');
  const now = fingerprint(out);
  const isKept = existsSync(stamp) && readFileSync(stamp, 'utf8') === now;
  if (isKept && programs.every((program) => existsSync(keptFile(out, program)))) return;
  for (const path of [stamp, ...programs.map((program) => keptFile(out, program))]) rmSync(path, { force: true });
  await runOnce(out);
  writeFileSync(stamp, now);
}

async function runOnce(out: string): Promise<void> {
  // V8 writes down where a program lay: it is run elsewhere, so that no path of the builder is in what people get.
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-build-'));
  const copy = join(folder, 'out');
  for (const file of globSync(['*.cjs', 'interpreter.*'], { cwd: out })) cpSync(join(out, file), join(copy, file));
  symlinkSync(join(root, 'assets'), join(folder, 'assets'));
  const disk = join(folder, 'disk.img');
  const now = join(folder, 'now');
  const sector = readFileSync(join(root, 'assets/guests/ide-stream.bin'));
  sector.writeUInt16LE(1, 506);
  sector.writeUInt16LE(COMMANDS, 508);
  writeFileSync(disk, sector);
  truncateSync(disk, DISK_BYTES);
  const words = ['run', '--disk', `${disk},format=raw`, '--memory', '64', '--name', `build-${process.pid}`];
  const { NODE_OPTIONS: _, ...environment } = process.env;
  const child = spawn(process.execPath, [join(copy, 'run.cjs'), ...words], {
    env: { ...environment, ROOTMODE_KEEP_CODE: now, XDG_RUNTIME_DIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let ended = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
    });
  }
  const end = new Promise<void>((done) => {
    child.once('close', () => {
      ended = true;
      done();
    });
  });
  const until = async (isThere: () => boolean, what: string) => {
    for (let waited = 0; !isThere(); waited += POLL) {
      if (ended || waited > PATIENCE * 1000) throw new Error(`${what} while programs kept their code: ${said.trim()}`);
      await sleep(POLL);
    }
  };
  try {
    await until(() => said.includes(MARK), 'the machine did not boot');
    writeFileSync(now, '');
    // The thread of the vCPU has no time before it ends; the compiler starts with the guest's first hot code.
    await until(() => early.every((program) => existsSync(keptFile(copy, program))), 'a program wrote nothing');
    child.kill('SIGINT');
    await end;
    if (!existsSync(keptFile(copy, 'vcpu-thread.program.cjs'))) throw new Error(`the vCPU thread kept no code: ${said.trim()}`);
    for (const program of programs) cpSync(keptFile(copy, program), keptFile(out, program));
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}
