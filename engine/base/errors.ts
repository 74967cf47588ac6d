/** Most memory that a machine can be given: 3.5 GiB. */
export const maximumRamBytes = 3584 * 2 ** 20;

/** At most five of a list that may be long. */
const shortened = (all: readonly string[]): string =>
  all.length <= 5 ? all.join(', ') : `${all.slice(0, 5).join(', ')} and ${all.length - 5} more`;

/** The error that is the reason of another one. */
interface Cause {
  readonly class: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Failures a caller can act on. One table holds every code, the data it carries and its sentence; a sentence names the thing and the
 * remedy. Guest mistakes are not errors (hardware answers them), broken invariants are not either (`assert.ts`).
 */
const sentences = {
  'memory-size': (d: { bytes: number; minimum: number; maximum: number }) =>
    `A machine cannot have ${d.bytes} bytes of memory; choose between ${d.minimum} and ${d.maximum} bytes in whole pages of 4096.`,
  'memory-host': (d: { bytes: number }) =>
    `The host does not give ${d.bytes} bytes of address space; choose a smaller memory size.`,
  'arena-full': (d: { name: string; bytes: number; free: number }) =>
    `The machine's arena has ${d.free} bytes left, ${d.name} needs ${d.bytes}; create the machine with a larger arena.`,
  'slot-invalid': (d: { slot: number; reason: string }) => `Memory slot ${d.slot} is refused: ${d.reason}.`,
  'state-malformed': (d: { part: string; reason: string }) =>
    `The saved state of ${d.part} is damaged (${d.reason}); restore from another snapshot.`,
  'state-unknown': (d: { part: string; id: string }) =>
    `The saved state of ${d.part} has member ${d.id}, which this version does not know; restore it with the version that saved it.`,
  'state-value': (d: { part: string; field: string; expected: string }) =>
    `The saved state of ${d.part} has a wrong value for ${d.field} (expected ${d.expected}); restore from another snapshot.`,
  'capability-missing': (d: { capability: string; backend: string }) =>
    `The back end ${d.backend} does not offer ${d.capability}; ask for its capabilities first or choose another back end.`,
  'vcpu-unknown': (d: { vcpu: number; vcpus: number }) =>
    `There is no vCPU ${d.vcpu}; this machine has ${d.vcpus}, numbered from 0.`,
  'register-value': (d: { group: string; register: string; reason: string }) =>
    `Register group ${d.group} is refused: ${d.register} ${d.reason}.`,
  'route-invalid': (d: { gsi: number; reason: string }) => `The route of GSI ${d.gsi} is refused: ${d.reason}.`,
  // Files a machine boots from.
  'boot-file': (d: { file: string; defect: string; remedy: string }) => `${d.file} ${d.defect}; ${d.remedy}.`,
  'boot-room': (d: { what: string; bytes: number; ramBytes: number; neededBytes: number }) =>
    `The ${d.what} of ${d.bytes} bytes does not fit into ${Math.floor(d.ramBytes / 2 ** 20)} MiB of memory; ${
      d.neededBytes <= maximumRamBytes
        ? `give the machine at least ${Math.ceil(d.neededBytes / 2 ** 20)} MiB`
        : `name a smaller file, for a machine has at most ${maximumRamBytes / 2 ** 20} MiB`
    }.`,
  'boot-command-line': (d: { bytes: number; maximum: number }) =>
    `The command line has ${d.bytes} bytes; this kernel takes at most ${d.maximum}, make it shorter.`,
  'boot-nothing': (_: Record<never, never>) =>
    'The machine has nothing to boot: there is no firmware ROM; name a kernel with --kernel.',

  // The command line and the files it names.
  usage: (d: { command: string; reason: string }) => `${d.reason}; \`${d.command} --help\` shows what it takes.`,
  'setting-invalid': (d: { setting: string; value: string; reason: string }) =>
    `${d.setting} cannot be ${d.value}: it ${d.reason}.`,
  'file-missing': (d: { what: string; path: string }) => `There is no ${d.what} at ${d.path}; check the path.`,
  'file-unreadable': (d: { what: string; path: string; reason: string }) =>
    `The ${d.what} ${d.path} cannot be read (${d.reason}); name a regular file that you may read.`,
  'file-unwritable': (d: { what: string; path: string; reason: string }) =>
    `The ${d.what} ${d.path} cannot be written (${d.reason}); name a file in a folder where you may write.`,
  'build-missing': (d: { file: string }) => `The file ${d.file} of this installation is missing; run \`npm ci\` again.`,
  'serial-closed': (d: { reason: string }) =>
    `The reader of the serial port went away (${d.reason}), so the machine was stopped; use --serial none to run without one.`,
  'thread-failed': (d: { thread: string; reason: string }) =>
    `The ${d.thread} thread failed (${d.reason}), so the machine was stopped; please report this.`,

  // Disk images.
  'image-io': (d: { path: string; reason: string }) =>
    `The image ${d.path} failed (${d.reason}); check the disk it is on, then \`rootmode image check\` it.`,
  'disk-full': (d: { path: string }) =>
    `There is no room left on the disk for ${d.path}; make room, then go on with \`rootmode cont\` or \`cont\` in the monitor (nothing is lost).`,
  'image-disguise': (d: { path: string }) =>
    `The guest wrote the header of another image format into ${d.path}, whose format was guessed; name it with format=raw to allow that.`,
  'image-format': (d: { path: string; reason: string }) =>
    `${d.path} is no image that can be used (${d.reason}); \`rootmode image info\` shows what it is, \`rootmode image convert\` makes another of it.`,
  'image-damaged': (d: { path: string; reason: string }) =>
    `The image ${d.path} is damaged (${d.reason}); try \`rootmode image check --repair all\` on a copy of it.`,
  'image-encrypted': (d: { path: string }) =>
    `The image ${d.path} is encrypted, which is not supported; convert it with the program that made it.`,
  'image-backing': (d: { path: string; backing: string; reason: string }) =>
    `The image ${d.path} needs the backing file ${d.backing}, but ${d.reason}; put it in place, or name another with \`rootmode image rebase\`.`,
  'image-locked': (d: { path: string; holder: string }) =>
    `The image ${d.path} is in use by ${d.holder}; end that first, or open the image readonly where nobody writes.`,
  'image-readonly': (d: { path: string }) =>
    `The image ${d.path} is open for reading only; open it without readonly to change it.`,
  'image-size': (d: { bytes: number; reason: string }) => `An image cannot have ${d.bytes} bytes: ${d.reason}.`,
  'image-snapshot': (d: { path: string; name: string; reason: string }) =>
    `The snapshot ${d.name} of ${d.path} ${d.reason}; \`rootmode image snapshot --list ${d.path}\` shows those there are.`,
  'drive-unknown': (d: { drive: string; drives: readonly string[] }) =>
    `This machine has no drive ${d.drive}; ${d.drives.length === 0 ? 'start it with --cdrom or --floppy' : `name one of ${d.drives.join(', ')}`}.`,
  'drive-locked': (d: { drive: string }) =>
    `The guest has locked the tray of ${d.drive}; eject it in the guest, or take the medium out with --force.`,

  // Running machines, and the sockets they are reached through.
  'runtime-directory': (d: { path: string; reason: string }) =>
    `The runtime directory ${d.path} ${d.reason}; set XDG_RUNTIME_DIR to a short path to a folder that only you can enter.`,
  'machine-running': (d: { name: string }) => `A machine named ${d.name} is running already; choose another name with --name.`,
  'machine-not-running': (d: { name: string; running: readonly string[] }) =>
    `No machine named ${d.name} is running; ${
      d.running.length === 0 ? `start one with \`rootmode run --name ${d.name}\`` : `name one that runs: ${d.running.join(', ')}`
    }.`,
  'socket-foreign': (d: { path: string; owner: number }) =>
    `The socket ${d.path} belongs to the user with id ${d.owner}; run the command as that user.`,
  'connection-closed': (d: { name: string }) => `The machine ${d.name} closed the connection; check that it still runs.`,
  'machine-not-answering': (d: { name: string; seconds: number }) =>
    `The machine ${d.name} has not answered for ${d.seconds} s; try again, or end its process.`,

  'serial-target': (d: { target: string }) =>
    `The serial port of this machine goes to ${d.target}; start the machine with the serial target console to write to it from here.`,
  'port-taken': (d: { port: number; reason: string }) =>
    `Port ${d.port} of this computer cannot be used (${d.reason}); choose another with --port, or 0 for any.`,

  // The library of machines.
  'machine-unknown': (d: { name: string }) =>
    `There is no machine named ${d.name} in the library; \`rootmode list\` shows those there are.`,
  'machine-exists': (d: { name: string }) => `There is a machine named ${d.name} already; choose another name.`,
  'machine-locked': (d: { name: string; pid: number }) => `The machine ${d.name} is running (process ${d.pid}); stop it first.`,
  'machine-folder': (d: { path: string; reason: string }) =>
    `The machine file ${d.path} cannot be used: ${d.reason}; mend or remove it.`,
  'machine-archive': (d: { path: string; reason: string }) =>
    `The machine archive ${d.path} cannot be used: ${d.reason}; ask for another one.`,
  'machine-busy': (d: { name: string }) => `The machine ${d.name} is being copied or packed; wait for that, or cancel it.`,
  'machine-outside': (d: { path: string; files: readonly { readonly by: string; readonly path: string }[]; archive: boolean }) =>
    `The machine in ${d.path} names files outside of itself, which its guest could read and change: ${shortened(
      d.files.map(({ by, path }) => `${path} (${by})`),
    )}; ${
      d.archive
        ? 'an archive holds all that it names, ask for one that `rootmode export` made'
        : 'look at them, then take it in with --allow-outside, or leave it'
    }.`,
  'machine-unportable': (d: { path: string; reason: string }) => `${d.path} cannot be packed into an archive: ${d.reason}.`,
  'library-folder': (d: { path: string; reason: string }) =>
    `The library folder ${d.path} ${d.reason}; set XDG_DATA_HOME to a folder where you may write.`,
  'image-exists': (d: { name: string }) => `There is an image named ${d.name} already; choose another name or delete it.`,
  'download-failed': (d: { url: string; reason: string }) =>
    `${d.url} could not be downloaded (${d.reason}); try again: what came is kept.`,
  'download-checksum': (d: { name: string; expected: string; actual: string }) =>
    `${d.name} has the SHA-256 ${d.actual}, not ${d.expected}; it was deleted, check the address and the sum.`,
  'job-unknown': (d: { job: number }) => `There is no job ${d.job}; it was over long ago.`,
  'job-limit': (d: { maximum: number }) => `${d.maximum} long jobs run already; wait for one, or cancel one.`,
  'job-cancelled': (d: { title: string }) => `${d.title} was cancelled, and nothing is left of it.`,
  'image-busy': (d: { name: string }) => `The image ${d.name} is on its way; cancel that first.`,
  'image-in-use': (d: { name: string; machines: readonly string[] }) =>
    `The image ${d.name} is in use by ${d.machines.join(', ')}; turn that off first.`,
  'image-work': (d: { name: string; reason: string; cause?: Cause | undefined }) =>
    `The image ${d.name} was not made: ${d.reason}`,
  'vmx-unread': (d: { reason: string }) => `What VMX offers here could not be read: ${d.reason}`,
  'upload-unknown': (d: { upload: number }) => `There is no image being handed over with the number ${d.upload}; begin again.`,
  'upload-limit': (d: { maximum: number }) => `${d.maximum} images are being handed over already; wait for one.`,
  'machine-start': (d: { name: string; reason: string; cause?: Cause | undefined }) =>
    `The machine ${d.name} did not start: ${d.reason}`,
  // Looking into a running machine.
  'machines-none': (_: Record<never, never>) => 'No machine is running; start one with `rootmode run` or `rootmode start`.',
  'machine-unnamed': (d: { running: readonly string[] }) =>
    d.running.length === 0
      ? 'No machine is running; start one with `rootmode run` or `rootmode start`.'
      : `Several machines are running; name one of them: ${d.running.join(', ')}.`,
  'vmcs-none': (d: { name: string; vcpu: number; backend: string }) =>
    d.backend === 'bare'
      ? `vCPU ${d.vcpu} of ${d.name} has no VMCS: on bare there is one only while the guest is a hypervisor itself; run the machine with --accel software.`
      : `vCPU ${d.vcpu} of ${d.name} has no VMCS yet; ask again once it has started.`,
  'probe-unknown': (d: { probe: string; probes: readonly string[] }) =>
    `There is no probe ${d.probe}; name some of ${d.probes.join(', ')}.`,
  'probe-missing': (d: { probe: string; backend: string; probes: readonly string[] }) =>
    `The back end ${d.backend} does not have the probe ${d.probe}; it has ${d.probes.join(', ')}${
      d.backend === 'bare' ? ', and --accel software has more' : ''
    }.`,
  'trace-where': (d: { where: string; reason: string; at: number }) =>
    `The expression does not choose events: ${d.reason} (at character ${d.at}); names are arguments of probes, exit reasons and VMCS fields.`,
  'trace-field': (d: { field: string; backend: string }) =>
    `Events on ${d.backend} bring no VMCS field ${d.field}; \`rootmode vmcs\` shows the names there are.`,
  'trace-fields': (d: { maximum: number }) => `Events bring at most ${d.maximum} VMCS fields at once; name fewer.`,
  'trace-vmcs': (d: { backend: string }) =>
    `Events on ${d.backend}, or added up, bring no VMCS; start the machine on the accelerator software and record exits.`,
  'exit-forgotten': (d: { vcpu: number }) =>
    `The VMCS of that exit of vCPU ${d.vcpu} is not kept: it was not recorded, or newer exits took its place; record again.`,
  'trace-limit': (d: { maximum: number }) => `A machine has at most ${d.maximum} traces at once; end another one first.`,
  'trace-unknown': (d: { trace: number }) =>
    `There is no trace ${d.trace}: nobody fetched from it for too long, or it was ended; start it again.`,

