/** What must hold of the packages of the desktop edition, as the tools of their platforms see them. */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listPackage } from '@electron/asar';
import fuses, { type FuseV1Options as Options } from '@electron/fuses';
import { filesBelow } from './application.ts';
import { lintian, said, type Verdict, verdict } from './check.ts';

// CommonJS: its parts are properties of one export.
const { FuseV1Options, getCurrentFuseWire } = fuses;

/** Characters of the wire. */
const OFF = 0x30;
const ON = 0x31;

const wantedFuses: readonly (readonly [Options, number])[] = [
  [FuseV1Options.RunAsNode, OFF],
  [FuseV1Options.EnableCookieEncryption, ON],
  [FuseV1Options.EnableNodeOptionsEnvironmentVariable, OFF],
  [FuseV1Options.EnableNodeCliInspectArguments, OFF],
  [FuseV1Options.EnableEmbeddedAsarIntegrityValidation, ON],
  [FuseV1Options.OnlyLoadAppFromAsar, ON],
  [FuseV1Options.GrantFileProtocolExtraPrivileges, OFF],
];

/** Checks of everything in `folder`, made from `application`. */
export async function checkDesktop(folder: string, application: string): Promise<Verdict[]> {
  const first = (pattern: string): string | undefined => globSync(pattern, { cwd: folder })[0];
  const unpacked = join(folder, 'linux-unpacked');
  const verdicts = await checkUnpacked(unpacked, application);
  const debian = first('*.deb');
  if (debian !== undefined) verdicts.push(...checkDebianDesktop(join(folder, debian)));
  const rpm = first('*.rpm');
  if (rpm !== undefined) verdicts.push(checkRpm(join(folder, rpm)));
  const image = first('*.AppImage');
  if (image !== undefined) verdicts.push(checkAppImage(join(folder, image)));
  for (const archive of ['*.tar.gz', '*.zip'].map(first))
    if (archive !== undefined) verdicts.push(checkArchive(join(folder, archive)));
  return verdicts;
}

/** Fuses of the program at `path` that are not as they should be. */
export async function fuseFaults(path: string): Promise<string[]> {
  const wire = (await getCurrentFuseWire(path)) as unknown as Record<number, number>;
  return wantedFuses.filter(([fuse, state]) => wire[fuse] !== state).map(([fuse]) => FuseV1Options[fuse]);
}

