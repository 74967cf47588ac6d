/**
 * Programs that start at once: beside their text lies what V8 made of it in a run before, with the functions that run used. Node's own
 * modules and its cache of code take longer: they look for files, make facades of modules, and keep what the last process left behind.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { clearCodeSettings } from './v8-settings.ts';

/** Set while the build lets programs run: each writes what V8 made of it when the file of this name is there, and when its thread ends. */
const KEEP = 'ROOTMODE_KEEP_CODE';

type Body = (require: NodeJS.Require, module: { exports: object }, program: { readonly here: string }) => void;

/**
 * Run a program that the build wrote as one file of ASCII, a function of `Body`; returns what it exports. Kept code of another V8, of
 * other settings of V8 or of another text is not taken, and the program starts slower.
 */
export function loadProgram(program: URL): object {
  const path = fileURLToPath(program);
  const kept = `${path}.code`;
  // The text is ASCII: as latin1 nothing is to be decoded.
  const text = readFileSync(path, 'latin1');
  // Where the program was when it was kept is nobody's business.
  const filename = basename(path);
  const cachedData = readIfThere(kept);
  const script = new Script(text, { filename, ...(cachedData && { cachedData }) });
  const module = { exports: {} };
  (script.runInThisContext() as Body)(createRequire(program), module, { here: program.href });
  const now = process.env[KEEP];
  if (now !== undefined) {
    keepWhen(now, () => {
      // It says under which settings it was made; the thread that compiles changes them for all.
      clearCodeSettings();
      writeFileSync(kept, script.createCachedData());
    });
  }
  return module.exports;
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function keepWhen(now: string, keep: () => void): void {
  process.once('exit', keep);
  const timer = setInterval(() => {
    if (!existsSync(now)) return;
    clearInterval(timer);
    keep();
  }, 20).unref();
}
