import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

let folder: string;
let program: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-kept-'));
  program = join(folder, 'program.cjs');
  // A function that is used, so that V8 has something to keep, and one that says whether it was taken up.
  writeFileSync(
    program,
    "(function (require, module, program) { 'use strict'; const { here } = program; const twice = (n) => 2 * n; module.exports = { twice, here, at: require('node:path').sep }; })",
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const loader = new URL('./kept-code.ts', import.meta.url).href;

/** In a process of its own: what the program exports, and whether V8 took what was kept. */
function load(environment: Record<string, string> = {}): { out: unknown; taken: boolean | undefined } {
  const text = `
    import vm from 'node:vm';
    import { syncBuiltinESMExports } from 'node:module';
    let taken;
    const { Script } = vm;
    vm.Script = class extends Script {
      constructor(text, options) {
        super(text, options);
        taken = options.cachedData && !this.cachedDataRejected;
      }
    };
    syncBuiltinESMExports();
    const { loadProgram } = await import(${JSON.stringify(loader)});
    const { twice, here, at } = loadProgram(new URL(${JSON.stringify(pathToFileURL(program).href)}));
    console.log(JSON.stringify({ out: [twice(21), here, at], taken }));
  `;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', text], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  return JSON.parse(said);
}

const out = () => [42, pathToFileURL(program).href, '/'];

it('runs without anything kept, keeps it when told to, and takes it up', () => {
  expect(load()).toEqual({ out: out() });
  expect(existsSync(`${program}.code`)).toBe(false);
  load({ ROOTMODE_KEEP_CODE: join(folder, 'never') });
  expect(readFileSync(`${program}.code`).includes(folder)).toBe(false);
  expect(load()).toEqual({ out: out(), taken: true });
});

it('runs without what is damaged, empty or of another text', () => {
  const kept = readFileSync(`${program}.code`);
  const text = readFileSync(program, 'utf8');
  for (const damaged of [kept.subarray(0, 20), new Uint8Array(0), kept.map((byte, i) => (i === 4 ? byte ^ 1 : byte))]) {
    writeFileSync(`${program}.code`, damaged);
    expect(load().out).toEqual(out());
    expect(load().taken).toBe(false);
  }
  writeFileSync(`${program}.code`, kept);
  writeFileSync(program, `${text} `);
  expect(load()).toEqual({ out: out(), taken: false });
});