  // Holding a machine and changing what it holds.
  'stop-unknown': (d: { stop: number }) => `There is no stop ${d.stop}; stop-list shows those there are.`,
  'stop-limit': (d: { maximum: number }) => `A machine has at most ${d.maximum} stops; remove one first.`,
  'stop-unsupported': (d: { on: string; backend: string }) =>
    `The back end ${d.backend} cannot stop at ${d.on}; run the machine with --accel software.`,
  'register-unknown': (d: { group: string; register: string }) =>
    `There is no register ${d.register} in ${d.group} that can be set; machine-registers shows their names.`,
  'memory-absent': (d: { address: string }) => `There is no memory at ${d.address} that could be written; nothing was changed.`,

  // The screen and the keyboard of a running machine.
  'screen-missing': (d: { name: string }) => `The machine ${d.name} has no display adapter; run it with --vga std.`,
  'screen-viewers': (d: { maximum: number }) =>
    `${d.maximum} windows look at this screen already, and there can be no more; close one first.`,
  'screen-graphics': (d: { name: string }) =>
    `The screen of ${d.name} shows graphics, not characters; \`rootmode screenshot ${d.name} FILE.png\` takes its picture.`,
  'text-untypable': (d: { characters: readonly string[]; layout: string }) =>
    `The keyboard layout ${d.layout} cannot type ${d.characters.join(' ')}; leave that out, or run the machine with another --keyboard-layout.`,
  'key-unknown': (d: { key: string }) =>
    `There is no key ${d.key}; name keys as ctrl-alt-del, f12, enter, esc, up or by the sign they type.`,
  'pointer-relative': (d: { name: string }) =>
    `The guest of ${d.name} has no driver for an absolute pointer; move its mouse by a distance: \`rootmode pointer ${d.name} by X Y\`.`,
  'pointer-unheard': (d: { name: string }) =>
    `The guest of ${d.name} does not listen to its mouse; wait until it has started a driver for one.`,
  'keys-waiting': (d: { waiting: number }) =>
    `The guest has yet to read ${d.waiting} strokes of keys typed before; wait until it has.`,