async function checkUnpacked(folder: string, application: string): Promise<Verdict[]> {
  const archive = join(folder, 'resources/app.asar');
  const packed = new Set(listPackage(archive, { isPack: false }).map((path) => path.replace(/^\//, '')));
  const beside = `${archive}.unpacked`;
  const wanted = filesBelow(application).filter((path) => path !== 'package.json');
  const startedFromFiles = ['out/cli.js', 'out/run.cjs', 'out/interpreter.wasm', 'assets/firmware/bios.bin'];
  const program = spawnSync(process.execPath, [join(beside, 'out/cli.js'), '--version'], { encoding: 'utf8' });
  return [
    verdict(
      'the archive has the application',
      wanted.filter((path) => !packed.has(path)),
    ),
    verdict(
      'and nothing else',
      [...packed].filter((path) => path.includes('node_modules') || path.endsWith('.map')),
    ),
    verdict(
      'what runs as a process of its own is beside the archive',
      startedFromFiles.filter((path) => !existsSync(join(beside, path))),
    ),
    verdict('the main process is not', existsSync(join(beside, 'out/electron-main.js')) ? ['out/electron-main.js'] : []),
    verdict('the engine beside the archive runs', program.status === 0 ? [] : [program.stderr.trim()]),
    verdict('the fuses are set', await fuseFaults(join(folder, 'rootmode'))),
  ];
}

function checkDebianDesktop(path: string): Verdict[] {
  const place = mkdtempSync(join(tmpdir(), 'rootmode-dist-check-'));
  try {
    const { status, output } = said('dpkg-deb', '--raw-extract', path, place);
    const entry = join(place, 'usr/share/applications/rootmode.desktop');
    const valid = said('desktop-file-validate', entry);
    const text = existsSync(entry) ? readFileSync(entry, 'utf8') : '';
    const mime = join(place, 'usr/share/mime/packages/rootmode.xml');
    const icons = [16, 32, 48, 64, 128, 256, 512].map((size) => `usr/share/icons/hicolor/${size}x${size}/apps/rootmode.png`);
    const wanted = [
      ...icons,
      'usr/share/icons/hicolor/256x256/mimetypes/application-x-rootmode-machine.png',
      'usr/share/doc/rootmode/copyright',
    ];
    const scripts = ['postinst', 'postrm'].map((name) => join(place, 'DEBIAN', name));
    const control = existsSync(join(place, 'DEBIAN/control')) ? readFileSync(join(place, 'DEBIAN/control'), 'utf8') : '';
    return [
      verdict('the desktop package unpacks', status === 0 ? [] : [output.trim()]),
      valid.status === 127
        ? { sentence: 'its desktop entry is valid', objections: [], skipped: 'desktop-file-validate is not installed' }
        : verdict('its desktop entry is valid', valid.status === 0 ? [] : [valid.output.trim()]),
      verdict(
        'it opens links and machines',
        ['x-scheme-handler/rootmode', 'application/x-rootmode-machine'].filter((type) => !text.includes(type)),
      ),
      verdict(
        'it declares the type of machines',
        existsSync(mime) && readFileSync(mime, 'utf8').includes('*.rmvm') ? [] : [mime],
      ),
      verdict(
        'icons of all sizes and the notices are in it',
        wanted.filter((file) => !existsSync(join(place, file))),
      ),
      verdict(
        'its scripts are sound shell and may be run',
        scripts.filter((file) => said('bash', '-n', file).status !== 0 || (statSync(file).mode & 0o777) !== 0o755),
      ),
      verdict(
        'its control file names what Debian asks for',
        ['Package: rootmode\n', 'Architecture: amd64', 'Depends: ', 'Section: ', 'Description: '].filter(
          (line) => !control.includes(line),
        ),
      ),
      lintian(path),
    ];
  } finally {
    rmSync(place, { recursive: true });
  }
}

function checkRpm(path: string): Verdict {
  const sentence = 'the rpm names itself, its licence, firmware to use and its files';
  const { status, output } = said(
    'rpm',
    '--query',
    '--package',
    '--queryformat',
    '%{NAME} %{ARCH} %{LICENSE}\\n[%{RECOMMENDS}\\n][%{FILENAMES}\\n]',
    path,
  );
  if (status === 127) return { sentence, objections: [], skipped: 'rpm is not installed' };
  const wanted = [
    'rootmode x86_64 Apache-2.0',
    'edk2-ovmf',
    '/opt/Rootmode/rootmode',
    '/usr/share/applications/rootmode.desktop',
  ];
  return verdict(
    sentence,
    wanted.filter((line) => !output.split('\n').includes(line)),
  );
}

function checkAppImage(path: string): Verdict {
  const sentence = 'the AppImage has the application, its entry and its icon';
  // The file system begins with this magic number, after the runtime.
  const offset = readFileSync(path).indexOf('hsqs');
  const { status, output } = said('unsquashfs', '-offset', `${offset}`, '-ls', path);
  if (status === 127) return { sentence, objections: [], skipped: 'unsquashfs is not installed' };
  const wanted = ['resources/app.asar', 'rootmode.desktop', 'rootmode.png', 'AppRun'];
  return verdict(
    sentence,
    wanted.filter((file) => !output.includes(`/${file}`)),
  );
}

function checkArchive(path: string): Verdict {
  const { output } = path.endsWith('.zip') ? said('7z', 'l', path) : said('tar', '--list', '--gzip', '--file', path);
  const wanted = ['resources/app.asar', 'rootmode'];
  return verdict(
    `${path.endsWith('.zip') ? 'the zip file' : 'the tar file'} has the application`,
    wanted.filter((file) => !output.includes(file)),
  );
}
