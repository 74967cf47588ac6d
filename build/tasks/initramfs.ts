/** The initramfs of the test guests: busybox, a shell on the first serial port, and what answers the power button. */
import { gzipSync } from 'node:zlib';
import { cpioArchive, type Member } from './cpio.ts';

/** First line that user space prints; benches take it as the end of the boot. */
export const userSpaceMark = 'rootmode-guest: init started';

/** Modules that the power button needs where the kernel does not have them built in, in load order. */
export const modules = ['evdev', 'button'] as const;

/** `/init`. The shell's end powers the machine off. */
export const initScript = `#!/bin/busybox sh
echo '${userSpaceMark}'
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox mount -t tmpfs tmpfs /tmp
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=vt100 PS1='guest# '
for module in ${modules.join(' ')}; do
  [ -e /lib/modules/$module.ko ] && insmod /lib/modules/$module.ko
done
acpid -l /dev/null -p /tmp/acpid.pid
cd /tmp
setsid cttyhack sh
poweroff -f
`;

/** What busybox's acpid runs when the power button is pressed. */
export const powerButtonScript = '#!/bin/sh\nexec poweroff -f\n';

interface Parts {
  readonly busybox: Uint8Array;
  /** Uncompressed modules by name, without `.ko`; those that are built into the kernel are absent. */
  readonly modules: ReadonlyMap<string, Uint8Array>;
}

/** The archive, compressed. The same parts give the same bytes. */
export function initramfs({ busybox, modules }: Parts): Buffer {
  const folders = ['bin', 'dev', 'etc', 'etc/acpi', 'etc/acpi/PWRF', 'lib', 'lib/modules', 'proc', 'sys', 'tmp'];
  const members: Member[] = [
    ...folders.map((path): Member => ({ kind: 'folder', path })),
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'bin/busybox', content: busybox, mode: 0o755 },
    { kind: 'link', path: 'bin/sh', target: 'busybox' },
    { kind: 'file', path: 'init', content: Buffer.from(initScript), mode: 0o755 },
    { kind: 'file', path: 'etc/acpi/PWRF/00000080', content: Buffer.from(powerButtonScript), mode: 0o755 },
    ...[...modules].map(([name, content]): Member => ({ kind: 'file', path: `lib/modules/${name}.ko`, content })),
  ];
  return gzipSync(cpioArchive(members), { level: 6 });
}
