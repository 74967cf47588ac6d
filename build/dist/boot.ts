/**
 * First code of the single executable: finds the application's folder and goes on with the command line there.
 *
 * A package installs that folder beside the executable, in `../lib/rootmode`. An executable that was only copied somewhere carries it
 * along and unpacks it, once per version, into the user's cache folder. Words after the program's name are the command line's; the
 * path of `out/run.cjs` or `out/cli.js` before them is what an engine process is started with, as under plain Node.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { getAsset, getAssetKeys } from 'node:sea';
import { pathToFileURL } from 'node:url';
import { constants, Script } from 'node:vm';

/** Asset that names this build; the folder of the application has the same text in a file of that name. */
const IDENTITY = 'build-id';

function applicationFolder(): string {
  const identity = getAsset(IDENTITY, 'utf8');
  const installed = join(dirname(ownPath()), '..', 'lib', 'rootmode');
  const unpacked = join(cacheFolder(), identity);
  for (const folder of [installed, unpacked]) if (isComplete(folder, identity)) return folder;
  unpack(unpacked, identity);
  return unpacked;
}

/** Links followed. Linux tells the path through /proc only. */
function ownPath(): string {
  try {
    return realpathSync(process.execPath);
  } catch (cause) {
    throw new Error('the system does not say where this executable is; mount /proc', { cause });
  }
}

/** XDG Base Directory Specification: a relative path counts as not set. */
function cacheFolder(): string {
  const local = process.platform === 'win32' ? process.env['LOCALAPPDATA'] : process.env['XDG_CACHE_HOME'];
  if (local?.startsWith('/') || (process.platform === 'win32' && local)) return join(local, 'rootmode', 'app');
  return join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache', 'rootmode', 'app');
}

/** The folder is of this build, and nobody else can have written it. */
function isComplete(folder: string, identity: string): boolean {
  try {
    const { uid, mode } = lstatSync(folder);
    const me = process.getuid?.();
    if (me !== undefined && ((uid !== me && uid !== 0) || (mode & 0o022) !== 0)) return false;
    return readFileSync(join(folder, IDENTITY), 'utf8') === identity;
  } catch {
    return false;
  }
}

/** Written beside its place and moved there whole: two processes may unpack at once, and one that dies leaves nothing half done. */
function unpack(folder: string, identity: string): void {
  const draft = `${folder}.${randomBytes(6).toString('hex')}`;
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  const whole = createHash('sha256');
  for (const key of getAssetKeys().sort()) {
    if (key === IDENTITY) continue;
    const bytes = Buffer.from(getAsset(key));
    whole.update(`${key}\0${bytes.length}\0`).update(bytes);
    const path = join(draft, key);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, bytes, { mode: 0o600 });
  }
  if (whole.digest('hex') !== identity) throw new Error('this executable is damaged; install it again');
  writeFileSync(join(draft, IDENTITY), identity, { mode: 0o600 });
  try {
    renameSync(draft, folder);
  } catch (failure) {
    if (!isComplete(folder, identity)) {
      // Damaged or not ours: out of the way, never deleted unseen.
      if (!existsSync(folder)) throw failure;
      renameSync(folder, `${draft}.old`);
      renameSync(draft, folder);
    } else rmSync(draft, { recursive: true, force: true });
  }
}

try {
  const out = join(applicationFolder(), 'out');
  const given = process.argv.slice(2);
  const [engine, commands] = [join(out, 'run.cjs'), join(out, 'cli.js')];
  const words = given[0] === engine || given[0] === commands ? given.slice(1) : given;
  // A machine has a program of its own, which starts faster.
  const program = words[0] === 'run' ? engine : commands;
  process.argv = [process.execPath, program, ...words];
  const load = new Script('(url) => import(url)', { importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER });
  (load.runInThisContext() as (url: string) => Promise<unknown>)(pathToFileURL(program).href).catch(fail);
} catch (failure) {
  fail(failure);
}

function fail(failure: unknown): void {
  process.stderr.write(`rootmode: ${failure instanceof Error ? failure.message : String(failure)}\n`);
  process.exitCode = 1;
}
