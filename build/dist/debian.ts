/**
 * The headless edition as a Debian package: the executable in /usr/bin, the application beside it in /usr/lib, manual page, completions,
 * and a systemd unit for users who want the window served (Debian Policy 4.7; systemd.unit(5)).
 */
import { createHash } from 'node:crypto';
import { chmodSync, globSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root, run } from '../tasks/run.ts';
import { filesBelow, identity, place } from './application.ts';
import { buildIdentity, expectSuccess, headlessFiles } from './executable.ts';

const debianPackage = 'rootmode-headless';
const maintainer = 'The Rootmode team <rootmode@localhost>';

interface Parts {
  /** Folder of the application. */
  readonly application: string;
  readonly executable: string;
  readonly time: Date;
}

/** Make the package in the folder `to`. Returns its path. */
export async function makeDebianPackage({ application, executable, time }: Parts, to: string): Promise<string> {
  const tree = join(to, 'deb.parts');
  rmSync(tree, { recursive: true, force: true });
  const put = (path: string, content: string | Uint8Array): void => {
    const file = join(tree, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  };
  place(executable, join(tree, 'usr/bin/rootmode'));
  const files = headlessFiles(application);
  for (const file of files) place(join(application, file), join(tree, 'usr/lib/rootmode', file));
  put('usr/lib/rootmode/build-id', buildIdentity(application, files));
  put('usr/lib/systemd/user/rootmode.service', userUnit);
  const said = async (...words: string[]): Promise<string> => expectSuccess('rootmode', await run(executable, words));
  for (const [page, section] of [
    ['rootmode', 1],
    ['rootmode-machine', 5],
    ['rootmode-contract', 7],
  ] as const) {
    const text = await said('manual', page, '--date', time.toISOString().slice(0, 10));
    put(`usr/share/man/man${section}/${page}.${section}.gz`, compressed(text));
  }
  put('usr/share/bash-completion/completions/rootmode', await said('completion', 'bash'));
  put('usr/share/zsh/vendor-completions/_rootmode', await said('completion', 'zsh'));
  put('usr/share/fish/vendor_completions.d/rootmode.fish', await said('completion', 'fish'));
  const documents = `usr/share/doc/${debianPackage}`;
  put(`${documents}/copyright`, copyrightText(application));
  put(`${documents}/changelog.gz`, compressed(changelog(time)));
  put(`${documents}/CHANGELOG.md.gz`, compressed(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')));
  put(`${documents}/sbom.cdx.json`, readFileSync(join(application, 'sbom.cdx.json')));
  put(`usr/share/lintian/overrides/${debianPackage}`, overrides);
  const installed = filesBelow(tree);
  const size = installed.reduce((sum, path) => sum + Math.ceil(statSync(join(tree, path)).size / 1024), 0);
  put('DEBIAN/control', control(size));
  put('DEBIAN/md5sums', installed.map((path) => `${md5(join(tree, path))}  ${path}\n`).join(''));
  for (const path of filesBelow(tree)) {
    chmodSync(join(tree, path), path === 'usr/bin/rootmode' ? 0o755 : 0o644);
    utimesSync(join(tree, path), time, time);
  }
  const seconds = `${Math.floor(time.getTime() / 1000)}`;
  const result = join(to, `${debianPackage}_${identity.version}_amd64.deb`);
  const words = ['--root-owner-group', '-Zxz', '--build', tree, result];
  expectSuccess('dpkg-deb', await run('dpkg-deb', words, { env: { SOURCE_DATE_EPOCH: seconds } }));
  rmSync(tree, { recursive: true });
  return result;
}

function control(kibibytes: number): string {
  return `Package: ${debianPackage}
Version: ${identity.version}
Architecture: amd64
Maintainer: ${maintainer}
Installed-Size: ${kibibytes}
Depends: libc6 (>= 2.28), libstdc++6 (>= 6), libgcc-s1
Recommends: ovmf, seabios
Conflicts: rootmode
Section: otherosfs
Priority: optional
Description: virtual machines on a software x86-64 processor
 Rootmode runs unmodified 64-bit operating systems in virtual machines, and
 shows the hypervisor at work: VMCS, exits, page walks. It needs no privileges
 and no hardware virtualisation, because the processor is part of it.
 .
 This is the edition without a desktop application: the command line, and the
 window in a browser (rootmode serve).
`;
}

/** In the form of Debian Policy 4.4. */
function changelog(time: Date): string {
  return `${debianPackage} (${identity.version}) unstable; urgency=medium

  * What changed is in CHANGELOG.md beside this file.

 -- ${maintainer}  ${time.toUTCString().replace('GMT', '+0000')}
`;
}

const userUnit = `[Unit]
Description=Rootmode's window for a browser on this computer
Documentation=man:rootmode(1)

[Service]
# The address, with the token that opens it, is in the journal: journalctl --user -u rootmode
ExecStart=/usr/bin/rootmode serve
# Machines outlive the window.
KillMode=process

[Install]
WantedBy=default.target
`;

/** Findings of lintian that stand, each with its reason. */
const overrides = `# Node links its libraries into its executable; they come with the version of Node that the program was tested with.
${debianPackage}: embedded-library
# The official build of Node is no position-independent executable.
${debianPackage}: hardening-no-pie
# The project has no mail address of its own yet.
${debianPackage}: bogus-mail-host
${debianPackage}: bogus-mail-host-in-debian-changelog
# Texts of licences inside the application are given as their authors wrote them.
${debianPackage}: copyright-file-contains-full-apache-2-license
${debianPackage}: old-fsf-address-in-copyright-file
`;

function copyrightText(application: string): string {
  const licence = '/usr/share/common-licenses/Apache-2.0';
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    `Upstream-Name: Rootmode\n`,
    `Files: *\nCopyright: The Rootmode team\nLicense: Apache-2.0\n On Debian systems the full text is in ${licence}.\n`,
    `Comment: packages inside the application\n${indented(readFileSync(join(application, 'THIRD-PARTY-NOTICES.txt'), 'utf8'))}\n`,
    `Comment: Node.js, inside the executable\n${indented(readFileSync(nodeLicence(), 'utf8'))}\n`,
  ].join('\n');
}

/** The package `node` keeps the executable, with its licence, in a package per platform. */
function nodeLicence(): string {
  const found = globSync('node_modules/node/node_modules/node-*/LICENSE', { cwd: root })[0];
  if (found === undefined) throw new Error("the licence of Node is not in node_modules/node; run 'npm ci'");
  return join(root, found);
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
    .join('\n');
}

/** gzip without a name and a time inside: the same text gives the same bytes. */
function compressed(text: string): Uint8Array {
  return gzipSync(text, { level: 9 });
}

function md5(path: string): string {
  return createHash('md5').update(readFileSync(path)).digest('hex');
}
