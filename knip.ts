import type { KnipConfig } from 'knip';
import { entries } from './build/entries.ts';

// Fixed by the product's owner for the window that is built on this engine; nothing imports these until then.
const forTheWindow = ['spectron', 'electron-chromedriver'];
// Links the command into node_modules/.bin; a program, so nothing imports it.
const theCommand = ['rootmode-cli'];

// Run by path, as programs: the check of types, and what puts the application into the executable.
const byPath = ['vue-tsc', 'postject'];

// Programs of the system that tasks use where they are there, and do without or say so where they are not.
const ofTheSystem = [
  'mount',
  'umount',
  'nasm',
  'apt-cache',
  'gcc',
  'qemu-img',
  'script',
  'man',
  'strip',
  'dpkg-deb',
  'lintian',
  'unshare',
  'fish',
  'fallocate',
  'openssl',
];

const config: KnipConfig = {
  entry: [
    ...entries.map(({ source }) => source),
    'build/tasks/*.ts',
    'build/electron-chromedriver/*.js',
    'renderer/main.ts',
    'build/e2e/stand-in/{boot,register}.ts',
    'build/dist/{boot,fpm}.ts',
    '**/*.test.ts',
  ],
  project: ['{engine,electron,renderer,build}/**/*.{ts,js,vue}', '*.ts'],
  ignoreDependencies: [...forTheWindow, ...theCommand, ...byPath],
  ignoreBinaries: ofTheSystem,
  ignoreExportsUsedInFile: { interface: true, type: true },
};

export default config;
