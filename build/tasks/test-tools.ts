/** Programs of Debian that tests ask and that need no test of their own to be chosen: installed by root before the tests, named to others. */
import { notInstalled } from './debian-packages.ts';

/** Path and package. What boots guests is obtained where it is needed. */
const TOOLS = [
  ['/usr/bin/7z', 'p7zip-full'],
  ['/usr/bin/desktop-file-validate', 'desktop-file-utils'],
  ['/usr/bin/fish', 'fish'],
  ['/usr/bin/gcc', 'gcc'],
  ['/usr/bin/man', 'man-db'],
  ['/usr/bin/mksquashfs', 'squashfs-tools'],
  ['/usr/bin/nasm', 'nasm'],
  ['/usr/bin/openssl', 'openssl'],
  ['/usr/bin/qemu-img', 'qemu-utils'],
  ['/usr/bin/rpmbuild', 'rpm'],
  ['/usr/bin/zsh', 'zsh'],
] as const;

/** Sentences about those that are not there and cannot be had. */
export const missingTools = (): string[] => TOOLS.flatMap(([path, name]) => notInstalled(path, name) ?? []);
