/** Debian's own KVM on our VMX: its kernel with kvm-intel on `bare`, and a program that runs a guest through /dev/kvm to its end. */
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { cpioArchive, type Member } from '../tasks/cpio.ts';
import { dependencyOf, Unobtainable, unpackedPackage } from '../tasks/debian-packages.ts';
import { cachedGuests, guestsMissing } from '../tasks/guest-cache.ts';
import { root } from '../tasks/run.ts';
import { createBench, notBuilt } from './session.ts';

const MINUTES = 60_000;
const MODULES = ['irqbypass', 'kvm', 'kvm-intel'] as const;
const init = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in ${MODULES.join(' ')}; do
  [ -e /$module.ko ] && /bin/busybox insmod /$module.ko
done
/bin/kvm-guest
echo "status <$?>"
/bin/busybox poweroff -f
`;

/** Kernel and initramfs in a folder, or why there are none. */
function prepare(folder: string): { readonly kernel: string; readonly initrd: string } | string {
  const guests = cachedGuests();
  if (guests === undefined) return guestsMissing;
  const program = join(folder, 'kvm-guest');
  const source = join(root, 'assets/guests/kvm-guest.c');
  const { error, status, stderr } = spawnSync('gcc', ['-static', '-O1', '-Wall', '-o', program, source], { encoding: 'utf8' });
  if (error !== undefined || status !== 0)
    return `a static program for Linux cannot be compiled here (${error?.message ?? stderr})`;
  let unpacked: ReturnType<typeof unpackedPackage>;
  try {
    unpacked = unpackedPackage(dependencyOf(['linux-image-cloud-amd64'], 'linux-image-'));
  } catch (thrown) {
    if (thrown instanceof Unobtainable) return thrown.message;
    throw thrown;
  }
  try {
    const members: Member[] = [
      ...['bin', 'dev', 'proc'].map((path): Member => ({ kind: 'folder', path })),
      { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
      { kind: 'file', path: 'bin/busybox', content: readFileSync(guests.busybox), mode: 0o755 },
      { kind: 'file', path: 'bin/kvm-guest', content: readFileSync(program), mode: 0o755 },
      { kind: 'file', path: 'init', content: Buffer.from(init), mode: 0o755 },
    ];
    for (const name of MODULES) {
      const file = globSync(`**/${name}.ko`, { cwd: unpacked.folder })[0];
      if (file === undefined && name !== 'irqbypass') return `${unpacked.title} has no module ${name}`;
      if (file !== undefined)
        members.push({ kind: 'file', path: `${name}.ko`, content: readFileSync(join(unpacked.folder, file)) });
    }
    const image = globSync('boot/vmlinuz-*', { cwd: unpacked.folder })[0] ?? '';
    const [kernel, initrd] = [join(folder, 'kernel'), join(folder, 'initrd')];
    writeFileSync(kernel, readFileSync(join(unpacked.folder, image)));
    writeFileSync(initrd, gzipSync(cpioArchive(members), { level: 1 }));
    return { kernel, initrd };
  } finally {
    unpacked.dispose();
  }
}

it('Debian’s kvm-intel loads on bare and runs a guest to its end', { timeout: 10 * MINUTES }, async (ctx) => {
  if (notBuilt !== undefined) ctx.skip(notBuilt);
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-nested-'));
  const bench = createBench();
  try {
    const files = prepare(folder);
    if (typeof files === 'string') return ctx.skip(files);
    const machine = ['--accel', 'bare', '--cpu', 'x86-64-v2-vmx', '--memory', '512', '--name', 'nested'];
    const start = ['--kernel', files.kernel, '--initrd', files.initrd, '--append', 'console=ttyS0 quiet panic=-1'];
    const { out, err, status } = await bench.start(['run', ...start, ...machine]).ended;
    const said = out.replaceAll('\r\n', '\n').split('\n');
    expect(said.filter((line) => /^(kvm:|status)/.test(line))).toEqual([
      'kvm: version 12',
      'kvm: port 3f8 gets 4',
      'kvm: read of 8000',
      'kvm: port 3f8 gets m',
      'kvm: port 3f8 gets !',
      'kvm: halted after 5 exits',
      'status <0>',
    ]);
    expect(out).not.toMatch(/BUG:|Oops|Call Trace/);
    expect({ status, err }).toEqual({ status: 0, err: '' });
  } finally {
    await bench.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
