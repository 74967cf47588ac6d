/**
 * What a person can set about a machine, with ranges. Units stand in the names.
 */
import * as z from 'zod';
import { maximumRamBytes } from './errors.ts';
import { firmwareSettings } from './firmware-settings.ts';
import { storageSettings } from './storage-settings.ts';

/** A name that is safe as a file name, a process title and a word of a command line: 1 to 48 characters, no leading dot or dash. */
export const MachineName = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9._-]{0,47}$/,
    'must be 1 to 48 letters, digits, dots, dashes or underscores, and begin with none of . and -',
  );

/** `starting` until the first instruction; `paused` between two instructions; `stopping` once an end is decided. */
export const MachineStatus = z.enum(['starting', 'running', 'paused', 'stopping']);
export type MachineStatus = z.infer<typeof MachineStatus>;

/** Guest memory in KiB: 1 MiB to 3.5 GiB. */
const MemoryKiB = z
  .int()
  .min(1024, 'must be at least 1 (MiB)')
  .max(maximumRamBytes / 1024, 'must be at most 3584 (MiB)');

/** `console`: kept by the engine for whoever connects to its socket. */
const SerialTarget = z.union([z.enum(['stdio', 'console', 'none']), z.templateLiteral(['file:', z.string().min(1)])]);

/** The same for a port that no terminal belongs to. */
const SecondTarget = z.union([z.enum(['console', 'none']), z.templateLiteral(['file:', z.string().min(1)])]);
const OutputTarget = z.union([z.literal('none'), z.templateLiteral(['file:', z.string().min(1)])]);

export const cpuModels = ['x86-64-v2', 'qemu64', 'x86-64-v2-vmx'] as const;
export const accelerators = ['bare', 'software'] as const;

export const displayAdapters = ['std', 'none'] as const;
/** The files in assets/keymaps. */
export const keyboardLayouts = ['us', 'uk', 'de', 'fr', 'es', 'it', 'se'] as const;

/** Most vCPUs of one machine: APIC identifiers 0 to 15 fit every table that the firmware builds. */
export const maximumVcpus = 16;

export const MachineSettings = z.strictObject({
  name: MachineName,
  ...firmwareSettings,
  modules: z
    .array(z.strictObject({ file: z.string().min(1), text: z.string() }))
    .default([])
    .describe(
      'Loaded beside the kernel: Linux takes one, its initial ramdisk; PVH and multiboot kernels are told `text` with each.',
    ),
  append: z.string().max(2047, 'must be at most 2047 characters').default('').describe('Command line of the kernel.'),
  memoryKiB: MemoryKiB.default(512 * 1024).describe('Memory of the guest in KiB.'),
  cpus: z.int().min(1).max(maximumVcpus).default(1).describe('Number of virtual processors.'),
  cpu: z.enum(cpuModels).default('x86-64-v2').describe('What processor the guest finds.'),
  accel: z.enum(accelerators).default('software').describe('What runs the guest.'),
  threads: z
    .enum(['per-vcpu', 'round-robin'])
    .default('per-vcpu')
    .describe('One thread for each vCPU, or all of them round-robin on one.'),
  jit: z
    .enum(['off', 'on', 'force'])
    .default('on')
    .describe('Hot code becomes WebAssembly (`on`), everything does at once (`force`, for tests), or nothing does.'),
  serial: SerialTarget.default('stdio').describe('What COM1 is connected to; `file:PATH` keeps what the guest writes.'),
  serialLog: OutputTarget.default('none').describe('Where what the guest writes to COM1 is kept as well: added to `file:PATH`.'),
  serial2: SecondTarget.default('none').describe('What COM2 is connected to.'),
  serial2Log: OutputTarget.default('none').describe('Where what the guest writes to COM2 is kept as well.'),
  parallel: OutputTarget.default('none').describe('Where the printer port writes to.'),
  ...storageSettings,
  vga: z.enum(displayAdapters).default('std').describe('The display adapter.'),
  keyboardLayout: z.enum(keyboardLayouts).default('us').describe('The keyboard that typed text is for.'),
  rtc: z
    .enum(['utc', 'local'])
    .default('utc')
    .describe('What the real-time clock shows when the guest has not set it: world time, or that of the host’s zone.'),
  hpet: z
    .boolean()
    .default(false)
    .describe('Tell guests of the HPET. Those that know one try its interrupts while they start, for 160 ms of their time.'),
  noReboot: z.boolean().default(false).describe('End instead of resetting, after a triple fault too.'),
  debugExit: z.boolean().default(false).describe('A write to port 0xF4 ends the machine with a status.'),
});
export type MachineSettings = z.output<typeof MachineSettings>;
export type MachineSettingsInput = z.input<typeof MachineSettings>;