  // Messages.
  'message-invalid': (d: { reason: string }) => `The message is not a command (${d.reason}); send one JSON object per line.`,
  'message-too-long': (d: { bytes: number; maximum: number }) =>
    `A message of more than ${d.maximum} bytes is not read; send shorter ones (this one had ${d.bytes} so far).`,
  'command-unknown': (d: { command: string }) => `There is no command ${d.command}; command-list shows those there are.`,
  'command-not-allowed': (d: { command: string; status: string }) =>
    `The command ${d.command} cannot run while the machine is ${d.status}; wait until that changes.`,
  'arguments-invalid': (d: { command: string; reason: string }) =>
    `The arguments of ${d.command} are wrong (${d.reason}); command-list shows what it takes.`,
  'answer-invalid': (d: { command: string }) =>
    `The engine's answer to ${d.command} makes no sense to this version; use the version that started the machine.`,
  internal: (d: { reason: string }) => `The engine has a defect (${d.reason}); please report this.`,
} as const;

export type ErrorCode = keyof typeof sentences;
export type ErrorData = { [C in ErrorCode]: Parameters<(typeof sentences)[C]>[0] };

export const errorCodes = Object.keys(sentences) as readonly ErrorCode[];

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(sentences, text);
}

function sentence<C extends ErrorCode>(code: C, data: ErrorData[C]): string {
  return (sentences[code] as (data: ErrorData[C]) => string)(data);
}

/** A failure with a code, its data and one sentence in `message`. */
export class EngineError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'EngineError';
  readonly code: C;
  readonly data: ErrorData[C];

  constructor(code: C, data: ErrorData[C], options?: ErrorOptions) {
    super(sentence(code, data), options);
    this.code = code;
    this.data = data;
  }
}
