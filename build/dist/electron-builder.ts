/** How electron-builder packs the desktop edition, on every platform (https://www.electron.build/configuration). */
import { join } from 'node:path';
import type { Configuration } from 'electron-builder';
import { root } from '../tasks/run.ts';

const icons = join(root, 'assets/icons');
const files = join(root, 'build/dist/files');

/** Desktops look for the icon of a type by its name (Icon Naming Specification); fpm's form FROM=TO. */
const machineIcon = `${join(icons, 'machine.png')}=/usr/share/icons/hicolor/256x256/mimetypes/application-x-rootmode-machine.png`;

/** Programs that run outside of the main process: utility processes and threads start from files, which are therefore unpacked. */
const unpacked = ['out/!(electron-main|preload).{js,cjs,wasm,json,code}', 'assets/**'];

export interface Places {
  /** The application's folder. */
  readonly application: string;
  /** Where artefacts go. */
  readonly output: string;
  /** Unpacked distribution of Electron, and its version. */
  readonly electron: { readonly folder: string; readonly version: string };
}

export function configuration({ application, output, electron }: Places): Configuration {
  return {
    appId: 'org.rootmode.Rootmode',
    productName: 'Rootmode',
    directories: { app: application, output, buildResources: icons },
    electronVersion: electron.version,
    electronDist: electron.folder,
    npmRebuild: false,
    // Updates are off until somebody who publishes them names where they are.
    publish: null,
    asar: true,
    asarUnpack: unpacked,
    // Packages must name a home page; there is none yet, and .invalid (RFC 2606) says so.
    extraMetadata: { desktopName: 'rootmode.desktop', homepage: 'https://rootmode.invalid/' },
    protocols: [{ name: 'Rootmode machine', schemes: ['rootmode'] }],
    fileAssociations: [
      {
        ext: 'rmvm',
        name: 'Rootmode machine',
        description: 'Rootmode machine',
        mimeType: 'application/x-rootmode-machine',
        role: 'Editor',
      },
    ],
    // https://www.electronjs.org/docs/latest/tutorial/fuses: the program is what is in the archive, and nothing else.
    electronFuses: {
      runAsNode: false,
      enableCookieEncryption: true,
      enableNodeOptionsEnvironmentVariable: false,
      enableNodeCliInspectArguments: false,
      enableEmbeddedAsarIntegrityValidation: true,
      onlyLoadAppFromAsar: true,
      grantFileProtocolExtraPrivileges: false,
    },
    linux: {
      target: ['AppImage', 'deb', 'rpm', 'tar.gz'],
      icon: icons,
      category: 'System;Emulator',
      executableName: 'rootmode',
      synopsis: 'Virtual machines on a software x86-64 processor',
      description: 'Runs unmodified operating systems in virtual machines and shows the hypervisor at work.',
      maintainer: 'The Rootmode team <rootmode@localhost>',
      vendor: 'The Rootmode team',
      syncDesktopName: true,
    },
    deb: {
      packageName: 'rootmode',
      packageCategory: 'otherosfs',
      fpm: [
        ...['--deb-recommends', 'ovmf', '--deb-recommends', 'seabios', machineIcon],
        `${join(files, 'rootmode.copyright')}=/usr/share/doc/rootmode/copyright`,
        `${join(files, 'rootmode.lintian-overrides')}=/usr/share/lintian/overrides/rootmode`,
      ],
    },
    rpm: {
      packageName: 'rootmode',
      // Names of Fedora's packages.
      fpm: [...['--rpm-tag', 'Recommends: edk2-ovmf', '--rpm-tag', 'Recommends: seabios-bin'], machineIcon],
    },
    toolsets: { appimage: '1.0.3' },
    win: { target: ['nsis', 'zip'], icon: join(icons, '1024x1024.png') },
    nsis: { oneClick: false, perMachine: false, allowToChangeInstallationDirectory: true },
    mac: { target: ['dmg', 'zip'], icon: join(icons, '1024x1024.png'), category: 'public.app-category.developer-tools' },
  };
}
