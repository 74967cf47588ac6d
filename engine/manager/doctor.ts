/** Looks at everything that a machine needs of its host, and says of each thing that is wrong what to do. */
import type { Finding } from '../contract/diagnosis.ts';
import { deviceState } from '../host/device-files.ts';
import { freeBytes, isReadable, obstacleToWriting } from '../host/places.ts';
import { hostMemoryBytes, hostProcessors, hostVersions, sharedMemoryLimit } from '../host/process.ts';
import { ensureRuntimeDirectory, runtimeDirectory } from '../host/runtime-directory.ts';
import { missingWasmFeatures } from '../host/web-assembly.ts';
import { libraryFolder } from './library.ts';

/** Guest memory that the default machine has, in bytes. */
const DEFAULT_GUEST = 512 * 2 ** 20;
/** Below this much free space, in bytes, a guest that writes fills the disk soon. */
const LITTLE_SPACE = 2 ** 30;

/** Where distributions put firmware that `--firmware` takes (Debian, Fedora, Arch, openSUSE). */
const firmwareFiles = [
  '/usr/share/seabios/bios-256k.bin',
  '/usr/share/OVMF/OVMF_CODE_4M.fd',
  '/usr/share/OVMF/OVMF.fd',
  '/usr/share/edk2/ovmf/OVMF_CODE.fd',
  '/usr/share/edk2/x64/OVMF_CODE.4m.fd',
  '/usr/share/qemu/bios-256k.bin',
];

export interface Installation {
  readonly version: string;
  /** Files without which the program does nothing, absolute. */
  readonly files: readonly string[];
}

export function diagnose({ version, files }: Installation): Finding[] {
  return [
    { area: 'version', state: 'ok', text: `rootmode ${version} on ${hostVersions()}` },
    installedFiles(files),
    webAssembly(),
    memory(),
    processors(),
    kvm(),
    display(),
    firmware(),
    folder('library', libraryFolder()),
    runtime(),
  ];
}

function installedFiles(files: readonly string[]): Finding {
  const missing = files.filter((path) => !isReadable(path));
  if (missing.length === 0) return { area: 'installation', state: 'ok', text: `all ${files.length} parts are there` };
  return { area: 'installation', state: 'fail', text: `cannot read ${missing.join(', ')}`, remedy: 'install Rootmode again' };
}

function webAssembly(): Finding {
  const missing = missingWasmFeatures();
  if (missing.length === 0) return { area: 'WebAssembly', state: 'ok', text: 'vectors, tail calls, shared memory' };
  const remedy = 'run it on the Node it is installed with (24 or newer), without flags for V8';
  return { area: 'WebAssembly', state: 'fail', text: `lacks ${missing.join(', ')}`, remedy };
}

function memory(): Finding {
  const total = hostMemoryBytes();
  const largest = sharedMemoryLimit();
  const text = `${mebibytes(total)} MiB in the host, at most ${mebibytes(largest)} MiB for one guest`;
  if (largest < DEFAULT_GUEST) {
    return { area: 'memory', state: 'fail', text, remedy: 'raise the limit of address space (ulimit -v unlimited)' };
  }
  if (total < 2 * DEFAULT_GUEST) return { area: 'memory', state: 'note', text, remedy: 'give machines less with --memory' };
  return { area: 'memory', state: 'ok', text };
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 2 ** 20);
}

function processors(): Finding {
  const count = hostProcessors();
  const text = `${count} may be used`;
  if (count > 1) return { area: 'processors', state: 'ok', text };
  return { area: 'processors', state: 'note', text, remedy: 'with one processor, devices and guest take turns; allow two' };
}

function kvm(): Finding {
  const area = '/dev/kvm';
  // Nothing depends on it: the software processor is what runs guests.
  const states = { absent: 'not there', forbidden: 'there, but not for this user', usable: 'there' } as const;
  return { area, state: 'ok', text: `${states[deviceState(area)]}; not used by this version` };
}

function display(): Finding {
  const { WAYLAND_DISPLAY: wayland, DISPLAY: x11 } = process.env;
  if (process.platform !== 'linux') return { area: 'display', state: 'ok', text: 'the desktop of the system' };
  if (wayland) return { area: 'display', state: 'ok', text: `Wayland (${wayland})` };
  if (x11) return { area: 'display', state: 'ok', text: `X11 (${x11})` };
  const remedy = '`rootmode serve` prints an address for a browser; from elsewhere, forward its port with ssh -L';
  return { area: 'display', state: 'note', text: 'none in this session', remedy };
}

function firmware(): Finding {
  const found = firmwareFiles.filter((path) => isReadable(path));
  if (found.length > 0) return { area: 'firmware', state: 'ok', text: `built-in BIOS; also ${found.join(', ')}` };
  const remedy = 'for UEFI or SeaBIOS guests, install the packages ovmf and seabios';
  return { area: 'firmware', state: 'note', text: 'built-in BIOS; no other found', remedy };
}

function folder(area: string, path: string): Finding {
  const obstacle = obstacleToWriting(path);
  if (obstacle !== undefined) {
    return {
      area,
      state: 'fail',
      text: `${path}: ${obstacle}`,
      remedy: 'make it writable, or set XDG_DATA_HOME to another folder',
    };
  }
  const free = freeBytes(path);
  const text = `${path}, ${mebibytes(free)} MiB free`;
  if (free < LITTLE_SPACE) return { area, state: 'note', text, remedy: 'free some space before a guest writes much' };
  return { area, state: 'ok', text };
}

function runtime(): Finding {
  const path = runtimeDirectory();
  try {
    ensureRuntimeDirectory();
    return { area: 'sockets', state: 'ok', text: path };
  } catch (failure) {
    const text = failure instanceof Error ? failure.message : String(failure);
    return { area: 'sockets', state: 'fail', text, remedy: 'set XDG_RUNTIME_DIR to a folder of your own with mode 0700' };
  }
}
