/**
 * `npm run dist [-- EDITION...]`: build what people install, into `.out/dist/`: the application, then every edition or those named. Says
 * what it skipped and why. `npm run dist -- --check` looks at what is there, and builds it a second time to compare; exit status 1
 * when something does not hold.
 */
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { stageApplication } from '../dist/application.ts';
import {
  artefactsIn,
  checkApplication,
  checkDebian,
  checkExecutable,
  checkNpm,
  differences,
  type Verdict,
} from '../dist/check.ts';
import { editions } from '../dist/editions.ts';
import { sourceTime } from '../dist/source-state.ts';
import { root } from './run.ts';

const to = join(root, '.out/dist');
const again = join(root, '.out/dist-again');

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function make(folder: string, names: readonly string[]): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const time = await sourceTime();
  const components = await stageApplication(join(folder, 'application'), time);
  say(`made     application with ${components.length} packages of others`);
  for (const name of names) {
    const { made, skipped = [] } = (await editions[name]?.({ folder, time })) ?? { made: [] };
    for (const path of made) say(`made     ${basename(path).padEnd(40)} ${(statSync(path).size / 1e6).toFixed(1)} MB`);
    for (const { target, reason } of skipped) say(`skipped  ${target}: ${reason}`);
  }
}

function report(verdicts: readonly Verdict[]): boolean {
  for (const { sentence, objections, skipped } of verdicts) {
    const mark = skipped !== undefined ? 'skipped' : objections.length === 0 ? 'ok     ' : 'FAILED ';
    say(`${mark}  ${sentence}${skipped === undefined ? '' : `: ${skipped}`}`);
    for (const objection of objections) say(`         ${objection}`);
  }
  return verdicts.every(({ objections }) => objections.length === 0);
}

async function check(): Promise<boolean> {
  const application = join(to, 'application');
  if (!existsSync(application)) throw new Error("there is nothing to check; 'npm run dist' builds it");
  const artefacts = artefactsIn(to);
  const { executable, deb, npm, desktop } = artefacts;
  const sound = [
    report(checkApplication(application)),
    executable === undefined || report(checkExecutable(executable, application)),
    deb === undefined || report(checkDebian(deb, application)),
    npm === undefined || report(checkNpm(npm)),
    // Loaded when it is there: it asks Electron's own packages.
    desktop === undefined || report(await (await import('../dist/check-desktop.ts')).checkDesktop(desktop, application)),
  ];
  const built = Object.entries(artefacts).filter(([, path]) => path !== undefined);
  await make(
    again,
    built.map(([name]) => name),
  );
  sound.push(
    report([
      {
        sentence: 'a second build is the same, byte for byte',
        objections: differences(to, again).filter((path) => !varying.test(path)),
      },
    ]),
  );
  rmSync(again, { recursive: true });
  return sound.every(Boolean);
}

/** Formats that note when, or in what order, they were made. */
const varying = /\.(AppImage|zip|tar\.gz)$/;

const words = process.argv.slice(2);
const names = words.filter((word) => word !== '--check');
const unknown = names.filter((name) => !(name in editions));
if (unknown.length > 0) {
  process.stderr.write(`no such edition: ${unknown.join(', ')}; there are ${Object.keys(editions).join(', ')}\n`);
  process.exit(2);
}
if (words.includes('--check')) process.exitCode = (await check()) ? 0 : 1;
else await make(to, names.length === 0 ? Object.keys(editions) : names);
