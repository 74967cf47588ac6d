/** Other emulators that can boot a disk with its serial port on standard output, and how each is started with the same disk. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { notInstalled } from '../tasks/debian-packages.ts';
import { guestFolder } from '../tasks/guest-cache.ts';
import { root } from '../tasks/run.ts';

export interface PeerSetting {
  /** Image of the boot disk. */
  readonly disk: string;
  /** For files of the run. */
  readonly folder: string;
}

export interface Peer {
  readonly name: string;
  /** Program and arguments, or the reason why it cannot run here. */
  command(setting: PeerSetting): readonly string[] | { readonly missing: string };
}

/** MiB of each guest. */
const MEMORY = 64;
const V86 = '0.5.462';

function installed(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, program)));
}

/** Why there is no such program, if so. */
const lacks = (program: string, debian: string): string | undefined =>
  installed(program) ? undefined : notInstalled(`/usr/bin/${program}`, debian);

/** SeaBIOS and its screen as Debian installs them: for v86, whose package has no BIOS. */
const BIOS = '/usr/share/seabios/bios.bin';
const VGA_BIOS = '/usr/share/seabios/vgabios-stdvga.bin';
const BOCHS_BIOS = '/usr/share/bochs/BIOS-bochs-latest';
const BOCHS_VGA_BIOS = '/usr/share/bochs/VGABIOS-lgpl-latest';

const ours = (jit: 'on' | 'off'): Peer => ({
  name: jit === 'on' ? 'Rootmode' : 'Rootmode, interpreter alone',
  command: ({ disk }) => [
    join(root, 'build/cli/rootmode'),
    ...['run', '--disk', `${disk},format=raw`, '--memory', String(MEMORY), '--jit', jit],
  ],
});

const qemu: Peer = {
  name: 'QEMU TCG',
  command({ disk }) {
    const program = 'qemu-system-x86_64';
    const missing = lacks(program, 'qemu-system-x86');
    if (missing !== undefined) return { missing };
    const quiet = ['-display', 'none', '-monitor', 'none', '-nic', 'none', '-no-reboot'];
    return [
      program,
      '-accel',
      'tcg',
      '-m',
      String(MEMORY),
      ...quiet,
      '-serial',
      'stdio',
      '-drive',
      `file=${disk},format=raw,if=ide`,
    ];
  },
};

/** Starts v86 in Node: it is a library. */
const v86Program = (packageFolder: string): string => `
import { readFileSync, writeSync } from 'node:fs';
import { V86 } from ${JSON.stringify(join(packageFolder, 'build/libv86.mjs'))};
const file = (path) => ({ buffer: new Uint8Array(readFileSync(path)).buffer });
const [disk] = process.argv.slice(2);
const machine = new V86({
  wasm_path: ${JSON.stringify(join(packageFolder, 'build/v86.wasm'))},
  memory_size: ${MEMORY} << 20, vga_memory_size: 8 << 20, bios: file(${JSON.stringify(BIOS)}), vga_bios: file(${JSON.stringify(VGA_BIOS)}),
  hda: file(disk), autostart: true, disable_speaker: true,
});
machine.add_listener('serial0-output-byte', (byte) => writeSync(1, Uint8Array.of(byte)));
`;

const v86: Peer = {
  name: 'v86',
  command({ disk, folder }) {
    const missing = notInstalled(BIOS, 'seabios');
    if (missing !== undefined) return { missing };
    const home = join(guestFolder(), '..', 'peers', `v86-${V86}`);
    const packageFolder = join(home, 'node_modules/v86');
    if (!existsSync(packageFolder)) {
      mkdirSync(home, { recursive: true });
      try {
        const words = ['install', '--prefix', home, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', `v86@${V86}`];
        execFileSync('npm', words, { stdio: 'pipe', timeout: 120_000 });
      } catch (failure) {
        return { missing: `npm could not install v86@${V86}: ${String(failure).split('\n')[0]}` };
      }
    }
    const program = join(folder, 'v86.mjs');
    writeFileSync(program, v86Program(packageFolder));
    return [process.execPath, program, disk];
  },
};

const bochs: Peer = {
  name: 'Bochs',
  command({ disk, folder }) {
    const missing = lacks('bochs', 'bochs') ?? notInstalled(BOCHS_BIOS, 'bochsbios') ?? notInstalled(BOCHS_VGA_BIOS, 'vgabios');
    if (missing !== undefined) return { missing };
    // It locks its disk by a file beside it, which stays when it is killed.
    const own = join(folder, 'bochs.img');
    const settings = join(folder, 'bochsrc');
    copyFileSync(disk, own);
    const go = join(folder, 'go');
    // Debian's Bochs has the debugger compiled in, which waits for a word.
    writeFileSync(go, 'c\n');
    writeFileSync(
      settings,
      [
        `megs: ${MEMORY}`,
        `romimage: file=${BOCHS_BIOS}`,
        `vgaromimage: file=${BOCHS_VGA_BIOS}`,
        'ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14',
        `ata0-master: type=disk, path=${own}, mode=flat, cylinders=4, heads=16, spt=63`,
        'boot: disk',
        'cpu: model=corei7_sandy_bridge_2600k, count=1, ips=50000000, reset_on_triple_fault=1',
        'clock: sync=none',
        'com1: enabled=1, mode=file, dev=/dev/stdout',
        'display_library: rfb, options="timeout=0"',
        'plugin_ctrl: speaker=0',
        `log: ${join(folder, 'bochs.log')}`,
        'panic: action=fatal',
        'error: action=ignore',
        'info: action=ignore',
        'mouse: enabled=0',
        '',
      ].join('\n'),
    );
    // Its debugger reads standard input, and it opens standard output by name: neither may be a socket, which Node makes for pipes.
    return ['sh', '-c', 'rm -f "$3.lock"; bochs -q -f "$1" -rc "$2" < /dev/null | cat', 'sh', settings, go, own];
  },
};

export const peers: readonly Peer[] = [ours('on'), ours('off'), qemu, v86, bochs];
